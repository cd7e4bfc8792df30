//! Whether folders of this machine reach the engine's containers. Pure.

use super::finding::{Check, Finding};
use crate::engine::about::About;
use crate::engine::place::{Here, Place};

const SHARED: &str = "put the results on a folder that both machines have at the same path; or run \
                      lem on the engine's machine, or use an engine of this one: `docker context \
                      use default`, `unset DOCKER_HOST`";

/// Judges.
pub(super) fn mounts(about: &About, place: Place, here: &Here) -> Finding {
    let check = Check::Mounts;
    let elsewhere = |difference: String| {
        let found = format!(
            "the engine runs elsewhere ({difference}): only folders that both machines share reach \
             its containers, which get no inner lem"
        );
        Finding::warning(check, found, SHARED)
    };
    match place {
        Place::Here => {
            Finding::fine(check, "the engine is on this machine: folders reach its containers")
        }
        Place::Desktop => Finding::warning(
            check,
            "Docker Desktop runs containers in a virtual machine: only folders that it shares reach \
             them",
            "share the project's folder: Settings, Resources, File sharing",
        ),
        Place::OtherKernel => elsewhere(format!(
            "`{}`, kernel {}; here {}",
            about.name, about.kernel_version, here.kernel
        )),
        Place::OtherName => elsewhere(format!("on `{}`; this is `{}`", about.name, here.name)),
        Place::Beside => {
            let found = format!(
                "the engine's folder {} is not here: lem seems to be in a container, whose folders \
                 are not the engine's",
                about.docker_root_dir.display()
            );
            let fix = "run lem outside, or mount the project at the same path inside and outside";
            Finding::warning(check, found, fix)
        }
    }
}
