//! Amounts of memory as people write them: `2GiB`, `1536 MiB`, `24 GB`.

use std::fmt;
use std::str::FromStr;

use bytesize::ByteSize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// An amount of memory in MiB, the unit of `nvidia-smi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub(crate) struct Mebibytes(pub u64);

impl Mebibytes {
    /// From bytes, rounded down.
    pub(crate) const fn of_bytes(bytes: u64) -> Self {
        Self(bytes >> 20)
    }
}

/// A text that is no amount of memory.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no amount of memory; write a number with its unit, as in `2GiB` or `1536MiB`")]
pub(crate) struct NotMemory(String);

impl FromStr for Mebibytes {
    type Err = NotMemory;

    fn from_str(text: &str) -> Result<Self, NotMemory> {
        let wrong = || NotMemory(text.to_owned());
        // A bare number could be bytes or MiB: tools disagree.
        if text.trim().parse::<f64>().is_ok() {
            return Err(wrong());
        }
        let size: ByteSize = text.trim().parse().map_err(|_| wrong())?;
        Ok(Self::of_bytes(size.as_u64()))
    }
}

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

impl Serialize for Mebibytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mebibytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Mebibytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of memory with its unit, as in `2GiB`")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Mebibytes, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Mebibytes, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl schemars::JsonSchema for Mebibytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mebibytes".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "an amount of memory with its unit: 2GiB, 1536MiB",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_memory_has_a_unit() {
        for (text, mebibytes) in [("2GiB", 2048), ("1536 MiB", 1536), ("1 GB", 953), ("1g", 953)] {
            assert_eq!(text.parse::<Mebibytes>().unwrap().0, mebibytes, "{text}");
        }
        for text in ["2048", "2.5", "-1GiB", "much", ""] {
            assert!(text.parse::<Mebibytes>().is_err(), "{text}");
        }
    }
}
