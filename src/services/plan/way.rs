//! What is wanted, but can't stay as it is: it is stopped first, with all that needs it. Nobody who
//! uses any of these is cut off.

use super::Draft;
use crate::services::error::ServiceError;
use crate::services::service::Service;
use crate::services::state::Life;

impl Draft<'_> {
    /// Stops a service that can't stay, and what needs it, as far as they may be stopped.
    pub(super) fn clear_the_way(&mut self, service: &Service) -> Result<(), ServiceError> {
        let name = &service.name;
        let Some(why) = self.why_it_goes(name)? else { return Ok(()) };
        let dependants = self.running_dependants(name);
        for used in dependants.iter().chain([name]) {
            if self.view.sights.get(used).is_some_and(|sight| sight.leased) {
                let holders = vec!["a lease".to_owned()];
                return Err(ServiceError::Leased { name: used.clone(), holders });
            }
        }
        let pinned = dependants.iter().filter(|it| self.is_pinned(it));
        let pinned: Vec<String> = pinned.cloned().collect();
        if !pinned.is_empty() {
            return Err(ServiceError::Needed { name: name.clone(), dependants: pinned });
        }
        for dependant in dependants {
            self.stop(&dependant, &format!("it needs `{name}`, which is started anew"));
        }
        self.stop(name, why);
        Ok(())
    }

    fn is_pinned(&self, name: &str) -> bool {
        self.view.registry.services.get(name).is_some_and(|service| service.pinned)
    }

    fn why_it_goes(&self, name: &str) -> Result<Option<&'static str>, ServiceError> {
        let Some(sight) = self.view.sights.get(name) else { return Ok(None) };
        let unusable = |state, why: &str| {
            let name = name.to_owned();
            Err(ServiceError::Unusable { name, state, why: why.to_owned() })
        };
        let is_named = || self.wish.names.iter().any(|named| named == name);
        let why = match sight.life {
            Life::Unseen => return unusable("unknown", "it can't be seen whether it runs"),
            Life::Paused => return unusable("error", "it is paused: `docker unpause` goes on"),
            _ if !self.running.contains(name) => return Ok(None),
            Life::Restarting => "it ends again and again",
            Life::Remains => "it ended, and processes of it are left",
            Life::Running if self.wish.recreate && sight.stale && is_named() => {
                "its settings have changed"
            }
            // It may be ending, however well it answers.
            Life::Running if sight.half_stopped && !sight.leased => {
                "it was told to end, and nobody saw it end"
            }
            Life::Running if sight.overdue && !sight.leased && !self.is_pinned(name) => {
                "it does not answer as it should, and is not waited for again"
            }
            Life::Running | Life::Gone => return Ok(None),
        };
        Ok(Some(why))
    }
}
