//! The `workload` key: what an experiment does. Only the shape is decided here, not the numbers.
//!
//! The choice is the key itself (`workload: {command: …}`), not a `type` field: the YAML reader can
//! then say the line and column of a mistake inside it.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::settings::Block;

/// What the experiment does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Start a command and wait for it.
    Command(Argv),
    /// Do arithmetic like that of a decoder, in this process.
    Synthetic(Block),
}

/// A program and its arguments; never empty, never a shell line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argv {
    program: String,
    arguments: Vec<String>,
}

impl Argv {
    /// The program, as written.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// What the program is given.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// `workload` as a mapping with one key.
#[derive(Deserialize)]
#[cfg_attr(feature = "host", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Choice {
    /// A program and its arguments, started and waited for.
    Command(Argv),
    /// Arithmetic like that of a decoder.
    Synthetic(Option<Block>),
}

#[cfg(feature = "host")]
impl schemars::JsonSchema for Workload {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Workload".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let choice = generator.subschema_for::<Choice>();
        schemars::json_schema!({ "anyOf": [{ "const": "synthetic" }, choice] })
    }
}

#[cfg(feature = "host")]
impl schemars::JsonSchema for Argv {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argv".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}

impl<'de> Deserialize<'de> for Workload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WorkloadVisitor)
    }
}

struct WorkloadVisitor;

impl<'de> Visitor<'de> for WorkloadVisitor {
    type Value = Workload;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`synthetic`, `{synthetic: {…}}` or `{command: [program, argument, …]}`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Workload, E> {
        match text {
            "synthetic" => Ok(Workload::Synthetic(Block::default())),
            other => Err(E::custom(format_args!(
                "unknown workload `{other}`: write `workload: synthetic` or \
                 `workload: {{command: [program, argument]}}`"
            ))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Workload, A::Error> {
        Ok(match Choice::deserialize(MapAccessDeserializer::new(map))? {
            Choice::Command(argv) => Workload::Command(argv),
            Choice::Synthetic(block) => Workload::Synthetic(block.unwrap_or_default()),
        })
    }
}

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgvVisitor)
    }
}

struct ArgvVisitor;

impl<'de> Visitor<'de> for ArgvVisitor {
    type Value = Argv;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list: a program and its arguments")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Argv, E> {
        Err(E::custom(
            "`command` must be a list like [program, argument]: there is no shell to split a string",
        ))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Argv, A::Error> {
        let program = match items.next_element::<String>()? {
            Some(program) if !program.is_empty() => program,
            _ => return Err(A::Error::custom("`command` must name a program")),
        };
        let mut arguments = Vec::new();
        while let Some(argument) = items.next_element()? {
            arguments.push(argument);
        }
        Ok(Argv { program, arguments })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Workload, String> {
        #[derive(Deserialize)]
        struct File {
            workload: Workload,
        }
        let path = Path::new("experiment.yaml");
        crate::yaml::parse::<File>(path, text).map(|f| f.workload).map_err(|e| e.to_string())
    }

    #[test]
    fn a_bare_word_a_mapping_and_an_empty_mapping_are_the_same_synthetic_workload() {
        let expected = Workload::Synthetic(Block::default());
        for text in [
            "workload: synthetic",
            "workload: {synthetic: {}}",
            "workload:\n  synthetic:\n",
            "workload: {synthetic: null}",
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn numbers_and_words_like_booleans_in_a_command_stay_as_written() {
        let Ok(Workload::Command(argv)) = parse("workload: {command: [sleep, 0.50, no, \"\"]}")
        else {
            panic!("not a command");
        };
        assert_eq!(argv.program(), "sleep");
        assert_eq!(argv.arguments(), ["0.50", "no", ""]);
    }

    #[test]
    fn mistakes_are_shown_with_their_line_and_column() {
        for (text, place, word) in [
            ("a: 1\nworkload:\n  synthetic:\n    hiden: 3\n", "4:5", "hiden"),
            ("a: 1\nworkload:\n  synthetic:\n    hidden: many\n", "4:13", "many"),
            ("a: 1\nworkload: {command: ls -l}\n", "2:", "must be a list"),
            ("a: 1\nworkload:\n  command: []\n", "3:", "must name a program"),
            ("a: 1\nworkload: synthetc\n", "2:", "unknown workload `synthetc`"),
            ("a: 1\nworkload:\n  comand: [ls]\n", "3:", "comand"),
            ("a: 1\nworkload:\n  command: [ls]\n  synthetic: {}\n", "4:", "synthetic"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "no `{word}` in: {error}");
            assert!(error.contains(place), "no `{place}` in: {error}");
        }
    }
}
