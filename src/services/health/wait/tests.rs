//! Against real servers, with an owner that lives and dies as a test says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::*;
use crate::cancel::{self, Signal};
use crate::http::tiny::{Server, hang, reply};
use crate::services::health::example;
use crate::services::service::Expect;

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(5);

/// An owner as the test wants it.
struct Pretender {
    end: watch::Sender<Option<String>>,
    is_alive: AtomicBool,
    /// Said so far; unknown, if the test gives nothing.
    said: Option<Box<dyn Fn() -> u64>>,
    verdicts: Mutex<Vec<Verdict>>,
    /// Nobody can be asked.
    is_mute: bool,
}

impl Pretender {
    fn new() -> Self {
        Self {
            end: watch::channel(None).0,
            is_alive: AtomicBool::new(true),
            said: None,
            verdicts: Mutex::default(),
            is_mute: false,
        }
    }

    fn end(&self, how: &str) {
        self.end.send_replace(Some(how.to_owned()));
    }
}

impl Owner for Pretender {
    async fn ended(&self) -> String {
        let mut end = self.end.subscribe();
        let how = end.wait_for(Option::is_some).await;
        how.ok().and_then(|how| how.clone()).unwrap_or_default()
    }

    async fn is_alive(&self) -> Result<bool, ServiceError> {
        if self.is_mute {
            std::future::pending::<()>().await;
        }
        Ok(self.is_alive.load(SeqCst))
    }

    async fn tail(&self, lines: usize) -> Vec<String> {
        vec![format!("the last {lines} lines")]
    }

    async fn said(&self) -> Option<u64> {
        self.said.as_ref().map(|said| said())
    }

    async fn own_verdict(&self) -> Result<Option<Verdict>, ServiceError> {
        let mut verdicts = self.verdicts.lock().unwrap();
        let last = verdicts.len() == 1;
        Ok(if last { verdicts.first().cloned() } else { verdicts.pop() })
    }
}

/// Waits without a user, and returns what was heard.
async fn waited(
    service: &Service,
    owner: &Pretender,
) -> (Result<Healthy, ServiceError>, Vec<Heard>) {
    let (_raise, never) = cancel::pair();
    let mut all = Vec::new();
    let end = wait(service, owner, &never, |heard| all.push(heard)).await;
    (end, all)
}

/// A server whose first `bad` answers are these.
fn after(bad: usize, status: u16) -> Server {
    Server::start(move |stream, asked| {
        let status = if asked.number < bad { status } else { 200 };
        reply(stream, status, "state");
    })
}

fn not_yet(why: &str) -> Heard {
    Heard::NotYet { why: why.to_owned() }
}

#[tokio::test]
async fn f10_a_server_that_loads_is_waited_for_and_each_reason_is_told_once() {
    let server = Server::start(|stream, asked| match asked.number {
        0 | 2 => reply(stream, 503, &format!("loading {}", asked.number)),
        1 => {}
        3 => reply(stream, 500, ""),
        _ => reply(stream, 200, ""),
    });
    let (end, heard) = waited(&example(&server.url("/health")), &Pretender::new()).await;
    assert_eq!(end.unwrap().attempts, 5);
    let closed = "the connection is closed without an answer";
    assert_eq!(heard, ["it answers 503", closed, "it answers 500"].map(not_yet));
}

#[tokio::test]
async fn f10_nobody_listening_is_waited_for_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let service = example(&format!("http://{at}/"));
    let owner = Pretender::new();
    let server = Mutex::new(None);
    let (_raise, never) = cancel::pair();
    let healthy = wait(&service, &owner, &never, |heard| {
        assert_eq!(heard, not_yet("nobody listens there"));
        let listener = std::net::TcpListener::bind(at).unwrap();
        *server.lock().unwrap() = Some(Server::on(listener, |stream, _| reply(stream, 200, "")));
    });
    assert!(healthy.await.unwrap().attempts >= 2);
}

#[tokio::test]
async fn f10_a_server_that_hangs_ends_the_wait_at_its_timeout() {
    let server = Server::start(|stream, _| hang(stream));
    let mut service = example(&server.url("/"));
    service.health.timeout = Duration::from_millis(300);
    for (attempt, least) in [(Duration::from_secs(60), 1), (Duration::from_millis(40), 2)] {
        service.health.attempt_timeout = attempt;
        let began = Instant::now();
        let (end, _) = waited(&service, &Pretender::new()).await;
        assert!(began.elapsed() < service.health.timeout + SLACK, "{:?}", began.elapsed());
        let Err(ServiceError::Unhealthy { limit, attempts, last, tail, .. }) = end else {
            panic!("{end:?}")
        };
        assert!(attempts >= least && last.starts_with("no answer within"), "{attempts} {last}");
        assert_eq!((limit, tail), (Limit::Timeout, vec!["the last 20 lines".to_owned()]));
    }
}

#[tokio::test]
async fn f10_an_owner_of_whom_nobody_knows_ends_the_wait_at_its_timeout() {
    let server = after(0, 200);
    let mut service = example(&server.url("/"));
    service.health.timeout = Duration::from_millis(300);
    let owner = Pretender { is_mute: true, ..Pretender::new() };
    let began = Instant::now();
    let (end, _) = waited(&service, &owner).await;
    assert!(began.elapsed() < service.health.timeout + SLACK);
    assert!(matches!(end, Err(ServiceError::Unhealthy { .. })), "{end:?}");
}

#[tokio::test]
async fn f11_the_end_of_the_owner_is_told_at_once_with_its_last_words() {
    let server = Server::start(|stream, _| hang(stream));
    let service = example(&server.url("/"));
    let owner = Pretender::new();
    let began = Instant::now();
    let ((end, _), ()) = tokio::join!(waited(&service, &owner), async { owner.end("exit code 3") });
    assert!(began.elapsed() < SLACK);
    let Err(ServiceError::Died { name, how, tail }) = end else { panic!("{end:?}") };
    assert_eq!((name.as_str(), how.as_str()), ("example", "exit code 3"));
    assert_eq!(tail, ["the last 20 lines"]);
}

#[tokio::test]
async fn f12_a_good_answer_while_the_owner_is_gone_is_somebody_elses() {
    let server = after(0, 200);
    let owner = Pretender::new();
    owner.is_alive.store(false, SeqCst);
    let (end, _) = waited(&example(&server.url("/")), &owner).await;
    let Err(ServiceError::Died { how, .. }) = end else { panic!("{end:?}") };
    assert_eq!(how, "it does not run any more");
}

#[tokio::test]
async fn f13_the_first_probe_comes_after_the_warm_time_which_no_death_outlasts() {
    let server = after(0, 200);
    let mut service = example(&server.url("/"));
    service.health.warm_time = Duration::from_millis(200);
    service.health.timeout = Duration::from_secs(20);
    let (end, heard) = waited(&service, &Pretender::new()).await;
    let healthy = end.unwrap();
    assert!(healthy.attempts == 1 && healthy.waited >= service.health.warm_time);
    assert_eq!(heard, [Heard::Warming { time: service.health.warm_time }]);
    service.health.warm_time = Duration::from_secs(600);
    let owner = Pretender::new();
    let began = Instant::now();
    let ((end, _), ()) = tokio::join!(waited(&service, &owner), async { owner.end("signal 9") });
    assert!(matches!(end, Err(ServiceError::Died { .. })) && began.elapsed() < SLACK);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn f14_a_service_that_answers_and_does_not_work_is_not_healthy() {
    let server = Server::start(|stream, asked| match asked.path() {
        "/health" => reply(stream, 200, ""),
        _ if asked.number < 3 => reply(stream, 500, "no model"),
        _ => reply(stream, 200, "{\"done\": true}"),
    });
    let mut service = example(&server.url("/health"));
    let mut ready = example(&server.url("/generate")).health.probe.unwrap();
    let expect = |value| Expect::Json { pointer: "/done".to_owned(), value };
    ready.expect = vec![expect(true.into())];
    service.health.ready = Some(ready.clone());
    let (end, heard) = waited(&service, &Pretender::new()).await;
    assert_eq!(end.unwrap().attempts, 4);
    assert_eq!(heard, [Heard::Answers, not_yet("it answers 500")]);
    ready.expect = vec![expect("other".into())];
    service.health.ready = Some(ready);
    service.health.timeout = Duration::from_millis(300);
    let (end, _) = waited(&service, &Pretender::new()).await;
    let Err(ServiceError::Unhealthy { last, .. }) = end else { panic!("{end:?}") };
    assert_eq!(last, "at `/done` its answer is not `\"other\"`: true");
}

#[tokio::test]
async fn f14_the_functional_probe_may_take_longer_than_one_attempt() {
    let server = after(0, 200);
    let slow = Server::start(|stream, _| {
        // The time that a first answer takes.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(400));
        reply(stream, 200, "");
    });
    let mut service = example(&server.url("/health"));
    service.health.attempt_timeout = Duration::from_millis(200);
    service.health.ready = example(&slow.url("/generate")).health.probe;
    let (end, _) = waited(&service, &Pretender::new()).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(slow.asked().len(), 1);
}

#[tokio::test]
async fn f15_a_service_that_goes_on_talking_is_not_stuck() {
    let server = after(4, 503);
    let mut service = example(&server.url("/"));
    let health = &mut service.health;
    (health.interval, health.timeout) = (Duration::from_millis(200), Duration::from_millis(300));
    health.stall_timeout = Some(Duration::from_secs(10));
    let lines = Arc::new(AtomicU64::new(0));
    let owner =
        Pretender { said: Some(Box::new(move || lines.fetch_add(1, SeqCst))), ..Pretender::new() };
    let (end, _) = waited(&service, &owner).await;
    assert_eq!(end.unwrap().attempts, 5);
}

#[tokio::test]
async fn f15_a_service_that_says_nothing_for_its_stall_timeout_is_stuck() {
    let server = after(usize::MAX, 503);
    let mut service = example(&server.url("/"));
    service.health.timeout = Duration::from_secs(600);
    service.health.stall_timeout = Some(Duration::from_millis(300));
    // It says some lines, then nothing.
    let looks = AtomicU64::new(0);
    let owner = Pretender {
        said: Some(Box::new(move || looks.fetch_add(1, SeqCst).min(3))),
        ..Pretender::new()
    };
    let began = Instant::now();
    let (end, _) = waited(&service, &owner).await;
    assert!(began.elapsed() < SLACK);
    let Err(ServiceError::Unhealthy { limit, waited, .. }) = end else { panic!("{end:?}") };
    assert!(limit == Limit::Stall && waited >= Duration::from_millis(300), "{waited:?}");
    // Where nobody knows what it says, the timeout holds.
    service.health.timeout = Duration::from_millis(300);
    service.health.stall_timeout = Some(Duration::from_secs(600));
    let (end, _) = waited_of(&service).await;
    assert!(matches!(end, Err(ServiceError::Unhealthy { limit: Limit::Timeout, .. })), "{end:?}");
}

async fn waited_of(service: &Service) -> (Result<Healthy, ServiceError>, Vec<Heard>) {
    waited(service, &Pretender::new()).await
}

#[tokio::test]
async fn whichever_of_timeout_and_attempts_is_used_up_first_is_named() {
    let server = after(usize::MAX, 503);
    let mut service = example(&server.url("/"));
    service.health.max_attempts = Some(3);
    let (end, heard) = waited_of(&service).await;
    let Err(error @ ServiceError::Unhealthy { limit, attempts, .. }) = &end else {
        panic!("{end:?}")
    };
    assert_eq!((*limit, *attempts), (Limit::Attempts, 3));
    assert!(error.to_string().ends_with("3 probes: it answers 503: state"), "{error}");
    assert_eq!((heard.len(), server.asked().len()), (1, 3));
}

#[tokio::test]
async fn so_many_good_answers_in_a_row_are_wanted() {
    let bad = [1, 3];
    let server = Server::start(move |stream, asked| {
        reply(stream, if bad.contains(&asked.number) { 503 } else { 200 }, "");
    });
    let mut service = example(&server.url("/"));
    service.health.success_threshold = 3;
    let (end, _) = waited_of(&service).await;
    assert_eq!(end.unwrap().attempts, 7);
}

#[tokio::test]
async fn f42_a_wait_ends_when_the_user_wants_it() {
    let server = Server::start(|stream, _| hang(stream));
    let service = example(&server.url("/"));
    let (raise, cancel) = cancel::pair();
    let began = Instant::now();
    let owner = Pretender::new();
    let (end, ()) = tokio::join!(wait(&service, &owner, &cancel, |_| {}), async {
        raise.raise(Signal::Interrupt);
    });
    assert!(matches!(end, Err(ServiceError::Cancelled { signal: Signal::Interrupt })), "{end:?}");
    assert!(began.elapsed() < SLACK);
}

#[tokio::test]
async fn without_a_probe_the_healthcheck_of_the_container_decides() {
    let mut service = example("http://127.0.0.1:1/");
    service.health.probe = None;
    let owner = Pretender::new();
    // From the last to the first.
    *owner.verdicts.lock().unwrap() =
        vec![Verdict::Healthy, Verdict::Unhealthy, Verdict::Starting, Verdict::Starting];
    let (end, heard) = waited(&service, &owner).await;
    assert_eq!(end.unwrap().attempts, 0);
    assert_eq!(heard, ["its healthcheck has not passed yet", "its healthcheck fails"].map(not_yet));
}

#[tokio::test]
async fn without_any_check_it_must_stay_alive_for_some_time() {
    let mut service = example("http://127.0.0.1:1/");
    service.health.probe = None;
    let (end, _) = waited_of(&service).await;
    assert!(end.unwrap().waited >= service.health.stable);
    service.health.stable = Duration::from_secs(600);
    let owner = Pretender::new();
    let ((end, _), ()) = tokio::join!(waited(&service, &owner), async { owner.end("exit code 0") });
    assert!(matches!(end, Err(ServiceError::Died { .. })), "{end:?}");
    service.health.timeout = Duration::from_millis(100);
    let (end, _) = waited_of(&service).await;
    assert!(matches!(end, Err(ServiceError::Unhealthy { .. })), "{end:?}");
}

#[test]
fn probes_follow_each_other_ever_more_slowly_unless_they_are_counted() {
    let mut health = example("http://127.0.0.1:1/").health;
    health.interval = Duration::from_millis(250);
    let paused = |health: &Health, waited| pause(health, Duration::from_millis(waited)).as_millis();
    for (waited, expected) in [(0, 25), (400, 25), (800, 50), (2000, 125), (4000, 250), (9000, 250)]
    {
        assert_eq!(paused(&health, waited), expected, "{waited} ms");
    }
    health.max_attempts = Some(30);
    assert_eq!((paused(&health, 0), paused(&health, 9000)), (250, 250));
    health = Health { interval: Duration::from_millis(10), max_attempts: None, ..health };
    assert_eq!((paused(&health, 0), paused(&health, 9000)), (10, 10));
}
