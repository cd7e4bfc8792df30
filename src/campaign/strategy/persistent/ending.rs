//! The end of a run in a held container: what it has started is ended in there, and where that may
//! not be all of it, the container is restarted.

use std::time::Duration;

use super::{EVENT_LAG, Persistent, RESTART_GRACE, Remedy};
use crate::campaign::attempt::Attempt;
use crate::campaign::error::CampaignError;
use crate::campaign::keeper::Keeper;
use crate::campaign::strategy::containers::end;
use crate::campaign::watch::Marks;
use crate::cancel::Cancel;
use crate::engine::error::EngineError;
use crate::engine::process::Exit;

/// Whether nothing of a run is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Yes,
    Perhaps,
}

impl Persistent {
    /// Ends what a run has in its container. Where that may not be all of it, or the user has no
    /// patience, the container is restarted: before its next run, or now if there will be none.
    pub(crate) async fn make_sure_gone(
        &mut self,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<(), CampaignError> {
        let Some(id) = self.container_of(attempt).map(str::to_owned) else { return Ok(()) };
        let gone = if cancel.insists() {
            Gone::Perhaps
        } else {
            self.kill(&id, attempt, marks, cancel).await?
        };
        if gone == Gone::Yes {
            return Ok(());
        }
        if cancel.now().is_some() {
            let grace = if cancel.insists() { 0 } else { RESTART_GRACE };
            let restarted = self.containers.ask(&self.containers.docker.restart(grace, &id)).await;
            return if gone_by_itself(&restarted) { Ok(()) } else { Ok(restarted.map(drop)?) };
        }
        if let Some(held) = self.held.get_mut(attempt.service.as_deref().unwrap_or_default()) {
            held.remedy = held.remedy.or(Some(Remedy::Restart));
        }
        Ok(())
    }

    /// Ends what carries the run's mark, as root and as the run's own user: root in a container
    /// may not read the environment of another user's processes.
    async fn kill(
        &self,
        id: &str,
        attempt: &Attempt,
        marks: &Marks,
        cancel: &Cancel,
    ) -> Result<Gone, EngineError> {
        if attempt.keeper == Keeper::Nobody {
            let runs = self.containers.runs_something(id).await;
            return if gone_by_itself(&runs) || !runs? { Ok(Gone::Yes) } else { Ok(Gone::Perhaps) };
        }
        let own = marks.started.as_ref().map(|mark| mark.uid).filter(|uid| *uid != 0);
        let users = ["0".to_owned()].into_iter().chain(own.map(|uid| uid.to_string()));
        // Only the keeper knows the processes that have lost the mark; was it killed itself?
        let mut gone = if marks.broken_off() { Gone::Perhaps } else { Gone::Yes };
        for user in users {
            let kill = async |grace: Duration| {
                let words = attempt.keeper.killer(&attempt.run, grace).unwrap_or_default();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.containers.ask(&self.containers.docker.exec(&user, id, &words)).await
            };
            match end(cancel, kill).await {
                Ok(_) => {}
                // `prepare` will notice.
                not_there if gone_by_itself(&not_there) => return Ok(Gone::Yes),
                Err(error) if error.is_outage() => return Err(error),
                Err(EngineError::Failed { exit: Exit::Code(_), .. }) => gone = Gone::Perhaps,
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Ends a run that nobody keeps, if one goes on in the service's container: by starting the
    /// container again.
    pub(super) async fn end_bare(&mut self, service: &str) -> Result<(), CampaignError> {
        let Some(held) = self.held.get_mut(service) else { return Ok(()) };
        let runs = self.containers.runs_something(&held.id).await;
        if gone_by_itself(&runs) || !runs? {
            return Ok(());
        }
        let mark = self.containers.events.mark();
        self.containers.ask(&self.containers.docker.restart(RESTART_GRACE, &held.id)).await?;
        // Its end must not be taken for another one later.
        self.containers.events.wait(mark, &held.id, "start", EVENT_LAG).await;
        held.mark = self.containers.events.mark();
        held.restarts += 1;
        held.remedy = held.remedy.or(Some(Remedy::Wait));
        Ok(())
    }

    /// Ends a run that nobody keeps.
    pub(crate) async fn stop(&mut self, attempt: &Attempt) -> Result<(), CampaignError> {
        match attempt.keeper {
            Keeper::Nobody => self.end_bare(attempt.service.as_deref().unwrap_or_default()).await,
            Keeper::InnerLem | Keeper::Shell => Ok(()),
        }
    }
}

/// Whether a container isn't there any more, or doesn't run, so nothing of the run is either.
pub(super) fn gone_by_itself<T>(reply: &Result<T, EngineError>) -> bool {
    match reply {
        Err(EngineError::Failed { complaint, .. }) => {
            complaint.contains("not running") || complaint.contains("No such container")
        }
        Ok(_) | Err(_) => false,
    }
}
