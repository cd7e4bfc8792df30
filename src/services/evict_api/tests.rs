//! F23, against servers that speak these APIs, and lie.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::cancel::{self, Signal};
use crate::http::tiny::{Server, hang, reply};
use crate::services::health::example;
use crate::services::service::{Expect, Method};

/// For what succeeds.
const LONG: Duration = Duration::from_secs(20);
/// For what does not.
const SHORT: Duration = Duration::from_millis(400);

async fn evicted(
    evict: Evict,
    memory: Option<&AtomicU64>,
    limit: Duration,
) -> Result<Freed, String> {
    let mut service = example("http://127.0.0.1:1/");
    service.evict = Some(evict);
    let (_raise, never) = cancel::pair();
    let figure = async || memory.map(|memory| Mebibytes(memory.load(SeqCst)));
    super::evict(&service, figure, limit, &never).await.map_err(|error| match error {
        ServiceError::NotEvicted { why, .. } => why,
        other => panic!("{other}"),
    })
}

fn freed(before: u64, after: u64) -> Freed {
    Freed { before: Some(Mebibytes(before)), after: Some(Mebibytes(after)) }
}

const UNKNOWN: Freed = Freed { before: None, after: None };

/// An Ollama with these models. One leaves the list at the second look after it was unloaded, if it
/// ever does.
fn ollama(models: &[&str], stays: &'static str) -> Server {
    let models: Vec<String> = models.iter().map(|&model| model.to_owned()).collect();
    let (loaded, going) = (Mutex::new(models), Mutex::new(Vec::<String>::new()));
    let looks = AtomicUsize::new(0);
    Server::start(move |stream, asked| match asked.path() {
        "/api/ps" => {
            let listed = loaded.lock().unwrap().clone();
            if looks.fetch_add(1, SeqCst) > 0 {
                let going = going.lock().unwrap();
                loaded.lock().unwrap().retain(|model| !going.contains(model) || model == stays);
            }
            let models: Vec<Value> = listed.iter().map(|name| json!({"name": name})).collect();
            reply(stream, 200, &json!({ "models": models }).to_string());
        }
        "/api/generate" => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!((&body["keep_alive"], body.get("prompt")), (&json!(0), None));
            going.lock().unwrap().push(body["model"].as_str().unwrap().to_owned());
            reply(stream, 200, "{\"done\": true, \"done_reason\": \"unload\"}");
        }
        _ => reply(stream, 404, ""),
    })
}

fn unloads(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.path() == "/api/generate").count()
}

#[tokio::test]
async fn f23_ollama_unloads_every_model_and_is_believed_by_its_list() {
    let server = ollama(&["qwen:32b", "llama:8b"], "");
    let kind = Evict::Ollama { base: server.url("/") };
    assert_eq!(evicted(kind, None, LONG).await, Ok(UNKNOWN));
    assert_eq!(unloads(&server), 2);
    assert!(server.asked().iter().all(|asked| asked.path().starts_with("/api/")));
}

#[tokio::test]
async fn f23_ollama_with_nothing_loaded_has_freed_nothing() {
    let server = ollama(&[], "");
    let memory = AtomicU64::new(300);
    let kind = Evict::Ollama { base: server.url("") };
    assert_eq!(evicted(kind, Some(&memory), LONG).await, Ok(freed(300, 300)));
    assert_eq!(unloads(&server), 0);
}

#[tokio::test]
async fn f23_ollama_whose_model_stays_is_not_believed() {
    let server = ollama(&["a", "stuck"], "stuck");
    let kind = Evict::Ollama { base: server.url("") };
    assert_eq!(evicted(kind, None, SHORT).await, Err("still loaded: stuck".to_owned()));
    assert_eq!(unloads(&server), 2);
}

#[tokio::test]
async fn f23_a_service_that_does_not_answer_has_freed_nothing() {
    let nobody = Server::always(200, "").url("");
    let hung = Server::start(|stream, _| hang(stream));
    let broken = Server::always(500, "no");
    let why = |base: String| async { evicted(Evict::Ollama { base }, None, SHORT).await };
    assert_eq!(why(nobody).await, Err("`/api/ps`: nobody listens there".to_owned()));
    assert!(why(hung.url("")).await.unwrap_err().starts_with("`/api/ps`: no answer within"));
    assert_eq!(why(broken.url("")).await, Err("`/api/ps` answers 500: no".to_owned()));
    let base = broken.url("");
    for kind in [Evict::VllmSleep { base: base.clone(), level: 1 }, Evict::ComfyuiFree { base }] {
        assert!(evicted(kind, Some(&AtomicU64::new(9000)), SHORT).await.is_err());
    }
}

/// A server that answers 200 to everything, and gives its memory back so many looks later, or never.
fn freeing(path: &'static str, memory: &Arc<AtomicU64>, left: Option<u64>) -> Server {
    let memory = Arc::clone(memory);
    Server::start(move |stream, asked| {
        if asked.path() == path
            && let Some(left) = left
        {
            memory.store(left, SeqCst);
        }
        reply(stream, 200, "{\"is_sleeping\": true, \"devices\": []}");
    })
}

#[tokio::test]
async fn f23_vllm_sleeps_when_its_memory_is_free_whatever_it_says() {
    let memory = Arc::new(AtomicU64::new(20_000));
    let honest = freeing("/sleep?level=2", &memory, Some(1_500));
    let kind = |server: &Server| Evict::VllmSleep { base: server.url(""), level: 2 };
    assert_eq!(evicted(kind(&honest), Some(&memory), LONG).await, Ok(freed(20_000, 1_500)));
    let line = honest.asked().remove(0).line;
    assert_eq!(line, "POST /sleep?level=2 HTTP/1.1");
    let memory = Arc::new(AtomicU64::new(20_000));
    let liar = freeing("/sleep?level=2", &memory, None);
    let why = evicted(kind(&liar), Some(&memory), SHORT).await.unwrap_err();
    assert_eq!(why, "it answered that it would, and holds 20000 MiB of 20000 MiB");
    // Without a GPU its own word counts.
    assert_eq!(evicted(kind(&liar), None, LONG).await, Ok(UNKNOWN));
    let awake = Server::always(200, "{\"is_sleeping\": false}");
    // Nothing is what figures say of processes that they can't tell apart.
    let nothing = AtomicU64::new(0);
    assert_eq!(evicted(kind(&liar), Some(&nothing), LONG).await, Ok(freed(0, 0)));
    assert!(evicted(kind(&awake), Some(&nothing), SHORT).await.is_err());
    assert!(evicted(kind(&awake), None, SHORT).await.unwrap_err().contains("does not sleep"));
    let without = Server::always(404, "");
    let why = evicted(kind(&without), None, SHORT).await.unwrap_err();
    assert!(why.contains("VLLM_SERVER_DEV_MODE"), "{why}");
}

#[tokio::test]
async fn f23_comfyui_is_free_when_the_gpus_or_its_own_figures_say_so() {
    let memory = Arc::new(AtomicU64::new(9_000));
    let kind = |server: &Server| Evict::ComfyuiFree { base: server.url("") };
    let honest = freeing("/free", &memory, Some(400));
    assert_eq!(evicted(kind(&honest), Some(&memory), LONG).await, Ok(freed(9_000, 400)));
    let body: Value = serde_json::from_str(&honest.asked()[0].body).unwrap();
    assert_eq!(body, json!({"unload_models": true, "free_memory": true}));
    // No figures at all.
    assert!(evicted(kind(&honest), None, SHORT).await.unwrap_err().starts_with("neither the GPUs"));
    // Its own figures, which fall two looks after the request.
    let looks = AtomicU64::new(0);
    let own = Server::start(move |stream, asked| {
        let mib: u64 = match asked.path() {
            "/system_stats" if looks.fetch_add(1, SeqCst) < 3 => 8_000,
            _ => 64,
        };
        let device = json!({"torch_vram_total": mib << 20});
        reply(stream, 200, &json!({"devices": [device]}).to_string());
    });
    assert_eq!(evicted(kind(&own), None, LONG).await, Ok(freed(8_000, 64)));
}

#[tokio::test]
async fn f23_a_request_of_the_registrys_own_is_judged_in_the_same_way() {
    let memory = Arc::new(AtomicU64::new(9_000));
    let kind = |server: &Server, expect: Vec<Expect>| {
        let probe = example(&server.url("/unload")).health.probe.unwrap();
        Evict::Http(Probe { method: Method::Post, expect, ..probe })
    };
    let server = freeing("/unload", &memory, Some(0));
    assert_eq!(evicted(kind(&server, vec![]), Some(&memory), LONG).await, Ok(freed(9_000, 0)));
    // A bare 200 proves nothing.
    assert!(evicted(kind(&server, vec![]), None, LONG).await.unwrap_err().contains("`expect`"));
    let says = |text: &str| vec![Expect::Contains(text.to_owned())];
    assert_eq!(evicted(kind(&server, says("is_sleeping")), None, LONG).await, Ok(UNKNOWN));
    let why = evicted(kind(&server, says("unloaded")), Some(&memory), LONG).await.unwrap_err();
    assert!(why.starts_with("its answer does not contain `unloaded`"), "{why}");
}

#[tokio::test]
async fn f23_nothing_is_asked_of_a_service_without_an_api_or_when_the_user_is_gone() {
    let (raise, cancel) = cancel::pair();
    let mut service = example("http://127.0.0.1:1/");
    let none = super::evict(&service, async || None, LONG, &cancel).await;
    assert!(matches!(none, Err(ServiceError::NothingToEvict { .. })), "{none:?}");
    let hung = Server::start(|stream, _| hang(stream));
    service.evict = Some(Evict::Ollama { base: hung.url("") });
    raise.raise(Signal::Terminate);
    let cut = super::evict(&service, async || None, LONG, &cancel).await;
    assert!(matches!(cut, Err(ServiceError::Cancelled { .. })), "{cut:?}");
}
