//! Who keeps a run inside its container: starts it, marks it, watches its limits, ends it.
//!
//! The inner lem does that where it can be mounted. Where it can't, or may not, a script does it in
//! the image's own shell, and without a shell nobody: the command runs bare, and lem keeps it from
//! outside ([`bare`]). Which of them it is, is decided before anything starts.
//!
//! 2026-11-21: whether an image has a shell is asked of the image itself, by a container that starts
//! `sh` and ends, once per image and campaign ([`tools`]). Looking for `/bin/sh` in a container that
//! is only created would start nothing, but follows no link, knows no PATH, and takes a shell for
//! one that can't be executed there.

pub(crate) mod bare;
pub(crate) mod share;
pub(crate) mod tools;

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::attempt::{Attempt, Lifeline};
use super::world::INNER;
use crate::engine::about::About;
use crate::engine::place::Endpoint;
use crate::engine::resolved::Service;

use self::tools::Tools;

/// Who keeps the runs of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The inner lem, mounted into the container.
    InnerLem,
    /// The image's own `sh`, with a script of lem's.
    Shell,
    /// Nobody in the container.
    Nobody,
}

/// Why a service's runs do without the inner lem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Without {
    /// The Compose file says so.
    Asked,
    /// The engine is on another machine.
    Elsewhere { address: String },
    /// The engine's machine has another processor.
    OtherCpu { engine: String },
    /// The engine maps users to others, who may not read the container build.
    Closed { build: PathBuf },
    /// The engine doesn't see the folder of the container build.
    OutOfReach { build: PathBuf },
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("`x-lem: {inner: false}`"),
            Self::Elsewhere { address } => write!(f, "the engine at {address} is another machine"),
            Self::OtherCpu { engine } => {
                write!(
                    f,
                    "the engine's machine is {engine}, this one is {}",
                    std::env::consts::ARCH
                )
            }
            Self::Closed { build } => {
                write!(f, "the engine maps users, and others may not run {}", build.display())
            }
            Self::OutOfReach { build } => write!(f, "the engine can't see {}", build.display()),
        }
    }
}

impl Keeper {
    /// Who keeps the runs of a service, and why not the inner lem. An image that is still to be made
    /// is taken to have a shell.
    pub(crate) fn of(
        service: &Service,
        inner: &Result<PathBuf, Without>,
        tools: Option<Tools>,
    ) -> (Self, Option<Without>) {
        let why = match (service.lem.lets_inner_lem_in(), inner) {
            (true, Ok(_)) => return (Self::InnerLem, None),
            (true, Err(why)) => why.clone(),
            (false, _) => Without::Asked,
        };
        match tools {
            Some(Tools { sh: false, .. }) => (Self::Nobody, Some(why)),
            Some(Tools { sh: true, .. }) | None => (Self::Shell, Some(why)),
        }
    }

    /// The words that start a try in its container.
    pub(crate) fn words(self, attempt: &Attempt, lifeline: Lifeline) -> Vec<String> {
        let own = |words: Vec<String>| std::iter::once(INNER.to_owned()).chain(words).collect();
        match self {
            Self::InnerLem => own(attempt.inner_words(lifeline)),
            Self::Shell => {
                let held = match lifeline {
                    Lifeline::Held => "held",
                    Lifeline::None => "none",
                };
                let limit = attempt.timeout.map_or_else(|| "none".to_owned(), hundredths);
                let folder = attempt.folder_inside.to_string_lossy();
                let mut words = shell(&["run", &folder, &hundredths(attempt.grace), &limit, held]);
                words.extend(attempt.command.iter().cloned());
                words
            }
            Self::Nobody => attempt.command.clone(),
        }
    }

    /// The words that end what carries a run's mark, from beside it; none where nobody can.
    pub(crate) fn killer(self, run: &str, grace: Duration) -> Option<Vec<String>> {
        match self {
            Self::InnerLem => {
                let grace = grace.as_secs_f64().to_string();
                Some([INNER, "kill", run, "--grace", &grace].map(str::to_owned).to_vec())
            }
            Self::Shell => Some(shell(&["kill", run, &hundredths(grace)])),
            Self::Nobody => None,
        }
    }

    /// The words that keep a container alive between runs; none where nobody can.
    pub(crate) fn hold(self) -> Option<Vec<String>> {
        match self {
            Self::InnerLem => Some([INNER, "hold"].map(str::to_owned).to_vec()),
            Self::Shell => Some(shell(&["hold"])),
            Self::Nobody => None,
        }
    }

    /// What is lost, for people.
    pub(crate) fn loses(self) -> &'static str {
        match self {
            Self::InnerLem => "nothing",
            Self::Shell => "its own `sh` keeps the runs; no memory figures",
            Self::Nobody => {
                "its image has no `sh` with the usual programs, so lem keeps the runs from outside: \
                 they go on when lem is killed, and what they leave behind in a held container stays"
            }
        }
    }
}

/// What `sh` runs, without its comments: it is on every command line.
pub(crate) fn script() -> &'static str {
    static SCRIPT: OnceLock<String> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let lines = include_str!("keeper.sh").lines().map(str::trim_start);
        let said: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
        said.join("\n")
    })
}

fn shell(words: &[&str]) -> Vec<String> {
    ["sh", "-c", script(), "lem"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// Shells count in whole numbers.
fn hundredths(time: Duration) -> String {
    time.as_millis().div_ceil(10).to_string()
}

/// Why the container build can't be mounted by this engine, as far as that is known without trying.
pub(crate) fn obstacle(build: &Path, about: &About) -> Option<Without> {
    let engine = match about.architecture.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    if !engine.is_empty() && engine != std::env::consts::ARCH {
        return Some(Without::OtherCpu { engine: engine.to_owned() });
    }
    let open = |mode: u32| mode & 0o005 == 0o005;
    let closed = build.metadata().is_ok_and(|data| !open(data.permissions().mode()));
    (about.remaps_users() && closed).then(|| Without::Closed { build: build.to_owned() })
}

/// The engine is on another machine: at its address, or of its name.
pub(crate) fn elsewhere(about: &About, endpoint: &Endpoint) -> Without {
    let address = match endpoint {
        Endpoint::Remote(address) => address.clone(),
        Endpoint::Socket(_) | Endpoint::Unknown => about.name.clone(),
    };
    Without::Elsewhere { address }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::resolved::parse;

    const BOTH: Tools = Tools { sh: true, lem: false };
    const NEITHER: Tools = Tools { sh: false, lem: false };

    fn keeper(service: &str, inner: &Result<PathBuf, Without>, tools: Option<Tools>) -> Keeper {
        let resolved = parse(&format!("name: p\nservices:\n  s: {service}\n")).unwrap();
        Keeper::of(&resolved.services["s"], inner, tools).0
    }

    #[test]
    fn the_inner_lem_keeps_the_runs_wherever_it_can_and_may() {
        let (mounted, no) = (Ok("/lem".into()), Err(Without::OutOfReach { build: "/lem".into() }));
        for (service, inner, tools, expected) in [
            ("{image: i}", &mounted, Some(NEITHER), Keeper::InnerLem),
            ("{image: i, x-lem: {inner: true}}", &mounted, None, Keeper::InnerLem),
            ("{image: i, x-lem: {inner: false}}", &mounted, Some(BOTH), Keeper::Shell),
            ("{image: i, x-lem: {inner: false}}", &mounted, Some(NEITHER), Keeper::Nobody),
            ("{image: i}", &no, None, Keeper::Shell),
            ("{image: i}", &no, Some(NEITHER), Keeper::Nobody),
        ] {
            assert_eq!(keeper(service, inner, tools), expected, "{service}");
        }
    }

    #[test]
    fn a_build_that_this_engine_can_not_run_is_known_without_trying() {
        let about = |text: &str| crate::engine::about::engine(text).unwrap();
        let own = std::env::consts::ARCH;
        let build = tempfile::NamedTempFile::new().unwrap();
        let of = |text: &str| obstacle(build.path(), &about(text));
        assert_eq!(of(&format!("{{\"Architecture\": \"{own}\"}}")), None);
        assert_eq!(of("{}"), None, "an engine that does not say it");
        let other = of(r#"{"Architecture": "riscv64"}"#);
        assert_eq!(other, Some(Without::OtherCpu { engine: "riscv64".into() }));
        // A temporary file is its owner's alone.
        let mapped = of(r#"{"SecurityOptions": ["name=userns"]}"#);
        assert_eq!(mapped, Some(Without::Closed { build: build.path().into() }));
    }

    #[test]
    fn what_a_run_brings_is_never_part_of_the_script() {
        let words = shell(&["kill", "r'; rm -rf /", "5"]);
        assert_eq!(words[2], script());
        assert_eq!(words[3..], ["lem", "kill", "r'; rm -rf /", "5"]);
        assert!(!script().lines().any(|line| line.trim_start().starts_with('#')));
    }
}
