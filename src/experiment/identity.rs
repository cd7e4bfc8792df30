//! Which run of which campaign this is, as the environment says.
//!
//! Outside a campaign every value is absent. The values are recorded and change nothing else.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// Where an experiment belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
pub(crate) struct Identity {
    /// `LEM_CAMPAIGN_ID`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign_id: Option<String>,
    /// `LEM_CAMPAIGN_NAME`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign_name: Option<String>,
    /// `LEM_EXPERIMENT_ID`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) experiment_id: Option<String>,
    /// `LEM_RUN_ID`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    /// `LEM_CYCLE`, the first is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cycle: Option<u32>,
    /// `LEM_TOTAL_CYCLES`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_cycles: Option<u32>,
}

/// A variable that cannot be recorded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    /// A name or id that is not UTF-8.
    #[error("the environment variable `{name}` is not UTF-8 text")]
    NotText { name: &'static str },
    /// A cycle that is not a number from 1.
    #[error("the environment variable `{name}` is `{value}`, not a whole number from 1")]
    NotACount { name: &'static str, value: String },
}

/// Looks up a variable; absent if it is not set or empty.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Identity {
    /// Reads all of it.
    pub(crate) fn read(variable: Lookup) -> Result<Self, IdentityError> {
        Ok(Identity {
            campaign_id: text(variable, "LEM_CAMPAIGN_ID")?,
            campaign_name: text(variable, "LEM_CAMPAIGN_NAME")?,
            experiment_id: text(variable, "LEM_EXPERIMENT_ID")?,
            run_id: text(variable, "LEM_RUN_ID")?,
            cycle: count(variable, "LEM_CYCLE")?,
            total_cycles: count(variable, "LEM_TOTAL_CYCLES")?,
        })
    }
}

fn text(variable: Lookup, name: &'static str) -> Result<Option<String>, IdentityError> {
    variable(name)
        .map(OsString::into_string)
        .transpose()
        .map_err(|_| IdentityError::NotText { name })
}

fn count(variable: Lookup, name: &'static str) -> Result<Option<u32>, IdentityError> {
    let Some(value) = text(variable, name)? else { return Ok(None) };
    match value.parse() {
        Ok(number) if number >= 1 => Ok(Some(number)),
        _ => Err(IdentityError::NotACount { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_campaign_nothing_is_recorded() {
        assert_eq!(Identity::read(&|_| None), Ok(Identity::default()));
    }

    #[test]
    fn a_cycle_that_is_no_count_is_refused_by_its_name() {
        for wrong in ["0", "-1", "first", "1.5"] {
            let error = Identity::read(&|name| (name == "LEM_CYCLE").then(|| wrong.into()))
                .expect_err(wrong);
            assert!(error.to_string().contains("`LEM_CYCLE`"), "{error}");
        }
    }
}
