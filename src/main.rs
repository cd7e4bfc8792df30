//! The `lem` binary: everything is in the library, so that tests and this file see the same thing.

use std::process::ExitCode;

fn main() -> ExitCode {
    lem::run()
}
