//! A way to the engine, or to another server, that can be cut, blocked, slow or made to talk nonsense.
//! The server is well all the time: what its clients meet is what they meet of one that restarts,
//! hangs or is none.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
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
    /// Each word takes a moment.
    Slow,
    /// A database's next answer to a `COMMIT` does not arrive: the connection is cut instead, and the
    /// way is open again.
    CutAfterCommit,
}

/// Closed when it is dropped.
pub(crate) struct Proxy {
    folder: TempDir,
    socket: PathBuf,
    server: PathBuf,
    way: Arc<AtomicU8>,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

const LOOK: Duration = Duration::from_millis(10);

impl Proxy {
    /// To the engine.
    pub(crate) fn new() -> Self {
        Self::to(engine::socket(), "docker.sock")
    }

    /// To a server, by a socket of that name.
    pub(crate) fn to(server: PathBuf, socket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let proxy = Self {
            socket: folder.path().join(socket),
            folder,
            server,
            way: Arc::new(AtomicU8::new(Way::Cut as u8)),
            connections: Arc::default(),
        };
        proxy.set(Way::Open);
        proxy
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The folder of its socket.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the way is like now.
    pub(crate) fn is(&self, way: Way) -> bool {
        self.way.load(Ordering::SeqCst) == way as u8
    }

    /// Changes the way for all connections, those that are there too.
    pub(crate) fn set(&self, way: Way) {
        let before = self.way.swap(way as u8, Ordering::SeqCst);
        if way == Way::Cut {
            let _ = std::fs::remove_file(&self.socket);
            for connection in self.connections.lock().unwrap().drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        } else if before == Way::Cut as u8 {
            self.listen();
        }
    }

    fn listen(&self) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (way, connections) = (Arc::clone(&self.way), Arc::clone(&self.connections));
        let server = self.server.clone();
        std::thread::spawn(move || {
            while way.load(Ordering::SeqCst) != Way::Cut as u8 {
                match listener.accept() {
                    Ok((client, _)) => carry(client, &server, &way, &connections),
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

fn carry(mut client: UnixStream, server: &Path, way: &Arc<AtomicU8>, all: &Mutex<Vec<UnixStream>>) {
    client.set_nonblocking(false).unwrap();
    if way.load(Ordering::SeqCst) == Way::Nonsense as u8 {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"moo\":");
        return;
    }
    let Ok(server) = UnixStream::connect(server) else { return };
    let mut all = all.lock().unwrap();
    let is_committing = Arc::new(AtomicBool::new(false));
    for (from, to) in [(&client, &server), (&server, &client)] {
        let side = Side { way: Arc::clone(way), is_committing: Arc::clone(&is_committing) };
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || side.copy(from, to));
    }
    all.extend([client, server]);
}

/// One direction of a connection.
struct Side {
    way: Arc<AtomicU8>,
    is_committing: Arc<AtomicBool>,
}

impl Side {
    fn copy(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut bytes = [0; 16 * 1024];
        from.set_read_timeout(Some(LOOK)).unwrap();
        loop {
            if self.is(Way::Blocked) {
                std::thread::sleep(LOOK);
                continue;
            }
            match from.read(&mut bytes) {
                Ok(read @ 1..) => {
                    if self.is(Way::Slow) {
                        std::thread::sleep(LOOK);
                    }
                    if self.cuts(&bytes[..read]) {
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                        return;
                    }
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }

    fn is(&self, way: Way) -> bool {
        self.way.load(Ordering::SeqCst) == way as u8
    }

    /// Whether these bytes are the answer that must not arrive.
    fn cuts(&self, bytes: &[u8]) -> bool {
        if self.is_committing.swap(false, Ordering::SeqCst) {
            self.way.store(Way::Open as u8, Ordering::SeqCst);
            return true;
        }
        if self.is(Way::CutAfterCommit) && bytes.windows(6).any(|it| it == b"COMMIT") {
            self.is_committing.store(true, Ordering::SeqCst);
        }
        false
    }
}
