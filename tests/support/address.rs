//! The engine at an address of its own: a TCP port of this machine that leads to its socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

/// Where the engine is reached as if it were on another machine.
pub(crate) struct Address {
    address: String,
}

impl Address {
    /// Listens until the test process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let socket = socket();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(engine) = UnixStream::connect(&socket) {
                    join(client, engine);
                }
            }
        });
        Self { address }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn for_docker_host(&self) -> &str {
        &self.address
    }
}

fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

/// Passes on what either side says, and that it has nothing more to say.
fn join(client: TcpStream, engine: UnixStream) {
    let (to_engine, to_client) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
    let (from_client, from_engine) = (client, engine);
    thread::spawn(move || {
        pass(from_client, &to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        pass(from_engine, &to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
}

fn pass(mut from: impl Read, mut to: impl Write) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
