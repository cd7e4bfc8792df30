//! YAML files: the only module that names the YAML crate.
//!
//! Every error knows its file, line and column. YAML 1.1 booleans (`no`, `off`) are booleans, as in
//! the Python tools that read the same experiment files (2026-11-21).

#[cfg(feature = "host")]
pub(crate) mod keys;
#[cfg(feature = "host")]
pub(crate) mod position;
#[cfg(feature = "host")]
pub(crate) mod regular;
pub(crate) mod text;
#[cfg(feature = "host")]
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "host")]
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum YamlError {
    /// The file can't be read at all.
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// More than a person writes.
    #[error("`{}` is larger than {} MiB", path.display(), text::LARGEST_MEBIBYTES)]
    TooLarge { path: PathBuf },
    /// The text is not YAML, or says something that can't be.
    #[error("{message}\n{place}")]
    Invalid { place: Box<Place>, message: String, help: Option<String> },
}

/// A place in a file, with the line that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1; 0 where the place is the whole file.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text of that line.
    pub text: String,
}

impl Place {
    fn new(path: &Path, text: &str, line: usize, column: usize) -> Self {
        let text = hidden(text::lines(text).nth(line.saturating_sub(1)).unwrap_or_default());
        Self { path: path.to_owned(), line, column, text }
    }
}

/// A line without the secrets that a file may hold: the address of a webhook and, wherever one
/// stands, what follows the scheme of a URL, but for a server of this machine that needs no
/// password. Columns stay where they are.
fn hidden(line: &str) -> String {
    let mask = |(at, c): (usize, char), secret| if at < secret || c == ' ' { c } else { '*' };
    if let Some(key) = line.find("webhook_url") {
        let secret = key + "webhook_url".len() + 1;
        return line.char_indices().map(|at| mask(at, secret)).collect();
    }
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        let end = url.find([' ', '"', '\'']).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        shown.push_str(before);
        if is_plain_and_local(url) {
            shown.push_str(url);
        } else {
            shown.extend(url.chars().map(|_| '*'));
        }
        rest = after;
    }
    shown + rest
}

/// Whether a URL without its scheme leads to this machine, and has nothing that may be a password.
fn is_plain_and_local(url: &str) -> bool {
    let host = url.split(['/', ':']).next().unwrap_or(url);
    (["localhost", "127.0.0.1", "0.0.0.0"].contains(&host) || url.starts_with("[::1]"))
        && !url.contains(['@', '?'])
}

/// More of a line, or of a message that quotes the file, says nothing more.
const WIDEST: usize = 200;

/// What a terminal would obey is not shown to it.
fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

/// A message that may quote a file.
fn quoting(message: &str) -> String {
    let mut shown: String = message.chars().take(WIDEST).map(visible).collect();
    if message.chars().nth(WIDEST).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.line.to_string().len();
        writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.path.display(), self.line, self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        let shown: String = self.text.chars().take(WIDEST).map(visible).collect();
        writeln!(f, "{} | {shown}", self.line)?;
        write!(f, "{:gutter$} | {:>column$}", "", "^", column = self.column.min(WIDEST))
    }
}

/// Reads a file into `T`.
#[cfg(feature = "host")]
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, YamlError> {
    parse(path, &regular::of_file(path)?)
}

/// Parses text that came from `path`.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, YamlError> {
    serde_yaml::from_str(text).map_err(|error| located(path, text, &error))
}

/// Writes `value` as YAML text.
///
/// # Errors
/// A value that YAML can't express; JSON values always can be.
#[cfg(feature = "host")]
pub(crate) fn to_text<T: Serialize>(value: &T) -> Result<String, std::io::Error> {
    serde_yaml::to_string(value).map_err(std::io::Error::other)
}

fn located(path: &Path, text: &str, error: &serde_yaml::Error) -> YamlError {
    let (line, column) =
        error.location().map_or((1, 1), |l| (to_usize(l.line()), to_usize(l.column())));
    let full = error.without_snippet().to_string();
    let message = full.split(" at line ").next().unwrap_or(&full);
    let message = plain_words(message.split(", set DuplicateKeyPolicy").next().unwrap_or(message));
    YamlError::Invalid {
        place: Box::new(Place::new(path, text, line, column)),
        message: quoting(&message),
        help: None,
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The crate speaks of Rust's types; the reader of the message wrote YAML.
fn plain_words(message: &str) -> String {
    match message {
        "invalid u8" | "invalid u16" | "invalid u32" | "invalid u64" | "invalid usize"
        | "invalid i32" | "invalid i64" => "expected a whole number".to_owned(),
        "invalid f64" | "invalid f32" | "invalid floating point value" => {
            "expected a number".to_owned()
        }
        "invalid boolean" | "invalid bool" => "expected `true` or `false`".to_owned(),
        "expected string scalar" => "expected text".to_owned(),
        "expected mapping start" => "expected a mapping (`key: value`)".to_owned(),
        "expected sequence start" => "expected a list".to_owned(),
        "unexpected end of input" => "the file is empty".to_owned(),
        other if other.starts_with("multiple YAML documents") => {
            "expected one document, found a second one (`---`)".to_owned()
        }
        "recursion limit exceeded" => "nested too deeply".to_owned(),
        other if other.starts_with("budget breached") => {
            "too much for one file, once its aliases are followed".to_owned()
        }
        other if other.ends_with("rejected by the configured policy") => {
            "no number that can be worked with".to_owned()
        }
        other => other.replacen("unknown variant", "unknown value", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_an_error_shows_keeps_its_columns_and_loses_its_secrets() {
        assert_eq!(hidden("cylces: 3"), "cylces: 3");
        assert_eq!(hidden("  webhook_url: htps:/x/é"), "  webhook_url: *********");
        assert_eq!(hidden("    https://a.example/x"), "    https://***********");
        assert_eq!(hidden("{url: 'http://é@b/x', a: 1}"), "{url: 'http://*****', a: 1}");
        let local = "health: {url: \"http://127.0.0.1:80/health\", statsu: 3}";
        assert_eq!(hidden(local), local);
        assert_eq!(
            hidden("a: http://localhost:80@b/?key=c d"),
            "a: http://********************* d"
        );
    }
}
