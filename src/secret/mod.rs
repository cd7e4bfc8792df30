//! Configurations without their secrets, for the record, for names and for people. Pure.
//!
//! A secret is known by its key, and a few by what they begin with. It is better to hide what is
//! none than to show one, but figures and names that experiments differ in must stay.

mod text;

use serde_json::{Map, Value};

pub(crate) use text::{hidden_in, hide_in_json};

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";
/// What stands for it in a name, which people type.
const HIDDEN_IN_A_NAME: &str = "hidden";

/// The last words of keys whose values are secrets.
const SECRET: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "credential",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "jwt",
    "pat",
];
/// A key or tokens are secrets after one of these: data have keys too.
const OWNERS: [&str; 29] = [
    "access",
    "account",
    "admin",
    "ai",
    "anthropic",
    "api",
    "auth",
    "aws",
    "azure",
    "client",
    "cohere",
    "deepseek",
    "encryption",
    "gcp",
    "gemini",
    "google",
    "groq",
    "hf",
    "huggingface",
    "license",
    "mistral",
    "openai",
    "openrouter",
    "private",
    "secret",
    "signing",
    "ssh",
    "together",
    "wandb",
];
/// Tokens of a language model, which are none.
const WORDS: [&str; 18] = [
    "audio", "begin", "bos", "cls", "end", "eod", "eos", "eot", "image", "mask", "pad", "per",
    "sep", "special", "start", "stop", "unk", "video",
];
/// How values begin that are secrets whatever their key is.
const BEGINNINGS: [&str; 8] =
    ["hf_", "sk-", "ghp_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA"];
/// Shorter texts are no such secret, whatever they begin with.
const SHORTEST: usize = 20;

/// The configuration with every secret hidden.
pub(crate) fn hidden(config: &Map<String, Value>) -> Map<String, Value> {
    config.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect()
}

/// A value as it may be part of a name.
pub(crate) fn for_a_name(key: &str, value: &Value) -> Value {
    match shown(key, value) {
        Value::String(text) if text == HIDDEN => Value::from(HIDDEN_IN_A_NAME),
        other => other,
    }
}

fn shown(key: &str, value: &Value) -> Value {
    if is_secret(key) {
        return covered(key, value);
    }
    match value {
        Value::Object(map) => Value::Object(hidden(map)),
        Value::String(text) if looks_secret(text) => Value::from(HIDDEN),
        Value::Array(items) => items.iter().map(|item| shown(key, item)).collect(),
        other => other.clone(),
    }
}

/// Everything below the key of a secret is one, but for switches. The number of a token is the
/// language model's.
fn covered(key: &str, value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from(HIDDEN),
        Value::Number(_) if words(key).last().is_none_or(|last| last != "token") => {
            Value::from(HIDDEN)
        }
        Value::Object(map) => {
            map.iter().map(|(inner, value)| (inner.clone(), covered(key, value))).collect()
        }
        Value::Array(items) => items.iter().map(|item| covered(key, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let before = before.last().map(String::as_str);
    let is_owned = before.is_some_and(|before| OWNERS.contains(&before));
    // `SOMEONES_KEY` is a variable of an environment.
    let is_variable = before.is_some() && !name.contains(|c: char| c.is_lowercase());
    let singular = last.strip_suffix('s').unwrap_or(last);
    match singular {
        "key" => is_owned || is_variable,
        "token" if last == "tokens" => is_owned,
        "token" => before.is_none_or(|before| !WORDS.contains(&before)),
        word => SECRET.contains(&word),
    }
}

fn looks_secret(text: &str) -> bool {
    text.starts_with("Bearer ")
        || (text.len() >= SHORTEST
            && !text.contains(|c: char| c.is_whitespace() || c == '/')
            && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)))
}

/// `hfToken`, `HF_TOKEN` and `hf-token` as `hf` and `token`.
fn words(key: &str) -> Vec<String> {
    let characters: Vec<char> = key.chars().collect();
    let mut words = vec![String::new()];
    for (at, c) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let after = characters.get(at + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(|c| c.is_lowercase() || c.is_numeric())
                || (before.is_some_and(|c| c.is_uppercase())
                    && after.is_some_and(|c| c.is_lowercase())));
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_wherever_they_stand_and_nothing_else_is() {
        let config = json!({
            "hf_token": "hf_1", "vllm": {"api_key": "k"}, "auth": [{"password": "p"}],
            "credentials": [{"value": "v", "port": 5}], "headers": {"X-Who": "Bearer b"},
            "args": ["--key", "hf_abcdefghijklmnopqrstuvwxyz"],
            "max_tokens": 16, "eos_token": "</s>", "tokenizer": "gpt2", "token_type": "bearer",
            "use_auth": true, "bot_token": 7, "model": "sk-org/a-model-with-a-long-name",
        });
        let hidden = hidden(config.as_object().unwrap());
        assert_eq!(
            Value::Object(hidden),
            json!({
                "hf_token": HIDDEN, "vllm": {"api_key": HIDDEN}, "auth": [{"password": HIDDEN}],
                "credentials": [{"value": HIDDEN, "port": HIDDEN}], "headers": {"X-Who": HIDDEN},
                "args": ["--key", HIDDEN],
                "max_tokens": 16, "eos_token": "</s>", "tokenizer": "gpt2", "token_type": "bearer",
                "use_auth": true, "bot_token": 7, "model": "sk-org/a-model-with-a-long-name",
            })
        );
    }

    #[test]
    fn a_key_is_read_however_it_is_written() {
        for key in [
            "hf_token",
            "hfToken",
            "HF_TOKEN",
            "hf-token",
            "HFToken",
            "vllm.hf_token",
            "token",
            "OPENAI_KEY",
            "openai_key",
            "OpenAIKey",
            "apiKey",
            "apikey",
            "api_keys",
            "SOMEONES_KEY",
            "auth",
            "Authorization",
            "access_tokens",
            "password",
            "db.Password",
            "client_secret",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in [
            "max_tokens",
            "stop_tokens",
            "padToken",
            "EOS_TOKEN",
            "sort_key",
            "textKey",
            "key",
            "KEY",
            "keys",
            "secretary",
            "author",
            "api_key_count",
            "cost_per_token",
            "",
            "_",
            "..",
        ] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
