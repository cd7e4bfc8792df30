//! Runs that nobody keeps in their container: their marks are written here, from what the engine
//! and its client say, so that whoever reads marks need not know the difference.

use std::time::Duration;

use jiff::Timestamp;

use super::Keeper;
use crate::campaign::attempt::Attempt;
use crate::campaign::run_folder;
use crate::campaign::strategy::Strategy;
use crate::campaign::watch::last_lines;
use crate::durable::{self, Flush};
use crate::engine::process::Exit;
use crate::inner::mark::{ENDED_FILE, EndReason, EndedMark, STARTED_FILE, StartedMark};

/// How often the engine is asked whether a run has begun.
const LOOK: Duration = Duration::from_millis(100);

/// What the client of a command says that could not begin.
const NEVER_BEGAN: [&str; 4] = [
    "is not running",
    "No such container",
    "Cannot connect to the Docker daemon",
    "Error response from daemon",
];

/// How the command of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Of(EndReason, Option<i32>),
    NeverBegan,
    Unknown,
}

/// Marks the beginning of a run that nobody keeps, once the engine says that it has begun. Never
/// ends.
pub(crate) async fn witness(attempt: &Attempt, strategy: &Strategy, mark: usize) {
    if attempt.keeper == Keeper::Nobody {
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tick.tick().await;
            if strategy.has_begun(attempt, mark).await {
                write_start(attempt);
                break;
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Marks the end of a run that nobody keeps, if it is known how it ended.
pub(crate) async fn conclude(
    attempt: &Attempt,
    strategy: &Strategy,
    mark: usize,
    exit: Exit,
    elapsed: Duration,
) {
    if attempt.keeper != Keeper::Nobody {
        return;
    }
    let said = last_lines(&attempt.folder.join(run_folder::LOG), 20).join("\n");
    let (reason, code) = match end(exit, strategy.exit_code(attempt, mark, exit).await, &said) {
        End::Of(reason, code) => (reason, code),
        End::NeverBegan | End::Unknown => return,
    };
    if !attempt.folder.join(STARTED_FILE).exists() {
        // Shorter than the time between two looks.
        write_start(attempt);
    }
    let signal = code.filter(|_| reason == EndReason::Signaled).map(|code| code - 128);
    let ended = EndedMark {
        run: Some(attempt.run.clone()),
        reason,
        exit_code: code.filter(|_| signal.is_none()),
        signal,
        wall_seconds: elapsed.as_secs_f64(),
        cpu_seconds: None,
        peak_memory_bytes: None,
        oom_kills: 0,
        leftovers: 0,
        ended_at: Timestamp::now(),
    };
    // Without it the client's exit code has to do.
    let _ = durable::write_json(&attempt.folder.join(ENDED_FILE), &ended, Flush::Later);
}

fn write_start(attempt: &Attempt) {
    let mark = StartedMark::of_this_process(Some(&attempt.run));
    // Without it the run counts as not started, and is stopped.
    let _ = mark.write(&attempt.folder);
}

/// What is known from the exit of the client, the exit code of the run's own container, where it
/// had one that ended, and the last words.
fn end(exit: Exit, died: Option<i32>, said: &str) -> End {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let of = |code: i32| match code {
        129..=192 => End::Of(EndReason::Signaled, Some(code)),
        _ => End::Of(EndReason::Exited, Some(code)),
    };
    if let Some(code) = died {
        return of(code);
    }
    match exit {
        // The engine or the client is gone.
        Exit::Signal(_) | Exit::Code(125 | 130 | 255) => End::Unknown,
        Exit::Code(126 | 127) if says(&["OCI runtime exec failed"]) => {
            let missing = says(&["executable file not found", "no such file or directory"]);
            let reason = if missing { EndReason::NotFound } else { EndReason::NotExecutable };
            End::Of(reason, None)
        }
        Exit::Code(1) if says(&NEVER_BEGAN) => End::NeverBegan,
        Exit::Code(code) => of(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_command_ends_as_its_container_or_its_client_says() {
        use EndReason::{Exited, NotExecutable, NotFound, Signaled};
        let missing = "OCI runtime exec failed: exec: \"x\": executable file not found in $PATH";
        let denied = "OCI runtime exec failed: exec: \"/etc\": permission denied";
        for (exit, died, said, expected) in [
            (0, Some(0), "", End::Of(Exited, Some(0))),
            (255, Some(3), "", End::Of(Exited, Some(3))),
            (137, Some(137), "", End::Of(Signaled, Some(137))),
            (127, Some(127), "[FATAL tini (7)] exec x failed", End::Of(Exited, Some(127))),
            (3, None, "", End::Of(Exited, Some(3))),
            (1, None, "a mistake", End::Of(Exited, Some(1))),
            (126, None, missing, End::Of(NotFound, None)),
            (126, None, denied, End::Of(NotExecutable, None)),
            (126, None, "its own", End::Of(Exited, Some(126))),
            (1, None, "service \"bench\" is not running", End::NeverBegan),
            (125, None, "", End::Unknown),
            (255, None, "", End::Unknown),
        ] {
            assert_eq!(end(Exit::Code(exit), died, said), expected, "{exit} {died:?} {said}");
        }
        assert_eq!(end(Exit::Signal(9), None, ""), End::Unknown);
    }
}
