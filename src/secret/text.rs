//! Text for people without the secrets that it may repeat: docker and Compose quote what they don't
//! understand, and that may be a line of an environment.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::Value;

use super::{HIDDEN, is_secret, looks_secret};

/// A shorter value is hidden nowhere: it may be a word of anything.
const SHORTEST: usize = 8;
/// What Compose says before it quotes a line or the rest of an environment file.
const QUOTING: &str = "in variable name ";
/// The line before that of a value which Compose can't interpolate.
const INTERPOLATION: &str = "You may need to escape any $ with another $.\n";

/// The text with every secret that this process knows, and every quotation of an environment,
/// hidden.
pub(crate) fn hidden_in(text: &str) -> Cow<'_, str> {
    static KNOWN: OnceLock<Vec<String>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let named = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        known_of(std::env::vars_os().filter_map(named))
    });
    without(text, known)
}

/// The same for every text of a JSON value.
pub(crate) fn hide_in_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = hidden_in(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_in_json),
        Value::Object(map) => map.values_mut().for_each(hide_in_json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The values of an environment that nobody should see, longest first.
fn known_of(environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut known: Vec<String> = environment
        .flat_map(|(name, value)| {
            let whole = is_secret(&name) || name == "LEM_WEBHOOK_URL" || looks_secret(&value);
            let password = password(&value).map(str::to_owned);
            whole.then_some(value).into_iter().chain(password)
        })
        .flat_map(|value| {
            // What quotes a value of several lines may be cut into lines before it is shown.
            let lines: Vec<String> = value.lines().map(|line| line.trim().to_owned()).collect();
            std::iter::once(value).chain(lines)
        })
        .filter(|value| value.len() >= SHORTEST && value.contains(char::is_alphabetic))
        .collect();
    known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    known.dedup();
    known
}

/// That of `http://user:password@host`.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    Some(user.split_once(':')?.1)
}

fn without<'a>(text: &'a str, known: &[String]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in known.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), HIDDEN));
        }
    }
    for hide in [without_quotation, without_value] {
        if let Some(hidden) = hide(&text) {
            text = Cow::Owned(hidden);
        }
    }
    text
}

fn without_value(text: &str) -> Option<String> {
    let (mut before, mut rest) = text.split_once(INTERPOLATION)?;
    let mut hidden = String::new();
    loop {
        hidden.push_str(&format!("{before}{INTERPOLATION}{HIDDEN}"));
        rest = rest.find('\n').map_or("", |end| &rest[end..]);
        match rest.split_once(INTERPOLATION) {
            Some(next) => (before, rest) = next,
            None => return Some(hidden + rest),
        }
    }
}

fn without_quotation(text: &str) -> Option<String> {
    let (mut hidden, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(QUOTING) {
        let (before, after) = rest.split_at(at + QUOTING.len());
        hidden.push_str(before);
        rest = after;
        let line = rest.lines().next().unwrap_or_default();
        if let Some(opens) = line.find('"') {
            let closes = line.rfind('"').filter(|at| *at > opens).unwrap_or(line.len());
            hidden.push_str(&format!("{}\"{HIDDEN}", &rest[..opens]));
            rest = &rest[closes..];
        }
    }
    (!hidden.is_empty()).then(|| hidden + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        known_of(
            [
                variable("HF_TOKEN", "a-token-of-mine"),
                variable("HTTPS_PROXY", "http://me:open-sesame@proxy:3128"),
                variable("LEM_WEBHOOK_URL", "https://hooks.example/T0/B0/xyz"),
                variable("OTHER", "hf_abcdefghijklmnopqrst"),
                variable("HOME", "/home/me/somewhere"),
                variable("API_KEY", "12345678901"),
                variable("DB_PASSWORD", "short"),
                variable("SIGNING_KEY_SECRET", "first-line-of-key\n  second-line-of-key\nend"),
            ]
            .into_iter(),
        )
    }

    #[test]
    fn what_is_secret_in_an_environment_is_hidden_in_text() {
        for (text, shown) in [
            ("no a-token-of-mine here", "no (hidden) here"),
            ("proxy http://me:open-sesame@proxy:3128", "proxy http://me:(hidden)@proxy:3128"),
            ("post https://hooks.example/T0/B0/xyz: 404", "post (hidden): 404"),
            ("hf_abcdefghijklmnopqrst", "(hidden)"),
            ("'first-line-of-key\n  second-line-of-key\nend'", "'(hidden)'"),
            ("line 3: second-line-of-key, the end", "line 3: (hidden), the end"),
            ("/home/me/somewhere 12345678901 short", "/home/me/somewhere 12345678901 short"),
        ] {
            assert_eq!(without(text, &known()), shown);
        }
    }

    #[test]
    fn what_compose_quotes_of_an_environment_is_hidden() {
        for (said, shown) in [
            (
                r#"failed to read /p/.env: line 2: unexpected character "%" in variable name near "s3%cret\nB=\"2\"""#,
                r#"failed to read /p/.env: line 2: unexpected character "%" in variable name near "(hidden)""#,
            ),
            (
                "invalid format\nYou may need to escape any $ with another $.\nse${\nhint",
                "invalid format\nYou may need to escape any $ with another $.\n(hidden)\nhint",
            ),
            (r#"in variable name "se%cret x""#, r#"in variable name "(hidden)""#),
            (
                "in variable name \"a%1\"\nin variable name near it\nin variable name \"b%2\"",
                "in variable name \"(hidden)\"\nin variable name near it\nin variable name \"(hidden)\"",
            ),
            (
                "You may need to escape any $ with another $.\na${\nYou may need to escape any $ with another $.\nb${",
                "You may need to escape any $ with another $.\n(hidden)\nYou may need to escape any $ with another $.\n(hidden)",
            ),
            ("in variable name near nothing", "in variable name near nothing"),
            ("in variable name near \"open", "in variable name near \"(hidden)"),
        ] {
            assert_eq!(without(said, &[]), shown);
        }
    }
}
