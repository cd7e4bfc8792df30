//! What an image brings for the keeping of runs: a shell, and a `lem` of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::engine::container::Docker;
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::process::{Exit, Reply, capture};

/// A container that starts and ends, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What an image brings: a shell that is of use, and a `lem`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tools {
    pub sh: bool,
    pub lem: bool,
}

/// What is known of images, by name.
pub(crate) type Known = BTreeMap<String, Tools>;

/// Asks an image that is here, in containers of the owner's that are gone afterwards.
pub(crate) async fn ask(
    docker: &Docker,
    owner: &str,
    image: &str,
    cancel: &Cancel,
) -> Result<Tools, EngineError> {
    let starts = async |program: &str, arguments: &[&str]| {
        let line = docker.try_program(owner, image, program, arguments);
        let reply = capture(&line, LIMIT, cancel).await?;
        started(&reply, &line).map(|started| (started, reply))
    };
    let (sh, reply) = starts("sh", &["-c", &question()]).await?;
    let lem =
        if sh { !reply.stdout.trim().is_empty() } else { starts("lem", &["--version"]).await?.0 };
    Ok(Tools { sh, lem })
}

/// What the script in a shell starts.
const NEEDED: [&str; 4] = ["date", "grep", "mv", "sleep"];
/// The exit code of a shell that finds one of them missing.
const UNUSABLE: i32 = 90;

/// Where `lem` is, if the shell has what it needs.
fn question() -> String {
    let needed = NEEDED.map(|name| format!("command -v {name} >/dev/null")).join(" && ");
    format!("{needed} || exit {UNUSABLE}; command -v lem || :")
}

/// Whether the program was there, and all that it needs. What else keeps a container from starting is an error.
fn started(reply: &Reply, line: &Invocation) -> Result<bool, EngineError> {
    let absent = ["executable file not found", "no such file or directory", "permission denied"];
    match reply.exit {
        Exit::Code(0) => Ok(true),
        Exit::Code(UNUSABLE) => Ok(false),
        Exit::Code(126 | 127) if absent.iter().any(|words| reply.stderr.contains(words)) => {
            Ok(false)
        }
        Exit::Code(_) | Exit::Signal(_) => reply.clone().success(line).map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_is_missing_is_not_there() {
        let line = Invocation::new("/usr/bin/docker".as_ref(), ["run"]);
        let answer = |code, stderr: &str| {
            let reply =
                Reply { exit: Exit::Code(code), stdout: String::new(), stderr: stderr.to_owned() };
            started(&reply, &line)
        };
        let missing = "docker: Error response from daemon: failed to create shim: OCI runtime create \
                       failed: exec: \"sh\": executable file not found in $PATH: unknown.";
        assert!(answer(0, "").unwrap());
        assert!(!answer(127, missing).unwrap());
        assert!(!answer(UNUSABLE, "").unwrap());
        assert!(
            answer(125, "docker: Error response from daemon: no space left on device").is_err()
        );
        assert!(answer(1, "standard_init_linux.go: exec user process: exec format error").is_err());
    }
}
