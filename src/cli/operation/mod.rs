//! `lem op KIND CONTAINER`: one operation on a container, beside those of other people and
//! programs: it begins, waits for its turn or is refused, and everybody can see which.

mod arguments;
mod attend;
mod conclude;
mod engine_here;
mod error;
mod explain;
mod join;
mod labels;
mod look;
mod names;
mod op;
mod place;
mod register;
mod remembered;
mod standard;
mod store;
mod target;
mod wish;
mod work;

pub(super) use arguments::Arguments;
pub(super) use attend::Attending;
pub(super) use conclude::conclude;
pub(super) use error::OperationError;
pub(super) use op::run;
pub(super) use place::{Site, Strangers, Where};
pub(super) use register::{Arguments as RegisterArguments, run as register};
