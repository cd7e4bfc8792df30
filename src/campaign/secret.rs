//! Configurations without their secrets, for the record and for people. Pure.

use serde_json::{Map, Value};

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";
/// The last words of keys whose values are secrets.
const SECRET: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "credentials",
];
/// Tokens of a language model, which are none.
const WORDS: [&str; 9] = ["bos", "cls", "eos", "mask", "pad", "sep", "stop", "unk", "image"];

/// The configuration with every secret hidden.
pub(crate) fn hidden(config: &Map<String, Value>) -> Map<String, Value> {
    config.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect()
}

fn shown(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(hidden(map)),
        Value::String(_) if is_secret(key) => Value::from(HIDDEN),
        Value::Array(items) => items.iter().map(|item| shown(key, item)).collect(),
        other => other.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    let last = key.rsplit('.').next().unwrap_or(&key);
    SECRET.iter().any(|word| match last.strip_suffix(word) {
        Some("") => true,
        Some(before) => before.strip_suffix('_').is_some_and(|before| !WORDS.contains(&before)),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_wherever_they_stand_and_nothing_else_is() {
        let config = json!({
            "hf_token": "hf_1", "vllm": {"api_key": "k"}, "auth": [{"password": "p"}],
            "max_tokens": 16, "eos_token": "</s>", "tokenizer": "gpt2", "token_type": "bearer",
        });
        let hidden = hidden(config.as_object().unwrap());
        assert_eq!(
            Value::Object(hidden),
            json!({
                "hf_token": HIDDEN, "vllm": {"api_key": HIDDEN}, "auth": [{"password": HIDDEN}],
                "max_tokens": 16, "eos_token": "</s>", "tokenizer": "gpt2", "token_type": "bearer",
            })
        );
    }
}
