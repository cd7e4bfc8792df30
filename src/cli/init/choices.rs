//! What a starter project is made of: the name, what runs, and how.

use std::path::Path;

use crate::campaign::file::ContainerStrategy;

/// What runs in the containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Load {
    /// lem's own arithmetic, in an empty image.
    BuiltIn,
    /// The same in an image of the user's.
    Image(String),
    /// A program of the user's image.
    Command { image: String, words: Vec<String> },
}

/// Every choice made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choices {
    pub name: String,
    pub load: Load,
    pub strategy: ContainerStrategy,
    /// As written: a length of time.
    pub config_gap: String,
    /// As written: a length of time.
    pub cycle_gap: String,
    /// As written: relative to the project.
    pub results_dir: String,
    pub webhook_url: Option<String>,
}

/// The pauses of the built-in load, and of a program that heats the hardware up.
pub(super) fn gaps(load: &Load) -> (&'static str, &'static str) {
    match load {
        Load::BuiltIn | Load::Image(_) => ("1", "2"),
        Load::Command { .. } => ("60", "300"),
    }
}

/// Where results go by default.
pub(super) const RESULTS: &str = "results";

#[cfg(test)]
impl Choices {
    /// What `--yes` chooses in a folder of this name.
    pub(super) fn default_for(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            load: Load::BuiltIn,
            strategy: ContainerStrategy::Ephemeral,
            config_gap: "1".to_owned(),
            cycle_gap: "2".to_owned(),
            results_dir: RESULTS.to_owned(),
            webhook_url: None,
        }
    }
}

/// The name of a project in `folder`, where nobody says another.
pub(super) fn default_name(folder: &Path) -> String {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name_of_campaign(name).unwrap_or_else(|_| "starter".to_owned())
}

/// A name that a campaign file accepts.
///
/// # Errors
/// Why it would not.
pub(super) fn name_of_campaign(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err("a name has 1 to 200 bytes and no control characters".to_owned());
    }
    Ok(name.to_owned())
}

/// A command line as its words.
///
/// # Errors
/// Quotes that are not closed, or no word at all.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    match shlex::split(line) {
        Some(words) if !words.is_empty() => Ok(words),
        Some(_) => Err("the command is empty".to_owned()),
        None => Err("a quote is not closed".to_owned()),
    }
}

/// One line of text that is not empty.
///
/// # Errors
/// It is empty, or holds control characters.
pub(super) fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("expected one line of text".to_owned());
    }
    Ok(text.to_owned())
}

/// A length of time, as it was written.
///
/// # Errors
/// It is none.
pub(super) fn time(text: &str) -> Result<String, String> {
    let time: Result<crate::duration::Time, _> = text.parse();
    time.map(|_| text.trim().to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_names_the_campaign_where_it_can() {
        assert_eq!(default_name(Path::new("/srv/Batch sizes")), "Batch sizes");
        for folder in ["/", "/srv/a\nb", "/srv/ "] {
            assert_eq!(default_name(Path::new(folder)), "starter");
        }
    }

    #[test]
    fn a_command_line_is_split_as_a_shell_would() {
        assert_eq!(words("sh -c 'a b'").unwrap(), ["sh", "-c", "a b"]);
        assert!(words("sh -c 'a").is_err() && words("  ").is_err());
    }

    #[test]
    fn a_time_stays_as_it_was_written() {
        assert_eq!(time(" 1m 30s ").unwrap(), "1m 30s");
        assert!(time("soon").is_err() && time("-1").is_err() && time("").is_err());
    }
}
