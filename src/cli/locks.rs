//! What keeps two lems out of each other's way, and lets the next one find a campaign.

use std::path::{Path, PathBuf};

use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::plan::short_hash;
use crate::campaign::tenure::{self, claims};
use crate::coordination::ledger::Snapshot;
use crate::durable::{self, Flush};
use crate::lock::{self, Holder, Lock, LockError, Name};
use crate::state_dir;

/// The name, in place of an engine's, of what belongs to none.
pub(super) const LOCAL: &str = "local";

/// Takes the lock of a campaign: one execution of it at a time, in containers or not.
///
/// 2026-11-21: no operation of the ledger. It protects the record, which is read and decided upon
/// long before it is the campaign's turn, and a second start of it would repeat the first.
pub(super) fn campaign(state_dir: &Path, campaign: &str) -> Result<Lock, CampaignError> {
    take(&path_of_campaign(state_dir, campaign)?, &format!("campaign `{campaign}`"), campaign)
}

/// The living lem that executes the campaign, or is about to. Makes nothing.
pub(super) fn executor(state_dir: &Path, campaign: &str) -> Option<Holder> {
    let folder = state_dir::look(LOCAL)?;
    lock::holder(&folder.join(name_of_campaign(state_dir, campaign)))
}

fn path_of_campaign(state_dir: &Path, campaign: &str) -> Result<PathBuf, CampaignError> {
    Ok(local_state()?.join(name_of_campaign(state_dir, campaign)))
}

fn name_of_campaign(state_dir: &Path, campaign: &str) -> String {
    let identity = format!("{}\n{campaign}", real(state_dir).display());
    format!("locks/campaign-{}.lock", short_hash(identity.as_bytes()))
}

/// The folder however it is reached, and whether or not it is there yet: two lems must not
/// disagree because the first one makes it.
fn real(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find_map(|it| Some((it, it.canonicalize().ok()?)));
    match there {
        Some((ancestor, real)) => match folder.strip_prefix(ancestor) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => folder.to_owned(),
        },
        None => folder.to_owned(),
    }
}

/// Takes the name of a Compose project, for those whose ledger is elsewhere.
///
/// 2026-11-21: who shares the ledger waits there for its turn. Another user, or somebody with
/// another `LEM_STATE_DIR`, may have a ledger of its own, and is told by this name alone.
pub(super) fn project(engine: &str, project: &str) -> Result<Name, CampaignError> {
    lock::take_name(&name_of_project(engine, project)).ok_or_else(|| CampaignError::Busy {
        what: format!("project `{project}`"),
        holder: Holder::unseen(),
    })
}

/// The living lem of this machine that uses a project, whatever its state folder is; `seen` are
/// the operations of this one.
pub(super) fn holder_of_project(
    seen: Option<&Snapshot>,
    engine: &str,
    project: &str,
) -> Option<Holder> {
    let seat = claims::seat(engine, project);
    let living = seen.and_then(|seen| Some((seen, tenure::living(seen, &seat)?)));
    let holder = living.map(|(seen, operation)| Holder {
        pid: seen.owners.get(&operation.owner).map_or(0, |owner| owner.pid),
        what: operation.what.clone(),
        since: operation
            .started_at
            .map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default(),
    });
    holder.or_else(|| lock::is_named(&name_of_project(engine, project)).then(Holder::unseen))
}

/// What a project's lem is called beyond its ledger.
fn name_of_project(engine: &str, project: &str) -> String {
    format!("dev.lem/{}", short_hash(format!("{engine}\n{project}").as_bytes()))
}

fn take(path: &Path, what: &str, campaign: &str) -> Result<Lock, CampaignError> {
    match lock::take(path, &Holder::this(format!("campaign `{campaign}`"))) {
        Err(LockError::Held { holder }) => {
            Err(CampaignError::Busy { what: what.to_owned(), holder })
        }
        other => Ok(other?),
    }
}

/// The folder of an engine's state.
pub(super) fn engine_state(engine: &str) -> Result<PathBuf, CampaignError> {
    state_dir::of_engine(engine).map_err(|source| CampaignError::Unwritable {
        path: std::env::var_os(state_dir::VARIABLE)
            .map_or_else(|| "~/.local/state/lem".into(), PathBuf::from),
        source,
    })
}

/// State that belongs to no engine: the locks of campaigns, and where campaigns are.
pub(super) fn local_state() -> Result<PathBuf, CampaignError> {
    engine_state(LOCAL)
}

/// Notes where the campaign is, so that `lem resume`, `lem status` and `lem logs` find it
/// from any folder.
pub(super) fn index(campaign: &Campaign) {
    let Ok(folder) = local_state() else { return };
    let pointer = serde_json::json!({
        "campaign": campaign.name,
        "file": campaign.file,
        "record": campaign.record(),
        "results": campaign.results,
    });
    let name = short_hash(format!("{}", campaign.file.display()).as_bytes());
    // Only a convenience: the record itself is beside the campaign.
    let _ =
        durable::write_json(&folder.join(format!("campaigns/{name}.json")), &pointer, Flush::Now);
}
