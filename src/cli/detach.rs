//! `--detach`: the campaign goes on in a lem with a session of its own, for terminals that close.
//!
//! This lem checks everything and asks; then it lets go of its locks and starts itself again. The
//! other one takes the locks, checks once more, and says over a pipe that it has begun, or why it
//! has not. From then on it writes to a log.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{dup2_stderr, dup2_stdout, setsid};
use serde::{Deserialize, Serialize};

use super::flags::Flags;
use super::{exit, render, signals};
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::file::Structure;
use crate::cancel::Cancel;
use crate::durable;
use crate::engine::process::{Ask, Exit, Leaving, Left};

/// The option that a person gives.
const DETACH: &str = "--detach";
/// The option that the other lem gets in its place.
const DETACHED: &str = "--detached";

/// How long the other lem may take to end, before it has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the other lem says when it has begun.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    campaign: String,
    /// The UUID of this execution.
    campaign_id: String,
    pid: u32,
    /// What it says from now on.
    log: PathBuf,
    /// Its events, with `--json`.
    events: Option<PathBuf>,
    /// Why it can't write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What a person sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Text,
    Json,
}

/// Starts the other lem and waits until it has begun. The locks must be free.
pub(super) async fn hand_over(
    campaign: &Campaign,
    shown: Shown,
    cancel: &Cancel,
) -> Result<u8, CampaignError> {
    let failed = |source| CampaignError::Unwritable { path: "/proc/self/exe".into(), source };
    let words = words(std::env::args_os().skip(1), &choices(campaign));
    let leaving = Leaving::start(words).map_err(failed)?;
    let pid = leaving.pid();
    let mut waiting = tokio::task::spawn_blocking(move || leaving.wait());
    let left = tokio::select! {
        left = &mut waiting => left,
        signal = cancel.raised() => {
            let again = signals::another();
            Leaving::signal(pid, Ask::ToEnd);
            // It ends in order, if it can and nobody insists.
            tokio::select! {
                _ = &mut waiting => {}
                () = tokio::time::sleep(PATIENCE) => Leaving::signal(pid, Ask::AtOnce),
                () = again => Leaving::signal(pid, Ask::AtOnce),
            }
            return Err(CampaignError::Cancelled { signal });
        }
    };
    match left.map_err(io::Error::other).and_then(|left| left).map_err(failed)? {
        Left::Begun(line) => {
            show(&line, shown);
            Ok(exit::DONE)
        }
        Left::Ended(exit, said) => {
            let _ = io::stderr().write_all(said.as_bytes());
            Ok(match exit {
                Exit::Code(code) => u8::try_from(code).unwrap_or(exit::MACHINE),
                Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(exit::MACHINE),
            })
        }
    }
}

fn show(line: &str, shown: Shown) {
    let begun = serde_json::from_str::<Begun>(line);
    match (begun, shown) {
        (Ok(begun), Shown::Json) => render::json(&begun),
        (Ok(begun), Shown::Text) => {
            let Begun { campaign, pid, log, .. } = &begun;
            render::say(&format!("{campaign} goes on by itself, pid {pid}"));
            render::say(&format!("  log     {}", log.display()));
            if let Some(problem) = &begun.problem {
                render::say(&format!("  warning: it can't be written: {problem}"));
            }
            render::say("  watch   `lem status`, `lem logs -f`");
            render::say(&format!("  end     `kill {pid}`"));
        }
        // Another version was put in place of this one meanwhile.
        (Err(_), _) => render::say(line.trim_end()),
    }
}

/// What this lem has decided and the other one can't ask or draw again.
fn choices(campaign: &Campaign) -> Vec<OsString> {
    let flags: Flags = serde_json::from_str(&campaign.flags).unwrap_or_default();
    let mut choices = Vec::new();
    match (campaign.past.is_empty(), campaign.plan.structure, campaign.plan.seed) {
        (false, _, _) => choices.push("--resume".into()),
        (true, Structure::Shuffled, Some(seed)) if flags.seed.is_none() => {
            choices.extend(["--fresh".into(), "--seed".into(), seed.to_string().into()]);
        }
        (true, _, _) => choices.push("--fresh".into()),
    }
    choices
}

/// The arguments of the other lem: this one's, with the choices behind the verb.
fn words(own: impl Iterator<Item = OsString>, choices: &[OsString]) -> Vec<OsString> {
    let own: Vec<OsString> = own.filter(|word| word != DETACH).collect();
    let given = |option: &str| own.iter().any(|word| word == option);
    let behind = own.iter().position(|word| !starts_with_dash(word)).map_or(0, |verb| verb + 1);
    let resume = own.get(behind.saturating_sub(1)).is_some_and(|verb| verb == "resume");
    let decided = given("--resume") || given("--fresh") || resume;
    let way = |word: &&OsString| *word == "--resume" || *word == "--fresh";
    let choices = choices.iter().filter(|word| !(decided && way(word))).cloned();
    let mut words = own[..behind].to_vec();
    words.push(DETACHED.into());
    words.extend(choices);
    words.extend_from_slice(&own[behind..]);
    words
}

fn starts_with_dash(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// The other lem leaves the session of the terminal.
pub(super) fn leave_session() {
    // It fails for the leader of a group, which belongs to no terminal of anybody's then.
    let _ = setsid();
}

/// The other lem says that it has begun. From here on its words go to files below `state_dir`.
pub(super) fn announce(campaign: &Campaign, campaign_id: &str, shown: Shown) {
    let folder = campaign.settings.state_dir.join(&campaign_id[..campaign_id.len().min(8)]);
    let log = folder.join("lem.log");
    let events = (shown == Shown::Json).then(|| folder.join("events.jsonl"));
    let opened = open(&folder, &log, events.as_deref());
    let begun = Begun {
        campaign: campaign.name.clone(),
        campaign_id: campaign_id.to_owned(),
        pid: std::process::id(),
        log,
        events,
        problem: opened.as_ref().err().map(ToString::to_string),
    };
    // Who started this lem may be gone already; that is no reason to stop.
    render::json(&begun);
    let _ = io::stdout().flush();
    let files = opened.or_else(|_| {
        let nothing = File::options().write(true).open("/dev/null")?;
        nothing.try_clone().map(|out| (out, nothing))
    });
    if let Ok((out, err)) = files {
        let _ = dup2_stdout(&out);
        let _ = dup2_stderr(&err);
    }
}

/// The files for standard output and standard error.
fn open(folder: &Path, log: &Path, events: Option<&Path>) -> io::Result<(File, File)> {
    durable::private_folder(folder)?;
    let open = |path: &Path| File::options().create(true).append(true).mode(0o600).open(path);
    let err = open(log)?;
    let out = events.map_or_else(|| err.try_clone(), open)?;
    Ok((out, err))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(own: &[&str], choices: &[&str]) -> String {
        let choices: Vec<OsString> = choices.iter().map(Into::into).collect();
        let words = words(own.iter().map(Into::into), &choices);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_other_lem_gets_the_same_words_and_what_was_decided() {
        for (own, choices, expected) in [
            (
                &["campaign", "--detach", "--yes", "a.yaml"][..],
                &["--fresh"][..],
                "campaign --detached --fresh --yes a.yaml",
            ),
            (
                &["--json", "campaign", "--resume", "--detach"],
                &["--resume"],
                "--json campaign --detached --resume",
            ),
            (
                &["campaign", "--fresh", "--detach"],
                &["--fresh", "--seed", "7"],
                "campaign --detached --seed 7 --fresh",
            ),
            (&["resume", "--detach"], &["--resume"], "resume --detached"),
        ] {
            assert_eq!(other(own, choices), expected);
        }
    }
}
