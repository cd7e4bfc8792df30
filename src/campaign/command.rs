//! Filling in the places of a campaign's command. Pure.

use serde_json::{Map, Value};

/// A command that can't be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NoCommand {
    #[error("`{{{place}}}` in the command names nothing of experiment `{experiment}`")]
    UnknownPlace { place: String, experiment: String },
    #[error(
        "a word of the command of experiment `{experiment}` has {bytes} bytes; the kernel takes at \
         most {LONGEST_WORD} bytes"
    )]
    TooLong { experiment: String, bytes: usize },
    #[error("the command of experiment `{experiment}` holds a NUL byte, which no program can get")]
    Nul { experiment: String },
}

/// What Linux takes for one argument, without the zero at its end: `MAX_ARG_STRLEN`.
const LONGEST_WORD: usize = 128 * 1024 - 1;

/// What the places of a command may name.
pub(crate) struct Places<'a> {
    pub experiment: &'a str,
    /// `{config}`, `{result}`, `{results}`, `{backend}`, `{cycle}`, `{dataset}`, `{num_samples}`.
    pub fixed: &'a [(&'a str, String)],
    /// `{any.dotted.key}`.
    pub config: &'a Map<String, Value>,
}

/// Fills in every `{place}`; `{{…}}` are braces around what is not one, and `${…}` is left to the shell.
pub(crate) fn fill(command: &[String], places: &Places<'_>) -> Result<Vec<String>, NoCommand> {
    let experiment = || places.experiment.to_owned();
    let filled = command.iter().map(|word| {
        let word = fill_word(word, places)?;
        if word.len() > LONGEST_WORD {
            return Err(NoCommand::TooLong { experiment: experiment(), bytes: word.len() });
        }
        if word.contains('\0') {
            return Err(NoCommand::Nul { experiment: experiment() });
        }
        Ok(word)
    });
    filled.collect()
}

fn fill_word(word: &str, places: &Places<'_>) -> Result<String, NoCommand> {
    let mut filled = String::new();
    let mut rest = word;
    // `}}` is one brace only where a `{{` was: `{"a": {"b": {size}}}` must stay whole JSON.
    let mut open = 0;
    while let Some(at) = rest.find(['{', '}']) {
        filled.push_str(&rest[..at]);
        let (before, tail) = (filled.ends_with('$'), &rest[at..]);
        if let Some(tail) = tail.strip_prefix("{{") {
            filled.push('{');
            open += 1;
            rest = tail;
        } else if let Some(tail) = tail.strip_prefix("}}").filter(|_| open > 0) {
            filled.push('}');
            open -= 1;
            rest = tail;
        } else if let Some((place, tail)) = place_at(tail).filter(|_| !before) {
            filled.push_str(&value_of(place, places)?);
            rest = tail;
        } else {
            filled.push_str(&tail[..1]);
            rest = &tail[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// `{name}rest` as (`name`, `rest`), if the name could be a key.
fn place_at(text: &str) -> Option<(&str, &str)> {
    let (place, rest) = text.strip_prefix('{')?.split_once('}')?;
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = place.chars().next()?;
    (place.chars().all(word) && (first.is_alphabetic() || first == '_')).then_some((place, rest))
}

fn value_of(place: &str, places: &Places<'_>) -> Result<String, NoCommand> {
    if let Some((_, value)) = places.fixed.iter().find(|(name, _)| *name == place) {
        return Ok(value.clone());
    }
    let mut keys = place.split('.');
    let first = keys.next().and_then(|key| places.config.get(key));
    match keys.fold(first, |value, key| value.and_then(|value| value.get(key))) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => {
            let experiment = places.experiment.to_owned();
            Err(NoCommand::UnknownPlace { place: place.to_owned(), experiment })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(word: &str) -> Result<String, String> {
        let config = json!({"batch": 8, "a": {"b-c": "x y"}, "list": [1, 2]});
        let fixed = [("config", "/r/config.yaml".to_owned())];
        let places = Places { experiment: "e", fixed: &fixed, config: config.as_object().unwrap() };
        fill_word(word, &places).map_err(|e| e.to_string())
    }

    #[test]
    fn places_are_filled_in_and_other_braces_are_left() {
        for (word, expected) in [
            ("{config}", "/r/config.yaml"),
            ("--b={batch}/{a.b-c}", "--b=8/x y"),
            ("{list}", "[1,2]"),
            ("{{config}}", "{config}"),
            ("${HOME} ${config}", "${HOME} ${config}"),
            ("awk '{ print $1 }'", "awk '{ print $1 }'"),
            (r#"{"json": 1}"#, r#"{"json": 1}"#),
            (r#"{"a": {"b": {batch}}}"#, r#"{"a": {"b": 8}}"#),
            (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1}}"#),
            ("{{{batch}}}", "{8}"),
            ("a{", "a{"),
            ("}", "}"),
            ("é{batch}é", "é8é"),
        ] {
            assert_eq!(filled(word).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn a_place_that_names_nothing_is_an_error() {
        assert_eq!(
            filled("{batsh}").unwrap_err(),
            "`{batsh}` in the command names nothing of experiment `e`"
        );
        assert!(filled("{batch.x}").is_err());
        let (config, fixed) = (Map::from_iter([("n".to_owned(), Value::from("a\0b"))]), []);
        let places = Places { experiment: "e", fixed: &fixed, config: &config };
        let nul = fill(&["{n}".to_owned()], &places).unwrap_err();
        assert_eq!(nul, NoCommand::Nul { experiment: "e".to_owned() });
    }
}
