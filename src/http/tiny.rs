//! A tiny HTTP server for tests: each connection gets what the test writes to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its place among all, from 0.
    pub(crate) number: usize,
    /// `GET /path HTTP/1.1`.
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// Serves until it is dropped; then nobody listens there.
pub(crate) struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    serving: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// On a free port of 127.0.0.1.
    pub(crate) fn start<F>(answer: F) -> Self
    where
        F: Fn(&mut TcpStream, &Asked) + Send + Sync + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// On a listener of the test's own.
    pub(crate) fn on<F>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(&mut TcpStream, &Asked) + Send + Sync + 'static,
    {
        let at = listener.local_addr().unwrap();
        let (asked, over) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends, answer) = (Arc::clone(&asked), Arc::clone(&over), Arc::new(answer));
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { at, asked, over, serving: Some(serving) }
    }

    /// Answers every request with this.
    pub(crate) fn always(status: u16, body: &'static str) -> Self {
        Self::start(move |stream, _| reply(stream, status, body))
    }

    pub(crate) fn port(&self) -> u16 {
        self.at.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.at);
        let _ = self.serving.take().map(std::thread::JoinHandle::join);
    }
}

fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&mut TcpStream, &Asked) + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => lines.push(line.trim().to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let asked = {
        let mut kept = kept.lock().unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let (line, headers) = (lines.remove(0), lines);
        let asked = Asked { number: kept.len(), line, headers, body };
        kept.push(asked.clone());
        asked
    };
    answer(&mut stream, &asked);
}

/// A whole answer.
pub(crate) fn reply(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

/// An answer that sends the request on.
pub(crate) fn send_on(stream: &mut TcpStream, status: u16, to: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

/// Says nothing until the other side goes.
pub(crate) fn hang(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// Writes a piece again and again until the other side goes.
pub(crate) fn drip(stream: &mut TcpStream, piece: &str, every: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    while stream.write_all(piece.as_bytes()).is_ok() {
        let _ = never.recv_timeout(every);
    }
}
