//! A way to the engine that can be cut, blocked or made to talk nonsense. The engine is well all the
//! time: what its clients meet is what they meet of one that restarts, hangs or is none.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::engine;

/// What the way is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Connections are accepted, and nothing ever moves.
    Blocked,
    /// Every connection gets an answer that no engine gives.
    Nonsense,
    /// There is nobody; connections that were there are gone.
    Cut,
}

/// Closed when it is dropped.
pub(crate) struct Proxy {
    folder: TempDir,
    way: Arc<AtomicU8>,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

const LOOK: Duration = Duration::from_millis(10);

impl Proxy {
    pub(crate) fn new() -> Self {
        let proxy = Self {
            folder: TempDir::new().unwrap(),
            way: Arc::new(AtomicU8::new(Way::Cut as u8)),
            connections: Arc::default(),
        };
        proxy.set(Way::Open);
        proxy
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Changes the way for all connections, those that are there too.
    pub(crate) fn set(&self, way: Way) {
        let before = self.way.swap(way as u8, Ordering::SeqCst);
        if way == Way::Cut {
            let _ = std::fs::remove_file(self.socket());
            for connection in self.connections.lock().unwrap().drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        } else if before == Way::Cut as u8 {
            self.listen();
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn listen(&self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (way, connections) = (Arc::clone(&self.way), Arc::clone(&self.connections));
        std::thread::spawn(move || {
            while way.load(Ordering::SeqCst) != Way::Cut as u8 {
                match listener.accept() {
                    Ok((client, _)) => carry(client, &way, &connections),
                    Err(_) => std::thread::sleep(LOOK),
                }
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Way::Cut);
    }
}

fn carry(mut client: UnixStream, way: &Arc<AtomicU8>, all: &Mutex<Vec<UnixStream>>) {
    client.set_nonblocking(false).unwrap();
    if way.load(Ordering::SeqCst) == Way::Nonsense as u8 {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"moo\":");
        return;
    }
    let Ok(engine) = UnixStream::connect(engine::socket()) else { return };
    let mut all = all.lock().unwrap();
    for (from, to) in [(&client, &engine), (&engine, &client)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let way = Arc::clone(way);
        std::thread::spawn(move || copy(from, to, &way));
    }
    all.extend([client, engine]);
}

fn copy(mut from: UnixStream, mut to: UnixStream, way: &AtomicU8) {
    let mut bytes = [0; 16 * 1024];
    from.set_read_timeout(Some(LOOK)).unwrap();
    loop {
        if way.load(Ordering::SeqCst) == Way::Blocked as u8 {
            std::thread::sleep(LOOK);
            continue;
        }
        match from.read(&mut bytes) {
            Ok(read @ 1..) => {
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(_) | Err(_) => break,
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
