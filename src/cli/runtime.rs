//! The runtime of one command: signals watched, errors shown, no thread waited for at the end.

use std::process::ExitCode;
use std::time::Duration;

use super::exit::Failure;
use super::signals::Hangup;
use super::{render, signals};
use crate::cancel::Cancel;

/// How long the end waits for threads: a docker client that keeps a pipe open must not keep lem.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// Runs `work` to its exit code.
pub(super) fn block_on<F, E>(work: F) -> ExitCode
where
    F: AsyncFnOnce(&Cancel) -> Result<u8, E>,
    E: Failure,
{
    block_on_with(Hangup::Inherited, work)
}

/// The same, with a word about SIGHUP.
pub(super) fn block_on_with<F, E>(hangup: Hangup, work: F) -> ExitCode
where
    F: AsyncFnOnce(&Cancel) -> Result<u8, E>,
    E: Failure,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return render::failure_of_start(&error),
    };
    let code = runtime.block_on(async {
        let cancel = match signals::watch(hangup) {
            Ok(cancel) => cancel,
            Err(error) => return render::failure_of_start(&error),
        };
        let done = work(&cancel).await;
        // A signal that came while a question was asked is seen only now.
        tokio::task::yield_now().await;
        match (done, cancel.now()) {
            (Ok(code), _) => ExitCode::from(code),
            // Whatever failed, failed because the user cut it off.
            (Err(error), Some(signal)) if !error.is_interruption() => {
                render::error(&E::cancelled(signal))
            }
            // What could not be undone, say.
            (Err(error), Some(signal)) => {
                let _ = render::error(&error);
                ExitCode::from(signal.exit_code())
            }
            (Err(error), None) => render::error(&error),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENT);
    code
}
