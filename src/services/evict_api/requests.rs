//! What vLLM and `ComfyUI` are asked.

use serde_json::{Value, json};

use super::line::Line;
use crate::mebibytes::Mebibytes;

/// Sends vLLM to sleep.
pub(super) async fn sleep(line: &Line, level: u32) -> Result<(), String> {
    line.post(&format!("/sleep?level={level}"), None).await.map_err(|why| {
        // The paths of the development mode alone lead there.
        let hint = " (vLLM has it with `--enable-sleep-mode` and `VLLM_SERVER_DEV_MODE=1` only)";
        if why.contains("answers 404") { why + hint } else { why }
    })
}

/// Waits until vLLM says that it sleeps.
pub(super) async fn sleeps(line: &Line) -> Result<(), String> {
    line.until(async || match line.get("/is_sleeping").await?.get("is_sleeping") {
        Some(Value::Bool(true)) => Ok(()),
        Some(_) => Err("it says that it does not sleep".to_owned()),
        None => Err("its answer to `/is_sleeping` does not say".to_owned()),
    })
    .await
}

/// Tells `ComfyUI` to unload its models, which it does when its queue moves next.
pub(super) async fn free(line: &Line) -> Result<(), String> {
    line.post("/free", Some(json!({"unload_models": true, "free_memory": true}))).await
}

/// What `ComfyUI`'s own process has of all its GPUs.
pub(super) async fn reserved(line: &Line) -> Option<Mebibytes> {
    let stats = line.get("/system_stats").await.ok()?;
    let bytes = |device: &Value| device.get("torch_vram_total").and_then(Value::as_u64);
    let devices: Vec<u64> = stats.get("devices")?.as_array()?.iter().filter_map(bytes).collect();
    (!devices.is_empty()).then(|| Mebibytes::of_bytes(devices.iter().sum()))
}
