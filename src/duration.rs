//! Lengths of time as people write them: `90`, `1.5`, `2h`, `1m 30s`. A bare number is seconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A length of time read from a file or a flag.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub(crate) struct Time(pub Duration);

impl Time {
    /// From whole seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.0
    }
}

/// A text that is no length of time.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no length of time; write seconds (`90`) or units (`2h`, `1m 30s`), at most 100 years"
)]
pub(crate) struct NotATime(String);

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let wrong = || NotATime(text.to_owned());
        let time = if let Ok(seconds) = text.trim().parse::<f64>() {
            Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?
        } else {
            let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
            Duration::try_from(signed).map_err(|_| wrong())?
        };
        // Times are added up: a sum must stay a time.
        if time > LONGEST { Err(wrong()) } else { Ok(Self(time)) }
    }
}

/// A measured time. What a container claims to have measured may be no time at all.
pub(crate) fn measured(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST)
}

/// `2h 5m`, `1m 30s`, `0.4s`: the two largest units, as a person would say it.
pub(crate) fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&human(self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, or a time with units like `2h` or `1m 30s`")
            }
            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
                self.visit_str(&seconds.to_string())
            }
            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Time, E> {
                self.visit_str(&seconds.to_string())
            }
            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Time, E> {
                self.visit_str(&seconds.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(feature = "host")]
impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "seconds, or a time with units: 90, 2h, 1m 30s",
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_bare_seconds_or_units() {
        for (text, seconds) in [("90", 90.0), ("1.5", 1.5), ("2h", 7200.0), ("1m 30s", 90.0)] {
            let expected = Duration::from_secs_f64(seconds);
            assert_eq!(text.parse::<Time>().unwrap().0, expected, "{text}");
        }
    }

    #[test]
    fn whatever_was_measured_is_a_time() {
        let shown = |seconds| human(measured(seconds));
        assert_eq!(
            (shown(1.5), shown(-1.0), shown(f64::NAN)),
            ("1.5s".into(), "0.0s".into(), "0.0s".into())
        );
        assert_eq!(shown(1e300), shown(f64::INFINITY));
    }

    #[test]
    fn a_negative_or_senseless_time_is_refused() {
        for text in
            ["18446744073709551615", "1e12", "-1", "-2h", "soon", "", "1d x", "nan", "1e400"]
        {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
