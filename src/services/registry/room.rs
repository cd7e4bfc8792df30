//! How much memory stays free beside a service, and how much there is where no driver tells.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::mebibytes::Mebibytes;

/// What stays free beside a service's need. None for a service that needs nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Headroom {
    /// The larger of 512 MiB and 5 % of the need.
    Default,
    Amount(Mebibytes),
    /// Percent of the need.
    Percent(f64),
}

impl Headroom {
    const LEAST: Mebibytes = Mebibytes(512);
    const PERCENT: f64 = 5.0;

    /// Beside a service that needs so much of a GPU.
    pub(crate) fn beside(self, need: Mebibytes) -> Mebibytes {
        match self {
            _ if need == Mebibytes(0) => Mebibytes(0),
            Self::Default => Self::LEAST.max(percent(Self::PERCENT, need)),
            Self::Amount(amount) => amount,
            Self::Percent(share) => percent(share, need),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "no GPU has 2^53 MiB, and a share is not negative"
)]
fn percent(share: f64, of: Mebibytes) -> Mebibytes {
    Mebibytes((of.0 as f64 * share / 100.0).ceil() as u64)
}

impl fmt::Display for Headroom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => {
                write!(f, "{} or {} % of the need, whichever is more", Self::LEAST, Self::PERCENT)
            }
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Percent(share) => write!(f, "{share} % of the need"),
        }
    }
}

impl<'de> Deserialize<'de> for Headroom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(share) = text.trim().strip_suffix('%') else {
            return text.parse().map(Self::Amount).map_err(D::Error::custom);
        };
        match share.trim().parse::<f64>() {
            Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Percent(share)),
            _ => Err(D::Error::custom(format!("`{text}` is no share from 0% to 100%"))),
        }
    }
}

impl JsonSchema for Headroom {
    fn schema_name() -> Cow<'static, str> {
        "Headroom".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "an amount of memory with its unit, or a share of the need: 1GiB, 10%",
            "type": "string"
        })
    }
}

/// How much memory the GPUs have where no driver tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Budget {
    /// The registry does not say.
    #[default]
    Unsaid,
    /// Every GPU has so much.
    Each(Mebibytes),
    /// By index or UUID.
    Of(BTreeMap<String, Mebibytes>),
}

impl Budget {
    /// How much a GPU has, by its index or its UUID.
    pub(crate) fn of(&self, gpu: &str) -> Option<Mebibytes> {
        match self {
            Self::Unsaid => None,
            Self::Each(amount) => Some(*amount),
            Self::Of(amounts) => amounts.get(gpu).copied(),
        }
    }
}

/// What can be written as the value of `vram_total`: with units.
#[derive(Debug, Clone)]
pub(super) struct WithUnits(pub Budget);

/// What can be written as the value of `vram_total_mb`: numbers.
#[derive(Debug, Clone)]
pub(super) struct InMebibytes(pub Budget);

/// Reads one amount, or amounts by GPU.
struct Amounts {
    /// Whether a bare number is one.
    numbers: bool,
}

impl Amounts {
    fn amount<E: Error>(&self, text: &str) -> Result<Mebibytes, E> {
        if self.numbers {
            return text.parse().map(Mebibytes).map_err(|_| {
                E::custom(format!("`{text}` is no whole number of MiB, as `nvidia-smi` prints it"))
            });
        }
        text.parse().map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Amounts {
    type Value = Budget;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of memory, or such amounts by GPU")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Budget, E> {
        self.amount(text).map(Budget::Each)
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Budget, E> {
        self.visit_str(&number.to_string())
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Budget, E> {
        self.visit_str(&number.to_string())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Budget, A::Error> {
        let mut amounts = BTreeMap::new();
        while let Some((gpu, text)) = map.next_entry::<String, String>()? {
            amounts.insert(gpu, self.amount(&text)?);
        }
        Ok(Budget::Of(amounts))
    }
}

impl<'de> Deserialize<'de> for WithUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amounts { numbers: false }).map(Self)
    }
}

impl<'de> Deserialize<'de> for InMebibytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amounts { numbers: true }).map(Self)
    }
}

fn each_or_by_gpu(one: &'static str) -> Schema {
    json_schema!({
        "description": "of every GPU, or by index or UUID",
        "anyOf": [{"type": one}, {"type": "object", "additionalProperties": {"type": one}}]
    })
}

impl JsonSchema for WithUnits {
    fn schema_name() -> Cow<'static, str> {
        "WithUnits".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        each_or_by_gpu("string")
    }
}

impl JsonSchema for InMebibytes {
    fn schema_name() -> Cow<'static, str> {
        "InMebibytes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        each_or_by_gpu("integer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F9, 5.1
    #[test]
    fn the_headroom_is_the_larger_of_512_mib_and_a_twentieth_of_the_need() {
        let beside = |need| Headroom::Default.beside(Mebibytes(need)).0;
        assert_eq!((beside(0), beside(4000), beside(20_001)), (0, 512, 1001));
        assert_eq!(Headroom::Percent(10.0).beside(Mebibytes(4000)).0, 400);
        assert_eq!(Headroom::Amount(Mebibytes(7)).beside(Mebibytes(4000)).0, 7);
    }
}
