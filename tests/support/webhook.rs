//! A webhook on this machine: a real HTTP server that keeps what it gets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::eventually;

/// What a webhook does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers with this status.
    Status(u16),
    /// Sends it to this path of its own, by a status.
    Redirect(u16, &'static str),
    /// Never answers.
    Hangs,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /path HTTP/1.1`.
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Value,
}

/// Serves until the test ends.
pub(crate) struct Webhook {
    /// The part of its address that nobody may see.
    pub(crate) secret: String,
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Webhook {
    /// Answers the first requests with these, and every other one with the last.
    pub(crate) fn start(manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            // Streams that are never answered stay open.
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { continue };
                let Some(request) = read(&stream) else { continue };
                kept.lock().unwrap().push(request);
                match *manners.get(number).unwrap_or_else(|| manners.last().unwrap()) {
                    Manner::Hangs => open.push(stream),
                    Manner::Status(status) => answer(&mut stream, status, ""),
                    Manner::Redirect(status, path) => {
                        answer(&mut stream, status, &format!("Location: {path}\r\n"));
                    }
                }
            }
        });
        Self { secret: format!("T0{port}secret"), port, requests }
    }

    /// Its address, with the secret in it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/{}", self.port, self.secret)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The bodies of the first requests, once there are so many.
    pub(crate) fn bodies(&self, count: usize) -> Vec<Value> {
        eventually(&format!("the webhook got {count} requests"), || {
            let requests = self.requests();
            (requests.len() >= count)
                .then(|| requests.into_iter().take(count).map(|request| request.body).collect())
        })
    }

    /// The `event_type` of every request.
    pub(crate) fn events(&self) -> Vec<String> {
        let word = |request: &Request| request.body["event_type"].as_str().unwrap().to_owned();
        self.requests().iter().map(word).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let line = lines.remove(0);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Request { line, headers: lines, body })
}

fn answer(stream: &mut TcpStream, status: u16, header: &str) {
    let text =
        format!("HTTP/1.1 {status} Said\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(text.as_bytes());
}
