//! Which engine the docker client would ask, found out without the client: as it does it, from
//! `DOCKER_HOST`, `DOCKER_CONTEXT` and its configuration file.
//!
//! 2026-11-21: a client takes 50 ms and more to say so itself, which is longer than an operation
//! may add to its command. What is found here is only ever compared with what was found here
//! before; who the engine is, the engine said then.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde_json::Value;

use crate::digest;

/// Where the client looks for an engine where nobody says otherwise.
const DEFAULT: &str = "unix:///var/run/docker.sock";

/// The address of an engine, and what tells whether it is still the same one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// `unix:///var/run/docker.sock`, `ssh://…`.
    pub endpoint: String,
    /// Changes when the socket is made anew; empty where there is none or it is elsewhere.
    pub stamp: String,
}

impl Chosen {
    /// The one that a client of this process would ask.
    pub(crate) fn look() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("DOCKER_HOST").unwrap_or_else(|| {
            let folder = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| {
                let home = etcetera::choose_base_strategy().ok()?;
                Some(home.home_dir().join(".docker"))
            });
            let context = variable("DOCKER_CONTEXT");
            folder.and_then(|folder| of_context(&folder, context)).unwrap_or_else(|| DEFAULT.into())
        });
        let stamp = stamp(&endpoint);
        Self { endpoint, stamp }
    }
}

/// The endpoint of a context; none for the default one, and where it is not there.
fn of_context(folder: &Path, named: Option<String>) -> Option<String> {
    let json = |path: PathBuf| -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    };
    let context = named.or_else(|| {
        let configuration = json(folder.join("config.json"))?;
        Some(configuration.get("currentContext")?.as_str()?.to_owned())
    })?;
    if context.is_empty() || context == "default" {
        return None;
    }
    let digest = digest::hex(context.as_bytes(), 64);
    let meta = json(folder.join("contexts/meta").join(digest).join("meta.json"))?;
    Some(meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned())
}

fn stamp(endpoint: &str) -> String {
    let socket = endpoint.strip_prefix("unix://").and_then(|path| std::fs::metadata(path).ok());
    socket.map_or_else(String::new, |it| format!("{}:{}:{}", it.dev(), it.ino(), it.ctime()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_leads_to_its_endpoint_and_the_default_one_to_none() {
        let folder = tempfile::tempdir().unwrap();
        // As `printf lab | sha256sum` has it.
        let digest = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";
        let meta = folder.path().join("contexts/meta").join(digest);
        std::fs::create_dir_all(&meta).unwrap();
        let host = r#"{"Name":"lab","Endpoints":{"docker":{"Host":"ssh://lab"}}}"#;
        std::fs::write(meta.join("meta.json"), host).unwrap();
        let of = |named: Option<&str>| of_context(folder.path(), named.map(str::to_owned));
        assert_eq!(of(None), None);
        assert_eq!(of(Some("lab")).as_deref(), Some("ssh://lab"));
        assert_eq!((of(Some("default")), of(Some("gone"))), (None, None));
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"lab"}"#).unwrap();
        assert_eq!(of(None).as_deref(), Some("ssh://lab"));
    }
}
