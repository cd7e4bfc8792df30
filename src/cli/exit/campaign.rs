//! The exit code of each error of a campaign, and its way out.

use super::{
    BUSY, FAILED, Failure, MACHINE, WRONG, coordination, coordination_hint, engine, engine_hint,
    gpu, gpu_hint,
};
use crate::campaign::command::NoCommand;
use crate::campaign::error::CampaignError;
use crate::campaign::keeper::Without;
use crate::campaign::resume::select::Unmatched;
use crate::cancel::Signal;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::lock::LockError;
use crate::record::RecordError;
use crate::yaml::YamlError;

impl Failure for CampaignError {
    fn code(&self) -> u8 {
        code(self)
    }

    fn hint(&self) -> Option<String> {
        hint(self)
    }

    fn last_words(&self) -> Vec<&str> {
        match self {
            Self::NotReady { log, .. } => log.lines().collect(),
            _ => Vec::new(),
        }
    }

    fn yaml(&self) -> Option<&YamlError> {
        match self {
            Self::File(error)
            | Self::ComposeFiles(FilesError::File(error))
            | Self::Engine(EngineError::File(error)) => Some(error),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }

    fn cancelled(signal: Signal) -> Self {
        Self::Cancelled { signal }
    }
}

fn code(error: &CampaignError) -> u8 {
    use CampaignError as E;
    match error {
        E::NoCampaignFile { .. }
        | E::NoMatch { .. }
        | E::Unnamed { .. }
        | E::NamedTwice { .. }
        | E::ExtendsItself { .. }
        | E::File(_)
        | E::Senseless { .. }
        | E::NoConfig { .. }
        | E::Grid(_)
        | E::Place(_)
        | E::ComposeFiles(_)
        | E::ComposeFileBroken { .. }
        | E::ComposeFileChanged { .. }
        | E::NoBackend { .. }
        | E::NoService { .. }
        | E::ReadOnlyResults(_)
        | E::NoLem { .. }
        | E::NothingHolds { .. }
        | E::Unfinished { .. }
        | E::NothingToResume { .. }
        | E::Unrecorded { .. }
        | E::SeveralUnfinished { .. }
        | E::Elsewhere { .. }
        | E::Finished { .. }
        | E::ChosenDone { .. }
        | E::Drifted { .. }
        | E::NoSuchRun { .. }
        | E::NoRun { .. }
        | E::SeveralRuns { .. }
        | E::Unmatched(_)
        | E::NoManifest { .. }
        | E::ResultsElsewhere { .. }
        | E::ResultsTaken { .. }
        | E::NoAnswer => WRONG,
        E::NoInner { .. }
        | E::Unwritable { .. }
        | E::DiskFull { .. }
        | E::ResultsGone { .. }
        | E::Unreadable { .. }
        | E::UnwritableInside { .. }
        | E::NoImage { .. }
        | E::NotShared { .. }
        | E::EngineLost { .. }
        | E::EngineAway { .. }
        | E::Record(_)
        | E::LeftBehind { .. }
        | E::NotLooked { .. }
        | E::Lock(LockError::Unusable { .. }) => MACHINE,
        E::Foreign { .. } | E::OneOff { .. } | E::Busy { .. } | E::Lock(LockError::Held { .. }) => {
            BUSY
        }
        E::NotReady { .. } | E::TooManyFailures { .. } => FAILED,
        E::Interrupted { signal } | E::Cancelled { signal } => signal.exit_code(),
        E::Engine(error) => engine(error),
        E::Coordination(error) => coordination(error),
        E::Gpu(error) => gpu(error),
    }
}
/// The next thing to type.
#[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
fn hint(error: &CampaignError) -> Option<String> {
    use CampaignError as E;
    let hint = match error {
        E::NoCampaignFile { .. } => {
            "name the file: `lem campaign FILE`; `lem init` writes one to begin with".to_owned()
        }
        E::NoMatch { .. } => "quote a pattern only where lem should expand it".to_owned(),
        E::Unnamed { .. } => "give it one: `--campaign-name NAME`".to_owned(),
        E::NamedTwice { .. } => {
            "run it by itself, without `--campaign-name`; several campaigns are several commands"
                .to_owned()
        }
        E::NoConfig { .. } => "paths in a campaign are relative to the campaign file".to_owned(),
        E::ComposeFiles(FilesError::NoComposeFile { .. }) => {
            "name one: `docker: {compose_file: …}` in the campaign, or `--compose-file`".to_owned()
        }
        E::ComposeFiles(FilesError::ComposeFileMissing { .. }) => {
            "`docker.compose_file` is relative to the file that says it".to_owned()
        }
        E::ComposeFileChanged { .. } => {
            "put it back, or leave it: `lem resume` does the missing runs with what it says then"
                .to_owned()
        }
        E::ComposeFileBroken { .. } => "see it for yourself: `docker compose config`".to_owned(),
        E::NoBackend { .. } => {
            "add `backend: NAME` to the experiment; `services:` in the campaign maps backends to \
             services"
                .to_owned()
        }
        E::NoService { service, known, .. } => no_service(service, known),
        E::Place(NoCommand::TooLong { .. }) => {
            "hand it over in a file: `{config}` is the path of the experiment's configuration"
                .to_owned()
        }
        E::Place(NoCommand::Nul { .. }) => {
            "write the value without `\\0`, or hand it over in a file".to_owned()
        }
        E::Place(NoCommand::UnknownPlace { .. }) => {
            "known: config, result, results, backend, cycle, keys of the experiment, and \
                        dataset and num_samples where the campaign sets them; `{{…}}` are braces"
                .to_owned()
        }
        E::ReadOnlyResults(_) => "mount the results without `:ro`".to_owned(),
        E::NoInner { .. } => {
            "`make install` puts both builds in place; LEM_CONTAINER_BIN names another; services \
             with `x-lem: {inner: false}` need none"
                .to_owned()
        }
        E::NoLem { .. } => {
            "name a `command` that the image has, or use an image with a `lem` of its own".to_owned()
        }
        E::NothingHolds { why, .. } => nothing_holds(why),
        E::NotShared { .. } => {
            "it must be on a folder that both machines have at the same path, for results `-o DIR`; or \
             run lem on the engine's machine, or use an engine of this one: `docker context use \
             default`, `unset DOCKER_HOST`"
                .to_owned()
        }
        E::ResultsElsewhere { folder, .. } => format!(
            "it goes on where it began: `-o {}`; `--fresh` starts it anew elsewhere",
            folder.display()
        ),
        E::ResultsTaken { .. } => {
            "give it another name, or its results another place: `-o DIR`".to_owned()
        }
        E::Unwritable { .. } => "check the folder's owner, mode and free space".to_owned(),
        E::DiskFull { .. } => {
            "make room, then `lem resume`: nothing that was done is lost".to_owned()
        }
        E::ResultsGone { .. } => {
            "put it back where it was, then `lem resume`; what is not put back is done again with \
             `--fresh`"
                .to_owned()
        }
        E::UnwritableInside { log, .. } => {
            format!("the container's user can't reach the folder; see {}", log.display())
        }
        E::Foreign { container, .. } => format!(
            "stop it (`docker stop {container}`), or let Compose recreate it: `--replace-running`"
        ),
        E::OneOff { container, .. } => format!("remove it: `docker rm -f {container}`"),
        E::Busy { what, .. } if what.starts_with("project") => {
            "wait for it (`lem status`), or use a Compose project of your own: `--project-name NAME`"
                .to_owned()
        }
        E::Busy { holder, .. } | E::Lock(LockError::Held { holder }) => {
            format!("wait for it (`lem status`), or end it: `kill {}`", holder.pid)
        }
        E::Unfinished { .. } => {
            "`--resume` goes on with it, `--fresh` starts anew and keeps its results".to_owned()
        }
        E::NothingToResume { .. } => {
            "`lem campaign FILE` starts one; `lem resume --retry-failed FILE` tries again what failed in \
             one that is finished"
                .to_owned()
        }
        E::Unrecorded { .. } => {
            "`lem repair` puts them into the record, and `lem resume` goes on; `lem campaign --fresh` \
             starts anew and keeps them"
                .to_owned()
        }
        E::SeveralUnfinished { .. } => "name one: `lem resume FILE`".to_owned(),
        E::Elsewhere { file, .. } => {
            format!("go on with it: `lem resume {}`, or `--yes`", file.display())
        }
        E::Finished { failed, .. } | E::ChosenDone { failed, .. } => all_done(*failed),
        E::Drifted { .. } => {
            "`--accept-changes` goes on with it as it is now, `--fresh` starts it anew; both keep \
             all results"
                .to_owned()
        }
        E::Unmatched(unmatched) => pattern(unmatched),
        E::NoManifest { .. } => {
            "repair it or move it away; `--fresh` starts without it and keeps it".to_owned()
        }
        E::Record(error) if error.is_damage() => {
            "`lem repair FILE` moves it aside and makes a new one from the results".to_owned()
        }
        E::Record(RecordError::Gone { .. }) => {
            "`lem repair` makes a new one from the results, then `lem resume`".to_owned()
        }
        E::Record(RecordError::Full { .. }) => {
            "make room, then `lem resume`: a run that ended meanwhile is found in its folder"
                .to_owned()
        }
        E::NoSuchRun { .. } => {
            "a run is named by its id, the beginning of its id, its place in the order, or its \
             experiment; `lem status --all` shows the campaigns"
                .to_owned()
        }
        E::NoRun { .. } => "`lem status --all` shows the campaigns known here".to_owned(),
        E::SeveralRuns { .. } => "name one by its id, or choose with `--campaign NAME`".to_owned(),
        E::NoAnswer => "`--yes` answers it".to_owned(),
        E::EngineLost { .. } | E::EngineAway { .. } => {
            "check `docker info`, then `lem resume`; `docker.engine_timeout` is how long lem waits"
                .to_owned()
        }
        E::TooManyFailures { .. } => {
            "fix what fails, then `lem resume`: it goes on with the runs that were not tried"
                .to_owned()
        }
        E::NotLooked { command, .. } => format!("look when it answers again: `{command}`"),
        E::LeftBehind { command, .. } => format!("remove it by hand: `{command}`"),
        E::Interrupted { .. } => "`lem resume` goes on with it".to_owned(),
        E::Engine(error) => return engine_hint(error),
        E::Coordination(error) => return coordination_hint(error),
        E::Gpu(error) => gpu_hint(error),
        E::File(_)
        | E::Senseless { .. }
        | E::Grid(_)
        | E::ExtendsItself { .. }
        | E::ComposeFiles(FilesError::NotUtf8 { .. } | FilesError::File(_))
        | E::Unreadable { .. }
        | E::Record(_)
        | E::Cancelled { .. }
        | E::NoImage { .. }
        | E::NotReady { .. }
        | E::Lock(LockError::Unusable { .. }) => return None,
    };
    Some(hint)
}

fn nothing_holds(why: &Without) -> String {
    let others = "name a program of the image that waits: `docker.hold_command`; or let the service \
                  keep its own: `x-lem: {keep_command: true}`; or use `--container-strategy ephemeral`";
    match why {
        Without::Asked => format!("the inner lem would; without it, {others}"),
        Without::Elsewhere { .. }
        | Without::OtherCpu { .. }
        | Without::Closed { .. }
        | Without::OutOfReach { .. } => others.to_owned(),
    }
}

fn all_done(failed: usize) -> String {
    match failed {
        0 => "`--cycles N` adds to it, `--fresh` starts it anew and keeps its results".to_owned(),
        failed => format!("`--retry-failed` tries again what failed: {failed}"),
    }
}

fn pattern(unmatched: &Unmatched) -> String {
    match &unmatched.nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!(
            "a pattern is an experiment's name, a run's id, a backend or a position (1-{}); \
             `--dry-run` shows them",
            unmatched.last
        ),
    }
}

fn no_service(service: &str, known: &[String]) -> String {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let services = format!("services: {}", names.join(", "));
    match crate::yaml::keys::nearest(service, &names) {
        Some(name) => format!("did you mean `{name}`? ({services})"),
        None => format!("{services}; `services:` in the campaign maps backends to services"),
    }
}
