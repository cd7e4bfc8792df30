//! Unknown keys: each is an error that names its place and the nearest key that exists.
//!
//! What may stand where is read from the JSON Schema of the Rust type, so a key is written once.
//! `x-…` keys pass everywhere, as in Compose files.

use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::tree::Node;
use super::{Place, YamlError, located, quoting, regular, to_usize};

/// Reads a file into `T`, refusing every key that `T` does not have.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(path: &Path) -> Result<T, YamlError> {
    parse(path, &regular::of_file(path)?)
}

/// The same of text that came from `path`.
pub(crate) fn parse<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    text: &str,
) -> Result<T, YamlError> {
    // Shape first: `cycels: 3` is better news than the missing key that follows from it.
    let tree: Node = serde_yaml::from_str(text).map_err(|error| located(path, text, &error))?;
    let root = SchemaGenerator::default().into_root_schema_for::<T>();
    Check { path, text, root: &root }.node(&tree, root.as_value(), &mut Vec::new())?;
    super::parse(path, text)
}

struct Check<'a> {
    path: &'a Path,
    text: &'a str,
    root: &'a Schema,
}

impl Check<'_> {
    /// `at` are the keys that lead to the node.
    fn node<'n>(
        &self,
        node: &'n Node,
        schema: &Value,
        at: &mut Vec<&'n str>,
    ) -> Result<(), YamlError> {
        match node {
            Node::Scalar => Ok(()),
            Node::List(items) => {
                let schemas = self.alternatives(schema);
                let Some(item) = schemas.iter().find_map(|s| s.get("items")) else { return Ok(()) };
                items.iter().try_for_each(|node| self.node(node, item, at))
            }
            Node::Map(entries) => {
                let schemas = self.alternatives(schema);
                let known: Vec<(&String, &Value)> = schemas
                    .iter()
                    .filter_map(|s| s.get("properties").and_then(Value::as_object))
                    .flatten()
                    .collect();
                let open = schemas.iter().find_map(|s| s.get("additionalProperties"));
                for (key, child) in entries {
                    let name = key.value.as_str();
                    let here = known.iter().find(|(known, _)| *known == name).map(|(_, s)| *s);
                    if let Some(schema) = here.or(open) {
                        at.push(name);
                        self.node(child, schema, at)?;
                        at.pop();
                    } else if !known.is_empty() && !name.starts_with("x-") {
                        let names = known.iter().map(|(name, _)| name.as_str());
                        return Err(self.refuse(key, at, names));
                    }
                }
                Ok(())
            }
        }
    }

    /// The schema itself, or what it may be instead: references followed, choices opened.
    fn alternatives<'s>(&'s self, schema: &'s Value) -> Vec<&'s Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.as_value().pointer(name.trim_start_matches('#'));
            return target.map(|schema| self.alternatives(schema)).unwrap_or_default();
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            if let Some(schemas) = schema.get(choice).and_then(Value::as_array) {
                return schemas.iter().flat_map(|schema| self.alternatives(schema)).collect();
            }
        }
        vec![schema]
    }

    fn refuse<'k>(
        &self,
        key: &serde_yaml::Spanned<String>,
        at: &[&str],
        known: impl Iterator<Item = &'k str>,
    ) -> YamlError {
        let (line, column) = (to_usize(key.referenced.line()), to_usize(key.referenced.column()));
        let place = Box::new(Place::new(self.path, self.text, line, column));
        let known: Vec<&str> = known.collect();
        let help = match nearest(&key.value, &known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let here = quoting(&[at, &[key.value.as_str()]].concat().join("."));
        YamlError::Invalid { place, message: format!("unknown key `{here}`"), help: Some(help) }
    }
}

/// No key is longer; how far a longer word is from one takes time and memory.
const LONGEST_WORD: usize = 64;

/// The word of `known` that `word` is probably a misspelling of.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // `config_gap` for `config_gap_seconds`.
    if let Some(longer) = known.iter().find(|name| word.len() > 3 && name.starts_with(word)) {
        return Some(longer);
    }
    if word.len() > LONGEST_WORD {
        return None;
    }
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word.to_lowercase(), name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}
