//! The steps of the scripts: SIGTERM and wait, a pause for the memory, start, a pause for the
//! server, a look every two seconds.
//!
//! They are Python scripts. This spends nothing on itself but the pauses, which are theirs: what an
//! interpreter and a client library take comes on top.

use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::ModelServer;
use crate::support::server::Started;

/// After the stop of a native service, "let VRAM be reclaimed"; 2 s after that of a container.
const RECLAIM: Duration = Duration::from_secs(3);
/// `wait_time` of a start, before the first look.
const WARM: Duration = Duration::from_secs(5);
/// `poll_interval`.
const POLL: Duration = Duration::from_secs(2);

pub(crate) fn stop(server: &mut Started) {
    let child: &mut Child = &mut server.0;
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    sleep(RECLAIM);
}

pub(crate) fn start(server: &ModelServer) -> Started {
    let started = server.start();
    sleep(WARM);
    while server.get("/health").is_none_or(|answer| answer["status"] != "ok") {
        sleep(POLL);
    }
    started
}
