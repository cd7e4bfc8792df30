//! Whether coordination keeps what it promises: its rules written a second time and compared with
//! the ledger over random histories, and its protocol checked in every order of events.
//!
//! 2026-11-21: invariants are numbered as they are in the proposal that the area was built from:
//! I1 nobody meets whom it would not get on with, I3 tokens grow, I5 every operation ends once, I6
//! the queue is bounded, I7 and I8 nobody who waits is passed by who is in its way, I9 who could
//! begin does, I10 all of an operation or none of it, I11 no circle of waiting, I12 only who has an
//! operation ends it, I13 the matrix is the published one.

mod events;
mod found;
mod liveness;
mod made_up;
// The server of the tests of whole commands.
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a test starts and waits for what it tests"
)]
#[path = "../../../tests/support/postgres.rs"]
mod postgres;
mod properties;
mod queue;
mod reference;
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a test starts and waits for what it tests"
)]
#[path = "../../../tests/support/wait.rs"]
mod wait;

use wait::eventually;
