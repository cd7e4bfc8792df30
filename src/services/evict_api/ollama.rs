//! Ollama: every model that is loaded, not the one that somebody once wrote down.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::line::Line;

/// Unloads all models and waits until none is left. The answer to an unload comes before it is done,
/// and a model that somebody uses stays until then.
pub(super) async fn unload(line: &Line) -> Result<(), String> {
    let mut asked = BTreeSet::new();
    // Whether it answers at all is no matter of time.
    let mut loaded = loaded(line).await?;
    let mut refused = None;
    line.until(async || {
        for model in &loaded {
            if asked.insert(model.clone()) {
                let unload = json!({"model": model, "keep_alive": 0, "stream": false});
                if let Err(why) = line.post("/api/generate", Some(unload)).await {
                    refused = Some(format!(" (`{model}`: {why})"));
                }
            }
        }
        if loaded.is_empty() {
            return Ok(());
        }
        loaded = self::loaded(line).await?;
        if loaded.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = loaded.iter().map(String::as_str).collect();
        let why = refused.clone().unwrap_or_default();
        Err(format!("still loaded: {}{why}", names.join(", ")))
    })
    .await
}

async fn loaded(line: &Line) -> Result<BTreeSet<String>, String> {
    const PATH: &str = "/api/ps";
    let answer = line.get(PATH).await?;
    let models = answer.get("models").and_then(Value::as_array);
    let models = models.ok_or_else(|| format!("its answer to `{PATH}` lists no `models`"))?;
    let name = |model: &Value| {
        let name = model.get("name").or_else(|| model.get("model"))?;
        Some(name.as_str()?.to_owned())
    };
    Ok(models.iter().filter_map(name).collect())
}
