//! Choosing a setting among the places that can say it, and remembering which one did.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::cli::flags::Flags;

/// Where a setting was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    CommandLine,
    /// An environment variable.
    Variable(&'static str),
    Campaign,
    Project,
    User,
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "command line",
            Self::Variable(name) => name,
            Self::Campaign => "campaign file",
            Self::Project => super::config_file::PROJECT_FILE,
            Self::User => "user configuration",
            Self::Default => "default",
        })
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A setting, its value, and where it was said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Row {
    pub key: &'static str,
    pub value: Value,
    pub source: Source,
}

/// What the command line or a variable says of a setting.
pub(in crate::cli) struct Said<T> {
    value: Option<T>,
    source: Source,
}

impl<T> Said<T> {
    /// A flag, with the variable that stands for it.
    pub(super) fn flag(flags: &Flags, variable: &'static str, value: Option<T>) -> Self {
        let source = if flags.variables.contains(variable) {
            Source::Variable(variable)
        } else {
            Source::CommandLine
        };
        Self { value, source }
    }

    /// A flag without a variable.
    pub(super) fn plain_flag(value: Option<T>) -> Self {
        Self { value, source: Source::CommandLine }
    }

    /// A variable without a flag.
    pub(super) fn variable(name: &'static str, value: Option<T>) -> Self {
        Self { value, source: Source::Variable(name) }
    }

    /// Neither can say it.
    pub(super) fn never() -> Self {
        Self { value: None, source: Source::CommandLine }
    }
}

/// The settings that were chosen so far.
#[derive(Debug, Default)]
pub(super) struct Ledger(pub Vec<Row>);

impl Ledger {
    /// The first that is said, in order of precedence; `None` if nobody says it.
    pub(super) fn choose<T: Serialize>(
        &mut self,
        key: &'static str,
        said: Said<T>,
        files: [Option<T>; 3],
    ) -> Option<T> {
        let [campaign, project, user] = files;
        let places = [
            (said.source, said.value),
            (Source::Campaign, campaign),
            (Source::Project, project),
            (Source::User, user),
        ];
        let found = places.into_iter().find_map(|(source, value)| Some((source, value?)));
        let (source, value) = match found {
            Some((source, value)) => (source, Some(value)),
            None => (Source::Default, None),
        };
        self.note(key, source, value.as_ref());
        value
    }

    /// The same, with what holds if nobody says it.
    pub(super) fn or<T: Serialize>(
        &mut self,
        key: &'static str,
        said: Said<T>,
        files: [Option<T>; 3],
        default: T,
    ) -> T {
        let chosen = self.choose(key, said, files);
        chosen.unwrap_or_else(|| {
            if let Some(row) = self.0.last_mut() {
                row.value = serde_json::to_value(&default).unwrap_or_default();
            }
            default
        })
    }

    /// A section that the campaign file alone can say, key by key.
    pub(super) fn section<T: Serialize>(&mut self, keys: &[&'static str], said: &T, default: &T) {
        let (said, default) = (json!(said), json!(default));
        for key in keys {
            let name = key.rsplit('.').next().unwrap_or(key);
            let source =
                if said[name] == default[name] { Source::Default } else { Source::Campaign };
            self.0.push(Row { key, value: said[name].clone(), source });
        }
    }

    /// A path that the campaign file alone can say.
    pub(super) fn place(&mut self, key: &'static str, path: &Path, default: bool) {
        let source = if default { Source::Default } else { Source::Campaign };
        self.note(key, source, Some(&path));
    }

    fn note<T: Serialize>(&mut self, key: &'static str, source: Source, value: Option<&T>) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.0.push(Row { key, value, source });
    }

    /// Replaces a value that nobody may read.
    pub(super) fn redact(&mut self, key: &str) {
        for row in self.0.iter_mut().filter(|row| row.key == key && !row.value.is_null()) {
            row.value = Value::from("(set)");
        }
    }
}
