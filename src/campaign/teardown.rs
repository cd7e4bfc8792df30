//! The drop guard that removes what a campaign started, and nothing else.
//!
//! It runs the blocking docker calls itself, so it covers panics and early returns; the normal path
//! calls [`Teardown::finish`], which does the same and says what failed. Whoever insists on the end
//! gets it without the containers' own graces; nobody gets it without the removal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::CampaignError;
use super::strategy::containers::Containers;
use super::tenure::Tenure;
use crate::cancel::{self, Cancel};
use crate::engine::compose::Project;
use crate::engine::container::{COMPOSE_PROJECT, Docker};
use crate::engine::error::EngineError;
use crate::engine::invocation::Invocation;
use crate::engine::process::{Reply, capture_blocking};
use crate::engine::reply::{self, Container};

/// A question in a teardown; the whole has [`LIMIT`].
const ASKING: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(120);

/// What to remove, and how it is known.
#[derive(Debug, Clone)]
pub(crate) struct Teardown {
    docker: Docker,
    project: Project,
    owner: String,
    before: Before,
    /// Services whose containers this campaign holds, whoever made them before.
    held: Vec<String>,
    /// Held containers are removed too.
    services_too: bool,
    armed: bool,
    /// The engine was waited for already, in vain.
    hopeless: bool,
    /// A docker client was cut off: what it had asked for may still come.
    unsettled: bool,
    cancel: Cancel,
    /// What the campaign has of the machine.
    tenure: Arc<Tenure>,
}

/// What the project had before the campaign, by id.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub containers: BTreeSet<String>,
    pub networks: BTreeSet<String>,
}

/// What a container that is removed gets to end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grace {
    Its,
    No,
}

/// How long a removal that is under way is waited for.
const GOING: Duration = Duration::from_secs(10);

/// Between two tries, where the engine doesn't answer.
const OUTAGE: Duration = Duration::from_secs(1);

/// How long a request of a client that was cut off may be under way.
const UNDER_WAY: Duration = Duration::from_millis(500);

impl Teardown {
    /// A guard that does nothing until it is armed.
    pub(crate) fn new(
        containers: &Containers,
        before: Before,
        held: Vec<String>,
        services_too: bool,
        cancel: &Cancel,
    ) -> Self {
        Self {
            docker: containers.docker.clone(),
            project: containers.project.clone(),
            owner: containers.owner.clone(),
            before,
            held,
            services_too,
            armed: false,
            hopeless: false,
            unsettled: true,
            cancel: cancel.clone(),
            tenure: Arc::clone(&containers.tenure),
        }
    }

    /// From here on something may have been started.
    pub(crate) fn arm(&mut self) {
        self.armed = true;
    }

    /// Every docker client has ended by itself: nothing that was asked for is still to come.
    pub(crate) fn settle(&mut self) {
        self.unsettled = false;
    }

    /// The engine doesn't answer: it is asked, and not waited for.
    pub(crate) fn give_up_waiting(&mut self) {
        self.hopeless = true;
    }

    /// Removes what the campaign started, and says what could not be removed.
    pub(crate) async fn finish(mut self) -> Result<(), CampaignError> {
        if !std::mem::take(&mut self.armed) {
            return Ok(());
        }
        let work = self.clone();
        match tokio::task::spawn_blocking(move || work.remove()).await {
            Ok(result) => result,
            Err(panicked) => Err(CampaignError::LeftBehind {
                what: panicked.to_string(),
                command: self.by_hand(),
            }),
        }
    }

    fn remove(&self) -> Result<(), CampaignError> {
        if self.services_too {
            self.tenure.ends();
        }
        let deadline = Instant::now() + LIMIT;
        let (mut tries, mut last_error) = (0, None);
        while tries < 2 && Instant::now() < deadline {
            let insists = self.cancel.insists();
            let grace = if insists { Grace::No } else { Grace::Its };
            match self.once(grace, deadline).and_then(|()| self.left_at_rest(deadline)) {
                Ok(left) if left.is_empty() && self.stays_empty() => return Ok(()),
                Ok(_) => tries += 1,
                // Cut off by who insists: once more, without grace.
                Err(EngineError::Cancelled) => {}
                Err(error) => {
                    let outage = error.is_outage();
                    last_error = Some(error);
                    match (outage, self.hopeless) {
                        (true, true) => break,
                        (true, false) if !insists => std::thread::park_timeout(OUTAGE),
                        (true | false, _) => tries += 1,
                    }
                }
            }
        }
        let left = match last_error {
            Some(error) if self.hopeless => Err(error),
            _ => self.left(),
        };
        let what = match left {
            Ok(left) if left.iter().all(Container::is_being_removed) => return Ok(()),
            Ok(left) => {
                let names: Vec<String> = left.into_iter().map(|container| container.name).collect();
                format!("containers {}", names.join(", "))
            }
            Err(source) => {
                return Err(CampaignError::NotLooked { command: self.by_hand(), source });
            }
        };
        Err(CampaignError::LeftBehind { what, command: self.by_hand() })
    }

    fn once(&self, grace: Grace, deadline: Instant) -> Result<(), EngineError> {
        let all = self.project_containers()?;
        let doomed: Vec<&Container> = all.iter().filter(|c| self.is_doomed(c)).collect();
        // One-offs first: `down` leaves them, and answers 0.
        let at_once: Vec<&str> = doomed
            .iter()
            .filter(|c| c.one_off || grace == Grace::No)
            .map(|c| c.id.as_str())
            .collect();
        if !at_once.is_empty() {
            self.say(&self.docker.remove(&at_once), grace, deadline)?;
        }
        // `down` takes the networks too, so there must have been none.
        if doomed.len() == all.len() && self.services_too && self.before.networks.is_empty() {
            return self.say(&self.project.down(), grace, deadline).map(|_| ());
        }
        let services: Vec<&str> =
            doomed.iter().map(|c| c.id.as_str()).filter(|id| !at_once.contains(id)).collect();
        if !services.is_empty() {
            self.say(&self.docker.stop(&services), grace, deadline)?;
            self.say(&self.docker.remove(&services), grace, deadline)?;
        }
        self.remove_new_networks(grace, deadline)
    }

    /// Networks that the campaign made and that nobody uses; one that is in use is not an error.
    fn remove_new_networks(&self, grace: Grace, deadline: Instant) -> Result<(), EngineError> {
        if !self.services_too {
            return Ok(());
        }
        let listed = self.say(&self.docker.networks(&self.owner), grace, deadline)?;
        let new: Vec<String> = listed
            .lines()
            .filter(|id| !self.before.networks.contains(*id))
            .map(str::to_owned)
            .collect();
        if !new.is_empty() {
            let _ = self.capture(&self.docker.remove_networks(&new), grace, ASKING)?;
        }
        Ok(())
    }

    /// Ours, and of this campaign: made since it began, or held by it.
    fn is_doomed(&self, container: &Container) -> bool {
        let ours = container.belongs_to(&self.owner);
        let new = !self.before.containers.contains(&container.id);
        let held = !container.one_off && self.held.contains(&container.service);
        match (ours, container.one_off) {
            (false, _) => false,
            // The place in the project is ours: a one-off of ours is this campaign's or a dead one's.
            (true, true) => true,
            (true, false) => self.services_too && (new || held),
        }
    }

    /// Whether nothing comes late.
    fn stays_empty(&self) -> bool {
        if !self.unsettled {
            return true;
        }
        let deadline = Instant::now() + UNDER_WAY;
        while Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.left().is_ok_and(|left| left.iter().all(Container::is_being_removed))
    }

    /// What is left once nothing is being removed any more: the client of a run does so as well.
    /// Nothing runs in what an engine that was killed is removing for ever.
    fn left_at_rest(&self, deadline: Instant) -> Result<Vec<Container>, EngineError> {
        let deadline = deadline.min(Instant::now() + GOING);
        loop {
            let mut left = self.left()?;
            if Instant::now() > deadline {
                left.retain(|container| !container.is_being_removed());
                return Ok(left);
            }
            if !left.iter().any(Container::is_being_removed) {
                return Ok(left);
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn left(&self) -> Result<Vec<Container>, EngineError> {
        Ok(self.project_containers()?.into_iter().filter(|c| self.is_doomed(c)).collect())
    }

    fn project_containers(&self) -> Result<Vec<Container>, EngineError> {
        let list = self.docker.list(&format!("{COMPOSE_PROJECT}={}", self.owner));
        Ok(reply::containers(&self.capture(&list, Grace::No, ASKING)?.success(&list)?)?)
    }

    fn say(
        &self,
        invocation: &Invocation,
        grace: Grace,
        deadline: Instant,
    ) -> Result<String, EngineError> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let reply = self.capture(invocation, grace, left)?;
        // Somebody else removed it in the meantime: that is what was wanted.
        if reply.found_it_gone() { Ok(reply.stdout) } else { reply.success(invocation) }
    }

    /// What takes no grace is not cut off by who wants none.
    fn capture(
        &self,
        invocation: &Invocation,
        grace: Grace,
        limit: Duration,
    ) -> Result<Reply, EngineError> {
        match grace {
            Grace::Its => capture_blocking(invocation, limit, &self.cancel),
            Grace::No => {
                let (_raise, never) = cancel::pair();
                capture_blocking(invocation, limit, &never)
            }
        }
    }

    fn by_hand(&self) -> String {
        format!("lem reap {}", self.owner)
    }
}

impl Drop for Teardown {
    fn drop(&mut self) {
        if self.armed {
            // There is nobody left to tell; `lem reap` finds what could not be removed.
            let _ = self.remove();
        }
    }
}
