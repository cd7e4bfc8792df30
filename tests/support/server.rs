//! Model servers without a model (`fixtures/model_server`), as services of a test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::gpu::FakeGpu;
use super::{eventually, fixture, processes};

/// A server with a port of its own. Nothing runs until somebody starts it.
pub(crate) struct ModelServer {
    pub(crate) name: String,
    pub(crate) port: u16,
    words: Vec<String>,
}

impl ModelServer {
    pub(crate) fn new(name: &str) -> Self {
        let port = free_port();
        let words = ["--name", name, "--port", &port.to_string()].map(str::to_owned).to_vec();
        Self { name: name.to_owned(), port, words }
    }

    /// Options, as in `"--load 2s --ignore-term"`.
    pub(crate) fn with(mut self, options: &str) -> Self {
        self.words.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// One option whose value may have spaces.
    pub(crate) fn option(mut self, name: &str, value: impl Into<String>) -> Self {
        self.words.extend([name.to_owned(), value.into()]);
        self
    }

    /// Holds so many MiB of a GPU while it is loaded.
    pub(crate) fn on(self, fake: &FakeGpu, gpu: usize, mib: u64) -> Self {
        let state = fake.path().display().to_string();
        let server = self.with(&format!("--gpu {gpu} --vram {mib}"));
        if server.words.contains(&state) { server } else { server.option("--state", state) }
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> Vec<String> {
        let program = fixture::model_server().display().to_string();
        [&[program], &self.words[..]].concat()
    }

    /// The same as a list in YAML: for `start_cmd`.
    pub(crate) fn start_cmd(&self) -> String {
        serde_json::to_string(&self.words()).unwrap()
    }

    /// The arguments alone, as a list in YAML: for `command` of a service with the image `<model>`.
    /// It listens at every address, as it must in a container.
    pub(crate) fn command_in_image(&self) -> String {
        let mut words = self.words.clone();
        words.extend(["--bind".to_owned(), "0.0.0.0".to_owned()]);
        serde_json::to_string(&words).unwrap()
    }

    /// A URL on this machine.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts it behind lem's back. It is killed when what this returns is dropped.
    pub(crate) fn start(&self) -> Started {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        Started(command.spawn().unwrap())
    }

    /// The processes of this machine that are this server.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mine = format!("--port {} ", self.port);
        let is_mine = |pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe == fixture::model_server())
                && (processes::command_line(*pid) + " ").contains(&mine)
        };
        processes::pids().filter(is_mine).collect()
    }

    /// Kills them.
    pub(crate) fn kill(&self) {
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL);
        }
    }

    /// The pid that answers, or none.
    pub(crate) fn pid(&self) -> Option<u32> {
        let answer = self.get("/whoami")?;
        (answer["name"] == self.name.as_str()).then_some(answer["pid"].as_u64()?.try_into().ok()?)
    }

    /// Waits until it answers, loaded or not.
    #[track_caller]
    pub(crate) fn answers(&self) -> u32 {
        eventually(&format!("`{}` answers", self.name), || self.pid())
    }

    /// Waits until it has loaded.
    #[track_caller]
    pub(crate) fn loads(&self) {
        eventually(&format!("`{}` has loaded", self.name), || {
            (self.get("/ok")?["status"] == "ok").then_some(())
        });
    }

    /// Waits until nobody answers any more.
    #[track_caller]
    pub(crate) fn is_silent(&self) {
        eventually(&format!("`{}` is silent", self.name), || self.pid().is_none().then_some(()));
    }

    /// The JSON of an answer, whatever its status.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Option<Value> {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).ok()?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

/// Nothing of it outlives the test, whoever started it.
impl Drop for ModelServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines of a diary (`--diary`) that tell of an event.
pub(crate) fn diary(path: PathBuf, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// A server that the test started.
pub(crate) struct Started(pub(crate) Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens at. It is below those that the kernel gives to whoever connects: a
/// probe of a port of these could, once in a while, be answered by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    loop {
        let number = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        // Tests are processes of their own: each has ports that no other tries first.
        let port = FIRST + (std::process::id() * 16 + number) % COUNT;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
