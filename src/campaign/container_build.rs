//! The inner lem on this host: the static container build that is mounted into the containers.

use std::path::{Path, PathBuf};

use super::error::CampaignError;
use crate::cancel::Cancel;
use crate::engine::error::EngineError;
use crate::engine::files::real_path;
use crate::engine::invocation::Invocation;
use crate::engine::process::ask;

/// Finds it: named by `LEM_CONTAINER_BIN`, beside this program, or in `libexec`; of this version.
pub(crate) async fn find(cancel: &Cancel) -> Result<PathBuf, CampaignError> {
    let missing = |reason: String| CampaignError::NoInner { reason };
    let program = match std::env::var_os("LEM_CONTAINER_BIN").filter(|v| !v.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => beside().ok_or_else(|| missing("it is not beside this `lem`".to_owned()))?,
    };
    let program = real_path(&program)?;
    let version = version_of(&program, cancel).await.map_err(|error| missing(error.to_string()))?;
    let own = concat!("lem ", env!("CARGO_PKG_VERSION"));
    if version != own {
        return Err(missing(format!("`{}` is `{version}`, this is `{own}`", program.display())));
    }
    Ok(program)
}

async fn version_of(program: &Path, cancel: &Cancel) -> Result<String, EngineError> {
    let answer = ask(&Invocation::new(program, ["--version"]), cancel).await?;
    Ok(answer.lines().next().unwrap_or_default().trim().to_owned())
}

fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?.canonicalize().ok()?;
    let folder = own.parent()?;
    [folder.join("lem-container"), folder.join("../libexec/lem/lem-container")]
        .into_iter()
        .find(|path| path.is_file())
}
