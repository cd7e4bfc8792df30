//! The table of exit codes, and the way out of each error.

mod campaign;
mod coordination;
mod operation;
mod service;

use std::error::Error;

use super::init::InitError;
use crate::cancel::Signal;
use crate::engine::error::EngineError;
use crate::gpu::error::GpuError;
use crate::yaml::YamlError;

pub(super) use coordination::{coordination, coordination_hint};

/// Everything was done, and nothing failed.
pub(super) const DONE: u8 = 0;
/// Finished, but at least one experiment or service failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage, or a file that is wrong.
pub(super) const WRONG: u8 = 2;
/// The machine can't.
pub(super) const MACHINE: u8 = 3;
/// No run could start, because a GPU was not free.
pub(super) const NOT_FREE: u8 = 4;
/// Somebody else has it.
pub(super) const BUSY: u8 = 75;
/// It took longer than it may.
pub(super) const TIME_LIMIT: u8 = 124;

/// An error as the rim shows it.
pub(super) trait Failure: Error + Sized + 'static {
    /// The exit code.
    fn code(&self) -> u8;

    /// The next thing to type.
    fn hint(&self) -> Option<String>;

    /// What the thing that failed said last.
    fn last_words(&self) -> Vec<&str>;

    /// The file that is wrong, if that is it.
    fn yaml(&self) -> Option<&YamlError>;

    /// Whether it says itself what a signal left undone.
    fn is_interruption(&self) -> bool;

    /// That the user wanted the end.
    fn cancelled(signal: Signal) -> Self;
}

fn engine(error: &EngineError) -> u8 {
    use EngineError as E;
    match error {
        E::DockerMissing
        | E::Down { .. }
        | E::TooOld { .. }
        | E::ComposeMissing { .. }
        | E::ComposeTooOld { .. }
        | E::NotStarted { .. }
        | E::TimedOut { .. }
        | E::Failed { .. }
        | E::Unexpected(_) => MACHINE,
        E::File(_) => WRONG,
        E::Cancelled => 130,
    }
}

fn gpu(error: &GpuError) -> u8 {
    use GpuError as E;
    match error {
        E::NoLibrary { .. }
        | E::NoDriver
        | E::NoGpu
        | E::VersionMismatch
        | E::NoPermission
        | E::Lost { .. }
        | E::Hidden { .. }
        | E::TooOld { .. }
        | E::Failed { .. }
        | E::Unread { .. }
        | E::Hung { .. }
        | E::Unexpected { .. } => MACHINE,
    }
}
/// The next thing to type about an error of the engine.
pub(super) fn engine_hint(error: &EngineError) -> Option<String> {
    use EngineError as E;
    let hint = match error {
        E::DockerMissing => {
            "install it: https://docs.docker.com/engine/install/ (Debian, Ubuntu: `apt-get install \
             docker.io`); `--runner local` needs none"
        }
        E::Down { .. } => {
            "start it (`systemctl start docker`, `service docker start`), or check DOCKER_HOST and \
             your permissions"
        }
        E::TooOld { .. } => "upgrade the engine: https://docs.docker.com/engine/install/",
        E::ComposeMissing { .. } | E::ComposeTooOld { .. } => {
            "install the plugin: `apt-get install docker-compose-plugin` (Docker's repository), \
             `docker-compose-v2` (Ubuntu), `docker-compose` (Debian 13); in lem's source tree: \
             `make setup`"
        }
        E::TimedOut { .. } => "is the engine healthy? try `docker info`",
        E::NotStarted { .. } | E::Failed { .. } | E::Unexpected(_) | E::File(_) | E::Cancelled => {
            return None;
        }
    };
    Some(hint.to_owned())
}

/// The next thing to type about an error of the GPUs.
pub(super) fn gpu_hint(error: &GpuError) -> String {
    use GpuError as E;
    let hint = match error {
        E::NoLibrary { reason, .. } => {
            return format!(
                "install the driver, or name its library: LEM_NVML_LIBRARY=/path/libnvidia-ml.so.1 \
                 ({reason})"
            );
        }
        E::NoDriver => "load it: `modprobe nvidia`; `dmesg | grep -i nvrm` says why it is not",
        E::NoGpu => "see what the machine has: `lspci | grep -i nvidia`",
        E::VersionMismatch => "the driver was updated under it: reboot, or reload its modules",
        E::NoPermission | E::Hidden { .. } => "check the mode of `/dev/nvidia*`",
        E::Lost { .. } => "`dmesg | grep -i xid` says why; then reset the GPU, or reboot",
        E::TooOld { .. } => "lem needs driver 510 or newer",
        E::Failed { .. } | E::Unread { .. } | E::Hung { .. } | E::Unexpected { .. } => {
            "does `nvidia-smi` answer? `dmesg | grep -i nvrm` says more"
        }
    };
    hint.to_owned()
}

/// The exit code of a starter project that was not written, and the next thing to type.
pub(super) fn init(error: &InitError) -> (u8, &'static str) {
    match error {
        InitError::InTheWay { .. } => {
            (WRONG, "nothing was written; choose another folder: `lem init DIR`")
        }
        InitError::Unwritable { .. } => {
            (MACHINE, "nothing was written; check the folder's owner, mode and free space")
        }
    }
}
