//! Values of the registry that can be written in more than one way: one or several, a line or its
//! words.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

use crate::services::service::{CommandLine, Expect, GpuChoice};

/// One word, or a list of them, in the spelling of the file.
enum Written {
    One(String),
    Many(Vec<String>),
}

impl Written {
    fn words(self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word],
            Self::Many(words) => words,
        }
    }

    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        expected: &'static str,
    ) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words(expected))
    }
}

struct Words(&'static str);

impl<'de> Visitor<'de> for Words {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: Error>(self, word: &str) -> Result<Written, E> {
        Ok(Written::One(word.to_owned()))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Written, E> {
        Ok(Written::One(number.to_string()))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Written, E> {
        Ok(Written::One(number.to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element::<String>()? {
            words.push(word);
        }
        Ok(Written::Many(words))
    }
}

/// The schema of one thing or a list of such.
fn one_or_many(description: &str, one: &Value) -> Schema {
    json_schema!({
        "description": description,
        "anyOf": [one, {"type": "array", "items": one}]
    })
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match Written::read(deserializer, "a command: a list of words, or a line for `sh -c`")?
            {
                Written::One(line) => Self::Shell(line),
                Written::Many(words) => Self::Words(words),
            },
        )
    }
}

impl JsonSchema for CommandLine {
    fn schema_name() -> Cow<'static, str> {
        "CommandLine".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "the words of a command, or a line for `sh -c`",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": ["string", "number"]}}
            ]
        })
    }
}

impl<'de> Deserialize<'de> for GpuChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "`all`, `none`, an index, a UUID, or a list of those";
        Ok(match Written::read(deserializer, expected)? {
            Written::One(word) if word == "all" => Self::All,
            Written::One(word) if word == "none" => Self::Named(Vec::new()),
            written => Self::Named(written.words()),
        })
    }
}

impl JsonSchema for GpuChoice {
    fn schema_name() -> Cow<'static, str> {
        "GpuChoice".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!({"type": ["integer", "string"]});
        one_or_many("`all`, `none`, or GPUs by index or UUID", &one)
    }
}

/// A text, or what is one without quotes: the schema of such a value.
pub(super) struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// HTTP statuses that count.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Statuses(pub Vec<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Written::read(deserializer, "an HTTP status, or a list of them")?.words();
        let status = |word: &String| match word.parse() {
            Ok(status @ 100..=599) => Ok(status),
            _ => Err(D::Error::custom(format!("`{word}` is no HTTP status (100 to 599)"))),
        };
        Ok(Self(words.iter().map(status).collect::<Result<_, _>>()?))
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!({"type": "integer", "minimum": 100, "maximum": 599});
        one_or_many("the HTTP status that counts, or a list of them", &one)
    }
}

/// Paths of files.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Files(pub Vec<PathBuf>);

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Written::read(deserializer, "a file, or a list of files")?.words();
        Ok(Self(words.into_iter().map(PathBuf::from).collect()))
    }
}

impl JsonSchema for Files {
    fn schema_name() -> Cow<'static, str> {
        "Files".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_or_many("a file, or a list of files", &serde_json::json!({"type": "string"}))
    }
}

/// What the body of an answer must say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Expects(pub Vec<Expect>);

impl<'de> Deserialize<'de> for Expects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected a text, or JSON pointers with their values");
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => vec![Expect::Contains(text)],
            Value::Object(values) => {
                let expect = |(pointer, value): (String, Value)| {
                    if pointer.is_empty() || pointer.starts_with('/') {
                        Ok(Expect::Json { pointer, value })
                    } else {
                        let hint = format!("`{pointer}` is no JSON pointer; write `/{pointer}`");
                        Err(D::Error::custom(hint))
                    }
                };
                values.into_iter().map(expect).collect::<Result<_, _>>()?
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return Err(wrong());
            }
        }))
    }
}

impl JsonSchema for Expects {
    fn schema_name() -> Cow<'static, str> {
        "Expects".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a text that the body holds, or values by JSON pointer: {/status: ok}",
            "anyOf": [
                {"type": "string"},
                {"type": "object", "patternProperties": {"^(/.*)?$": true}, "additionalProperties": false}
            ]
        })
    }
}
