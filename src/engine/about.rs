//! What client and engine say of themselves beyond what a campaign depends on. Pure: text in,
//! values or an error out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::reply::Unexpected;

/// The docker client, which answers whether or not there is an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// Absent from clients before 23.0.
    pub version: Option<String>,
    pub compose: Plugin,
}

/// The Compose plugin of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plugin {
    Absent,
    /// It is there, and the client can't use it.
    Broken,
    Version(String),
}

/// The engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct About {
    pub server_version: String,
    /// Why it does not answer.
    server_errors: Option<Vec<String>>,
    /// The name of its machine.
    pub name: String,
    /// `Docker Desktop`, or the name of a distribution.
    pub operating_system: String,
    #[serde(rename = "OSType")]
    pub os_type: String,
    pub kernel_version: String,
    /// As `uname -m` says it.
    pub architecture: String,
    security_options: Option<Vec<String>>,
    /// Where it keeps images and containers, on its machine.
    pub docker_root_dir: PathBuf,
    runtimes: Option<BTreeMap<String, serde_json::Value>>,
    /// Devices by the Container Device Interface; engines before 28.3 don't tell.
    discovered_devices: Option<Vec<Device>>,
    pub memory_limit: bool,
    #[serde(rename = "CpuCfsQuota")]
    pub cpu_limit: bool,
    pub pids_limit: bool,
    cgroup_version: String,
    pub system_time: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Device {
    #[serde(rename = "ID", default)]
    id: String,
}

impl About {
    /// Why the engine does not answer, where it doesn't; `complaint` is what the client said of it.
    pub(crate) fn error(&self, complaint: &str) -> Option<String> {
        if !self.server_version.is_empty() {
            return None;
        }
        let said = self.server_errors.iter().flatten().next();
        let said = said.map_or(complaint, String::as_str).trim();
        Some(if said.is_empty() { "it says nothing of itself" } else { said }.to_owned())
    }

    /// `1`, also for engines that don't tell.
    pub(crate) fn cgroup_version(&self) -> &str {
        if self.cgroup_version.is_empty() { "1" } else { &self.cgroup_version }
    }

    /// Whether users in its containers are other users of its machine.
    pub(crate) fn remaps_users(&self) -> bool {
        let options = || self.security_options.iter().flatten();
        ["name=userns", "name=rootless"].iter().any(|it| options().any(|o| o.starts_with(it)))
    }

    /// How the engine hands out NVIDIA GPUs, as far as it tells.
    pub(crate) fn nvidia(&self) -> Option<String> {
        let devices: Vec<&str> = self
            .discovered_devices
            .iter()
            .flatten()
            .map(|device| device.id.as_str())
            .filter(|id| id.starts_with("nvidia.com/gpu"))
            .collect();
        if !devices.is_empty() {
            return Some(format!("devices {}", devices.join(", ")));
        }
        let runtimes = self.runtimes.as_ref()?;
        runtimes.contains_key("nvidia").then(|| "runtime `nvidia`".to_owned())
    }
}

/// Parses `docker info --format '{{json .}}'`.
pub(crate) fn engine(text: &str) -> Result<About, Unexpected> {
    serde_json::from_str(text).map_err(|_| Unexpected::from_text(text))
}

/// Parses `docker info --format '{{json .ClientInfo}}'`.
pub(crate) fn client(text: &str) -> Result<Client, Unexpected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Raw {
        version: Option<String>,
        plugins: Option<Vec<RawPlugin>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct RawPlugin {
        name: String,
        #[serde(default)]
        version: String,
        #[serde(default)]
        err: Option<serde_json::Value>,
    }
    let raw: Raw = serde_json::from_str(text).map_err(|_| Unexpected::from_text(text))?;
    let compose = raw.plugins.into_iter().flatten().find(|plugin| plugin.name == "compose");
    let compose = match compose {
        None => Plugin::Absent,
        Some(plugin) if plugin.err.is_some() => Plugin::Broken,
        Some(plugin) => Plugin::Version(plugin.version),
    };
    Ok(Client { version: raw.version.filter(|version| !version.is_empty()), compose })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_tells_how_it_hands_out_gpus() {
        let nvidia = |text: &str| engine(text).unwrap().nvidia();
        assert_eq!(nvidia(r#"{"Runtimes":{"runc":{"path":"runc"}}}"#), None);
        assert_eq!(
            nvidia(r#"{"Runtimes":{"nvidia":{"path":"x"},"runc":{}}}"#).unwrap(),
            "runtime `nvidia`"
        );
        let devices = r#"{"DiscoveredDevices":[{"Source":"cdi","ID":"nvidia.com/gpu=0"},
            {"Source":"cdi","ID":"amd.com/gpu=0"}]}"#;
        assert_eq!(nvidia(devices).unwrap(), "devices nvidia.com/gpu=0");
        assert_eq!(nvidia(r#"{"Runtimes":null,"DiscoveredDevices":null}"#), None);
    }

    #[test]
    fn an_engine_that_says_nothing_is_an_engine_that_does_not_answer() {
        let silent = engine("{}").unwrap();
        assert!(silent.error("").is_some());
        assert_eq!(silent.error("Cannot connect\n").unwrap(), "Cannot connect");
        let warned = engine(r#"{"ServerVersion":"28.5.1"}"#).unwrap();
        assert_eq!(warned.error("WARNING: No swap limit support"), None);
        let down = engine(r#"{"ServerErrors":["Cannot connect"],"ServerVersion":""}"#).unwrap();
        assert_eq!(down.error("").unwrap(), "Cannot connect");
        assert!(engine("").is_err() && engine("Emulate Docker CLI").is_err());
    }

    #[test]
    fn a_plugin_that_the_client_cannot_use_is_no_plugin() {
        let compose = |text: &str| client(text).unwrap().compose;
        assert_eq!(compose(r#"{"Plugins":[]}"#), Plugin::Absent);
        assert_eq!(compose(r#"{"Plugins":null}"#), Plugin::Absent);
        let plugin = r#"{"Plugins":[{"Name":"compose","Version":"v2.26.1"}]}"#;
        assert_eq!(compose(plugin), Plugin::Version("v2.26.1".to_owned()));
        assert_eq!(compose(r#"{"Plugins":[{"Name":"compose","Err":{}}]}"#), Plugin::Broken);
    }
}
