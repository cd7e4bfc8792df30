//! `lem schema`: the JSON Schema of each file, made from the types that read it.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::{exit, render, settings};
use crate::campaign::file::CampaignFile;
use crate::experiment::Declared;
use crate::experiment::result::ExperimentResult;
use crate::services::registry::RegistryFile;

/// Print the JSON Schema of a file, for editors and checkers.
///
/// For an editor with a YAML language server: write it to a file beside the campaign, such as
/// `campaign.schema.json`, and let the campaign begin with the line
/// `# yaml-language-server: $schema=campaign.schema.json`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which file
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A campaign
    Campaign,
    /// `.lem-config.yaml`, and the user's `config.yaml`
    Config,
    /// An experiment file, as far as lem reads it
    Experiment,
    /// `services.yaml`: the registry of GPU services
    Services,
    /// The result that `lem experiment` writes
    Result,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let schema = match arguments.kind {
        Kind::Campaign => closed(of::<CampaignFile>()),
        Kind::Config => closed(of::<settings::ConfigFile>()),
        Kind::Experiment => of::<Declared>(),
        Kind::Services => closed(of::<RegistryFile>()),
        Kind::Result => of::<ExperimentResult>(),
    };
    if let Ok(text) = serde_json::to_string_pretty(&schema) {
        render::out(&text);
    }
    ExitCode::from(exit::DONE)
}

fn of<T: JsonSchema>() -> Value {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    let mut whole = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
    if let (Some(whole), Value::Object(schema)) = (whole.as_object_mut(), schema) {
        whole.extend(schema);
    }
    whole
}

/// Refuses the keys that lem refuses: all that are not named, but those that begin with `x-`.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            for value in map.values_mut() {
                *value = closed(value.take());
            }
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), false.into());
                map.insert("patternProperties".to_owned(), json!({ "^x-": true }));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}
