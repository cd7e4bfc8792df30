//! Which GPUs a service may use, by its Compose file and its environment. Pure.

use serde_json::Value;

/// The GPUs of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gpus {
    /// Nothing says that it uses one; where the engine's default is the NVIDIA runtime, or the
    /// container is privileged, it may use all.
    Unsaid,
    All,
    /// By index, as the driver counts, or by UUID.
    Named(Vec<String>),
    /// It is said to use none.
    None,
}

/// What says which GPUs a service has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    /// The service's `deploy` section.
    pub deploy: Option<&'a Value>,
    /// The service's `gpus`.
    pub gpus: Option<&'a Value>,
    pub runtime: Option<&'a str>,
    /// `NVIDIA_VISIBLE_DEVICES`.
    pub nvidia: Option<&'a str>,
    /// `CUDA_VISIBLE_DEVICES`.
    pub cuda: Option<&'a str>,
}

impl Gpus {
    /// What is said, taken together.
    pub(crate) fn of(said: &Said<'_>) -> Self {
        // A reservation is what the engine does, whatever the variable says.
        let visible = reserved(said).unwrap_or_else(|| match (said.nvidia, said.runtime) {
            (Some(variable), _) => listed(variable),
            (None, Some("nvidia")) => Self::All,
            (None, _) => Self::Unsaid,
        });
        match said.cuda {
            Some(variable) => visible.narrowed(variable),
            None => visible,
        }
    }

    /// Whether the service is said to use a GPU.
    pub(crate) fn are_said(&self) -> bool {
        matches!(self, Self::All | Self::Named(_))
    }

    /// What CUDA leaves of these: it counts the visible ones from 0.
    fn narrowed(self, variable: &str) -> Self {
        let cuda = cuda(variable);
        match (self, cuda) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (visible, Self::All | Self::Unsaid) => visible,
            (Self::Named(visible), Self::Named(wanted)) => {
                let name = |name: &String| match name.parse::<usize>() {
                    Ok(place) => visible.get(place).cloned(),
                    Err(_) => Some(name.clone()),
                };
                match wanted.iter().map_while(name).collect::<Vec<_>>() {
                    names if names.is_empty() => Self::Named(visible),
                    names => Self::Named(names),
                }
            }
            (Self::Unsaid | Self::All, named) => named,
        }
    }
}

/// What the service reserves; absent where it reserves no GPU.
fn reserved(said: &Said<'_>) -> Option<Gpus> {
    let devices = said.deploy.and_then(|deploy| deploy.pointer("/resources/reservations/devices"));
    let devices = devices.and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<&Value> = devices.filter(|device| is_gpu(device)).collect();
    match said.gpus {
        Some(Value::String(all)) if all == "all" => return Some(Gpus::All),
        Some(Value::Array(requests)) => found.extend(requests),
        _ => {}
    }
    let mut names = Vec::new();
    for device in &found {
        match device.get("device_ids").and_then(Value::as_array) {
            Some(ids) if !ids.is_empty() => names.extend(ids.iter().map(word)),
            // So many of them, and nobody knows which.
            _ => return Some(Gpus::All),
        }
    }
    (!found.is_empty()).then_some(Gpus::Named(names))
}

fn is_gpu(device: &Value) -> bool {
    let capabilities = device.get("capabilities").and_then(Value::as_array);
    device.get("driver").and_then(Value::as_str) == Some("nvidia")
        || capabilities.is_some_and(|list| list.iter().any(|capability| capability == "gpu"))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The value of `NVIDIA_VISIBLE_DEVICES`.
fn listed(variable: &str) -> Gpus {
    match variable.trim() {
        "all" => Gpus::All,
        "" | "void" | "none" => Gpus::None,
        list => named(list),
    }
}

/// The value of `CUDA_VISIBLE_DEVICES`. A negative number ends the list.
fn cuda(variable: &str) -> Gpus {
    let is_valid = |name: &&str| !name.parse::<i64>().is_ok_and(|index| index < 0);
    let valid: Vec<&str> = variable.split(',').map(str::trim).take_while(is_valid).collect();
    match valid.as_slice() {
        [] | ["" | "NoDevFiles"] => Gpus::None,
        names => named(&names.join(",")),
    }
}

/// Instances of a divided GPU have names of their own, which don't say which GPU that is.
fn named(list: &str) -> Gpus {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let plain = |name: &String| name.parse::<u32>().is_ok() || name.starts_with("GPU-");
    if names.iter().all(plain) { Gpus::Named(names) } else { Gpus::All }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(names: &[&str]) -> Gpus {
        Gpus::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_reservation_says_which_gpus_a_service_has() {
        let deploy = |device: Value| json!({"resources": {"reservations": {"devices": [device]}}});
        for (device, gpus) in [
            (json!({"capabilities": ["gpu"], "count": -1}), Gpus::All),
            (json!({"driver": "nvidia", "count": 1, "capabilities": ["compute"]}), Gpus::All),
            (json!({"capabilities": ["gpu"], "device_ids": ["0", "3"]}), named(&["0", "3"])),
            (json!({"capabilities": ["tpu"], "count": 1}), Gpus::Unsaid),
        ] {
            let deploy = deploy(device);
            let said = Said { deploy: Some(&deploy), ..Said::default() };
            assert_eq!(Gpus::of(&said), gpus, "{deploy}");
            // The engine appends its own value of the variable.
            let said = Said { nvidia: Some("7"), ..said };
            assert_eq!(Gpus::of(&said), if gpus == Gpus::Unsaid { named(&["7"]) } else { gpus });
        }
        for (gpus, expected) in
            [(json!("all"), Gpus::All), (json!([{"device_ids": ["1"]}]), named(&["1"]))]
        {
            assert_eq!(Gpus::of(&Said { gpus: Some(&gpus), ..Said::default() }), expected);
        }
    }

    #[test]
    fn variables_say_it_where_nothing_is_reserved() {
        for (nvidia, cuda, gpus) in [
            (None, None, Gpus::Unsaid),
            (Some("all"), None, Gpus::All),
            (Some("void"), None, Gpus::None),
            (Some("1, 2"), None, named(&["1", "2"])),
            (Some("GPU-8f6e"), None, named(&["GPU-8f6e"])),
            (Some("MIG-1"), None, Gpus::All),
            (Some("0:1"), None, Gpus::All),
            (None, Some("1"), named(&["1"])),
            (None, Some(""), Gpus::None),
            (None, Some("-1"), Gpus::None),
            (Some("all"), Some("MIG-1"), Gpus::All),
            // The second of those that are visible.
            (Some("2,3"), Some("1"), named(&["3"])),
            (Some("2,3"), Some("GPU-1"), named(&["GPU-1"])),
            (Some("2,3"), Some("5"), named(&["2", "3"])),
            // CUDA stops at what is not there.
            (Some("2,3"), Some("1,5,0"), named(&["3"])),
            (None, Some("1,-1,0"), named(&["1"])),
            (None, Some("-1,0"), Gpus::None),
            (Some("all"), Some("GPU-1, -2, GPU-2"), named(&["GPU-1"])),
            (Some("void"), Some("0"), Gpus::None),
        ] {
            let said = Said { nvidia, cuda, ..Said::default() };
            assert_eq!(Gpus::of(&said), gpus, "{nvidia:?} {cuda:?}");
        }
        let runtime = Said { runtime: Some("nvidia"), ..Said::default() };
        assert_eq!(Gpus::of(&runtime), Gpus::All);
    }
}
