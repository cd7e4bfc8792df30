//! `lem op KIND CONTAINER`: one operation on a container, beside those of other people and
//! programs: it begins, waits for its turn or is refused, and everybody can see which.

mod arguments;
mod attend;
mod conclude;
mod engine_here;
mod error;
mod explain;
mod join;
mod look;
mod names;
mod op;
mod place;
mod remembered;
mod standard;
mod wish;
mod work;

pub(super) use arguments::Arguments;
pub(super) use attend::{Attending, Cause, Ended};
pub(super) use error::OperationError;
pub(super) use op::run;
pub(super) use place::{Site, Strangers, Target, Where};
