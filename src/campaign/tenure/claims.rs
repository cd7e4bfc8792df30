//! What a campaign claims, phase by phase. Pure.
//!
//! 2026-11-21: runs in containers of their own claim nothing of their service: they have nothing to
//! do with the container that it may have, and somebody who serves users with that one need not
//! wait for a campaign. What the runs depend on stays as it is while they are measured.

use crate::coordination::kind::Kind;
use crate::coordination::part::{Act, Part};
use crate::coordination::resource::{Level, Resource};

/// Everything that a campaign has to do with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    /// Where it uses containers.
    pub project: Option<Project>,
    /// Each with how it is used.
    pub gpus: Vec<(Resource, Share)>,
}

/// The Compose project of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    pub engine: String,
    pub name: String,
    /// The services whose own containers the runs are in.
    pub held: Vec<String>,
    /// The services that those of the runs depend on.
    pub dependencies: Vec<String>,
}

/// Whether a campaign has a GPU to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Alone,
    WithOthers,
}

/// What a campaign does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase<'a> {
    /// It brings up what its runs need.
    Starting,
    /// Nobody may change what it measures.
    Measuring,
    /// It starts these services again.
    Restarting(&'a [&'a str]),
    /// It removes what it started.
    Ending,
}

/// The claim on a project that each campaign in it has for itself.
pub(crate) fn seat(engine: &str, project: &str) -> Resource {
    Resource::project(engine, project).below(Level::Campaign, "")
}

impl Claims {
    /// Whether there is nothing that anybody else could want.
    pub(crate) fn is_empty(&self) -> bool {
        self.project.is_none() && self.gpus.is_empty()
    }

    /// What is claimed in a phase.
    pub(crate) fn parts(&self, phase: Phase<'_>) -> Vec<Part> {
        let mut parts = Vec::new();
        if let Some(project) = &self.project {
            parts.push(Part::new(seat(&project.engine, &project.name), Act::Exclusive));
            let held = project.held.iter().map(|name| (name, Own::Held));
            let needed = project.dependencies.iter().map(|name| (name, Own::Dependency));
            parts.extend(held.chain(needed).map(|(name, own)| project.part(name, own, phase)));
        }
        parts.extend(self.gpus.iter().map(|(gpu, share)| {
            let act = match share {
                Share::Alone => Act::Exclusive,
                Share::WithOthers => Act::Shared,
            };
            Part::new(gpu.clone(), act)
        }));
        parts
    }
}

/// What a service is to a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    Held,
    Dependency,
}

impl Project {
    fn part(&self, name: &str, own: Own, phase: Phase<'_>) -> Part {
        let service = Resource::service(&self.engine, &self.name, name);
        let act = match (phase, own) {
            (Phase::Starting, Own::Held) => Act::Kind(Kind::Deploy),
            // It is used as it is, where it is there.
            (Phase::Starting, Own::Dependency) => Act::Kind(Kind::Start),
            (Phase::Restarting(those), _) if those.contains(&name) => Act::Kind(Kind::Restart),
            (Phase::Measuring | Phase::Restarting(_), _) => Act::Shared,
            (Phase::Ending, _) => Act::Kind(Kind::Stop),
        };
        match own {
            Own::Held => Part::new(service, act),
            Own::Dependency => Part::implied(service, act),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(claims: &Claims, phase: Phase<'_>) -> String {
        let words: Vec<String> = claims.parts(phase).iter().map(ToString::to_string).collect();
        words.join(", ")
    }

    #[test]
    fn a_campaign_makes_uses_restarts_and_stops_what_it_holds_and_has_its_gpus_throughout() {
        let claims = Claims {
            project: Some(Project {
                engine: "E".to_owned(),
                name: "lab".to_owned(),
                held: vec!["vllm".to_owned()],
                dependencies: vec!["db".to_owned()],
            }),
            gpus: vec![
                (Resource::gpu("GPU-1"), Share::Alone),
                (Resource::gpu("GPU-2"), Share::WithOthers),
            ],
        };
        let gpus = "have GPU GPU-1, use GPU GPU-2";
        for (phase, services) in [
            (Phase::Starting, "deploy lab/vllm, start lab/db"),
            (Phase::Measuring, "use lab/vllm, use lab/db"),
            (Phase::Restarting(&["vllm"]), "restart lab/vllm, use lab/db"),
            (Phase::Restarting(&["db"]), "use lab/vllm, restart lab/db"),
            (Phase::Ending, "stop lab/vllm, stop lab/db"),
        ] {
            let expected = format!("have the campaign of project lab, {services}, {gpus}");
            assert_eq!(words(&claims, phase), expected, "{phase:?}");
        }
        assert!(Claims::default().is_empty() && !claims.is_empty());
    }
}
