//! What can be claimed: places in a tree, from an engine down to a key of a configuration.
//!
//! A resource is written as a path, `engine:4EVC…/project:shop/service:api`. Whoever claims
//! something says so on everything above it, so a claim of a whole project meets those of its
//! services.

use std::fmt;
use std::str::FromStr;

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Resource(Vec<(Level, String)>);

/// What a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Engine,
    /// A Compose project of an engine.
    Project,
    /// A Compose service of a project, with all its containers.
    Service,
    /// A container of an engine that is of no Compose project.
    Container,
    /// A GPU of this machine.
    Gpu,
    /// A registry of native programs, by its file.
    Registry,
    /// A native program of a registry.
    Native,
    /// A name that only those who use it know.
    Name,
    /// Who makes and removes the containers of a project: a campaign.
    Campaign,
    // Below a container or a service.
    Lifecycle,
    Configuration,
    Key,
    Replicas,
}

impl Level {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Engine, "engine"),
        (Self::Project, "project"),
        (Self::Service, "service"),
        (Self::Container, "container"),
        (Self::Gpu, "gpu"),
        (Self::Registry, "registry"),
        (Self::Native, "native"),
        (Self::Name, "name"),
        (Self::Campaign, "campaign"),
        (Self::Lifecycle, "lifecycle"),
        (Self::Configuration, "configuration"),
        (Self::Key, "key"),
        (Self::Replicas, "replicas"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(level, _)| *level == self).map_or("", |(_, word)| word)
    }
}

impl Resource {
    /// An engine, by its id.
    pub(crate) fn engine(id: &str) -> Self {
        Self(vec![(Level::Engine, id.to_owned())])
    }

    /// A Compose project.
    pub(crate) fn project(engine: &str, project: &str) -> Self {
        Self::engine(engine).below(Level::Project, project)
    }

    /// A Compose service.
    pub(crate) fn service(engine: &str, project: &str, service: &str) -> Self {
        Self::project(engine, project).below(Level::Service, service)
    }

    /// A container that belongs to no Compose project.
    pub(crate) fn container(engine: &str, name: &str) -> Self {
        Self::engine(engine).below(Level::Container, name)
    }

    /// A GPU of this machine, by its UUID.
    pub(crate) fn gpu(uuid: &str) -> Self {
        Self(vec![(Level::Gpu, uuid.to_owned())])
    }

    /// A native program of a registry.
    pub(crate) fn native(registry: &str, name: &str) -> Self {
        Self(vec![(Level::Registry, registry.to_owned()), (Level::Native, name.to_owned())])
    }

    /// A name that only those who use it know.
    pub(crate) fn name(name: &str) -> Self {
        Self(vec![(Level::Name, name.to_owned())])
    }

    /// Something of it.
    pub(crate) fn below(&self, level: Level, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push((level, name.to_owned()));
        Self(path)
    }

    /// What it is.
    pub(crate) fn level(&self) -> Level {
        self.0.last().map_or(Level::Name, |(level, _)| *level)
    }

    /// Its own name, without the path.
    pub(crate) fn own_name(&self) -> &str {
        self.0.last().map_or("", |(_, name)| name)
    }

    /// Its name at a level above it, or its own.
    pub(crate) fn at(&self, level: Level) -> Option<&str> {
        self.0.iter().find(|(it, _)| *it == level).map(|(_, name)| name.as_str())
    }

    /// Everything above it, outermost first.
    pub(crate) fn above(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }

    /// The project that it counts to, where the queue is limited for each.
    pub(crate) fn group(&self) -> String {
        match self.0.iter().position(|(level, _)| *level == Level::Project) {
            Some(at) => Self(self.0[..=at].to_vec()).to_string(),
            None => String::new(),
        }
    }

    /// As people write it: `shop/api`, `GPU GPU-5f…`, `container x`.
    pub(crate) fn short(&self) -> String {
        if let (
            Level::Lifecycle | Level::Configuration | Level::Key | Level::Replicas,
            Some(above),
        ) = (self.level(), self.above().last())
        {
            return above.short();
        }
        let name = self.own_name();
        match (self.level(), self.at(Level::Project)) {
            (Level::Service, Some(project)) => format!("{project}/{name}"),
            (Level::Project, _) => format!("project {name}"),
            (Level::Campaign, Some(project)) => format!("the campaign of project {project}"),
            (Level::Engine, _) => format!("engine {}", name.chars().take(12).collect::<String>()),
            (Level::Gpu, _) if name.is_empty() => "the GPUs".to_owned(),
            (Level::Gpu, _) => format!("GPU {name}"),
            _ => name.to_owned(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (level, name)) in self.0.iter().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            write!(f, "{slash}{}:{}", level.word(), escaped(name))?;
        }
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// It is no path of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no resource")]
pub(crate) struct NoResource(String);

impl FromStr for Resource {
    type Err = NoResource;

    fn from_str(text: &str) -> Result<Self, NoResource> {
        let no = || NoResource(text.to_owned());
        let part = |part: &str| {
            let (word, name) = part.split_once(':')?;
            let (level, _) = Level::ALL.iter().find(|(_, it)| *it == word)?;
            Some((*level, name.replace("%2F", "/").replace("%25", "%")))
        };
        text.split('/').map(part).collect::<Option<Vec<_>>>().map(Self).ok_or_else(no)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_written_whatever_its_names_hold() {
        for resource in [
            Resource::service("4EVC:XX", "shop", "api"),
            Resource::name("a/b:c%2F d"),
            Resource::gpu("GPU-1").below(Level::Key, ""),
        ] {
            assert_eq!(resource.to_string().parse(), Ok(resource));
        }
        assert_eq!(
            Resource::service("E", "shop", "api").to_string(),
            "engine:E/project:shop/service:api"
        );
        for rubbish in ["", "shop", "engine:E/", "motor:E"] {
            assert!(rubbish.parse::<Resource>().is_err(), "{rubbish}");
        }
    }

    #[test]
    fn people_read_a_short_name_and_the_queue_counts_by_project() {
        let api = Resource::service("E", "shop", "api");
        assert_eq!(api.short(), "shop/api");
        assert_eq!(api.group(), Resource::project("E", "shop").to_string());
        assert_eq!(
            api.above().map(|it| it.short()).collect::<Vec<_>>(),
            ["engine E", "project shop"]
        );
        assert_eq!(Resource::gpu("GPU-1").group(), "");
    }
}
