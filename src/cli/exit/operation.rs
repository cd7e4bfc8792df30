//! The exit code of each error of an operation, and its way out.

use super::{
    FAILED, Failure, MACHINE, WRONG, coordination, coordination_hint, engine, engine_hint, gpu,
    gpu_hint,
};
use crate::cancel::Signal;
use crate::cli::operation::OperationError;
use crate::coordination::error::CoordinationError;
use crate::engine::error::EngineError;
use crate::engine::files::FilesError;
use crate::yaml::YamlError;

impl Failure for OperationError {
    fn code(&self) -> u8 {
        use OperationError as E;
        match self {
            E::Coordination(error) | E::InTheWay { error, .. } => coordination(error),
            E::Engine(EngineError::Failed { .. }) | E::NothingThere { .. } => FAILED,
            E::Engine(error) => engine(error),
            E::Gpu(error) => gpu(error),
            E::Files(_)
            | E::NoGpu { .. }
            | E::Unknown { .. }
            | E::NoStandardCommand { .. }
            | E::KnownAlready { .. }
            | E::Circle { .. } => WRONG,
            E::NoCommand { source, .. } if source.kind() == std::io::ErrorKind::NotFound => 127,
            E::NoCommand { .. } => 126,
            E::NoFolder { .. } | E::OtherLedger { .. } | E::NotMarked { .. } => MACHINE,
            E::Cancelled { signal } => signal.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        use OperationError as E;
        let hint = match self {
            E::InTheWay { error: error @ CoordinationError::Blocked { .. }, can_join, .. } => {
                let join = if *can_join { ", `--join` for its result" } else { "" };
                let more = coordination_hint(error).unwrap_or_default();
                format!("`--queue` waits for your turn{join}; {more}")
            }
            E::Coordination(error) | E::InTheWay { error, .. } => {
                return coordination_hint(error);
            }
            E::Engine(error) => return engine_hint(error),
            E::Gpu(error) => gpu_hint(error),
            E::NoGpu { .. } => "`lem gpu` lists them".to_owned(),
            E::Unknown { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            E::Unknown { known, .. } if known.is_empty() => {
                "no container is known here; with a command any name will do: `lem op KIND NAME -- \
                 COMMAND`"
                    .to_owned()
            }
            E::Unknown { known, .. } => format!(
                "known here: {}; with a command any name will do: `-- COMMAND`",
                known.join(", ")
            ),
            E::OtherLedger { theirs, volume, .. } if theirs.contains("://") => format!(
                "use that one (LEM_COORDINATION_URL: {theirs}, with your name); if nobody uses it any \
                 more: `docker volume rm {volume}`"
            ),
            E::OtherLedger { theirs, volume, .. } => format!(
                "use that one (LEM_STATE_DIR: it is `LEM_STATE_DIR/local/coordination/ledger.db`; \
                 here {theirs}); if nobody uses it any more: `docker volume rm {volume}`"
            ),
            E::NotMarked { volume } => {
                format!("it is not lem's own; if nobody uses it: `docker volume rm {volume}`")
            }
            E::KnownAlready { .. } => {
                "only what no Compose file and no engine knows is registered".to_owned()
            }
            E::NothingThere { .. } => "`lem op deploy` makes one".to_owned(),
            E::NoStandardCommand { hint, .. } => (*hint).to_owned(),
            E::Files(FilesError::ComposeFileMissing { .. }) => {
                "`-f` is relative to this folder".to_owned()
            }
            E::Files(_)
            | E::Circle { .. }
            | E::NoFolder { .. }
            | E::NoCommand { .. }
            | E::Cancelled { .. } => {
                return None;
            }
        };
        Some(hint)
    }

    fn last_words(&self) -> Vec<&str> {
        match self {
            Self::InTheWay { lines, .. } => lines.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn yaml(&self) -> Option<&YamlError> {
        match self {
            Self::Files(FilesError::File(error)) | Self::Engine(EngineError::File(error)) => {
                Some(error)
            }
            Self::Coordination(error) => error.yaml(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        false
    }

    fn cancelled(signal: Signal) -> Self {
        Self::Cancelled { signal }
    }
}
