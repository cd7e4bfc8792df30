//! Native services with real processes: `sh` and `sleep`, each with a number of seconds that no
//! other test has, by which a test knows its own.
//!
//! Most are without a control group, which would hide whether the other signs are enough.

mod ends;
mod found;
mod starts;
mod stops;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::evidence::Evidence;
use super::instance::Instance;
use super::look::{Looked, look};
use super::note::Note;
use super::start::start_in;
use super::stop::stop;
use crate::cancel;
use crate::mebibytes::Mebibytes;
use crate::process_tree::{Ending, Manner, Progress};
use crate::services::error::ServiceError;
use crate::services::service::{
    AfterGrace, CommandLine, GpuChoice, Health, Kind, Life, Native, OnFailure, Retry, Sequence,
    Service, Stop,
};
use crate::services::stopped::Stopped;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service's folder and what it is. What is left of it is killed when it is dropped.
struct Place {
    folder: TempDir,
    service: Service,
    /// What its processes sleep, and nobody else's.
    number: String,
}

impl Place {
    /// `<n>` in the script is the number.
    fn of(script: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number =
            format!("{}{:03}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed) % 1000);
        let folder = TempDir::new().unwrap();
        let start = CommandLine::Shell(script.replace("<n>", &number));
        let native = Native {
            start,
            stop: None,
            directory: folder.path().to_owned(),
            environment: BTreeMap::new(),
            pid_file: None,
            life: Life::Foreground,
        };
        Self { service: service("test", native), folder, number }
    }

    fn daemon(script: &str) -> Self {
        Self::of(script).with(|native| native.life = Life::Daemon)
    }

    fn with(mut self, change: impl FnOnce(&mut Native)) -> Self {
        if let Kind::Native(native) = &mut self.service.kind {
            change(native);
        }
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the note and the log are.
    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn native(&self) -> &Native {
        match &self.service.kind {
            Kind::Native(native) => native,
            Kind::Compose(_) | Kind::Container { .. } => unreachable!(),
        }
    }

    fn start(&self) -> Result<Instance, ServiceError> {
        start_in(|_| None, &self.service, &self.state())
    }

    /// Starts it and waits until so many of its sleepers are there.
    fn started(&self, sleepers: usize) -> Instance {
        let instance = self.start().unwrap();
        self.has(sleepers);
        instance
    }

    #[track_caller]
    fn has(&self, sleepers: usize) {
        eventually("the sleepers are there", || (self.sleepers().len() == sleepers).then_some(()));
    }

    fn look(&self) -> Looked {
        look("test", &self.state()).unwrap()
    }

    /// As another lem finds it that runs.
    #[track_caller]
    fn found(&self) -> Instance {
        match self.look() {
            Looked::Running(instance) => instance,
            looked => panic!("{looked:?}"),
        }
    }

    /// Its processes, by what they do and not by what lem knows of them.
    fn sleepers(&self) -> Vec<u32> {
        pids().filter(|pid| command_line(*pid) == format!("sleep {}", self.number)).collect()
    }

    async fn stop(&self, instance: &Instance, then: AfterGrace) -> Result<Stopped, ServiceError> {
        let (_raise, cancel) = cancel::pair();
        let mut service = self.service.clone();
        service.stop.after_grace = then;
        stop(instance, &service, &cancel).await
    }

    #[track_caller]
    fn is_over(&self) {
        assert_eq!(self.sleepers(), Vec::<u32>::new());
        match self.look() {
            Looked::Ended { left: None, .. } => {}
            looked => panic!("{looked:?}"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(Some(note)) = Note::read(&self.state()) {
            let reach = Evidence::of(&note).reach();
            let mut ending = Ending::new(Manner::default(), Duration::ZERO, Instant::now());
            while let Ok(Progress::Again(pause)) = ending.round(&reach, &mut |_, _| ()) {
                std::thread::park_timeout(pause);
            }
        }
        for pid in self.sleepers() {
            kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn service(name: &str, native: Native) -> Service {
    Service {
        name: name.to_owned(),
        kind: Kind::Native(native),
        need: Mebibytes(0),
        priority: 0,
        gpus: GpuChoice::All,
        pinned: false,
        depends_on: BTreeSet::new(),
        phases: BTreeSet::new(),
        health: Health {
            probe: None,
            ready: None,
            warm_time: Duration::ZERO,
            timeout: SECOND,
            interval: SECOND,
            attempt_timeout: SECOND,
            stall_timeout: None,
            max_attempts: None,
            success_threshold: 1,
            stable: SECOND,
        },
        evict: None,
        stop: Stop {
            signal: "SIGTERM".to_owned(),
            grace: SECOND / 5,
            after_grace: AfterGrace::Fail,
        },
        retry: Retry { attempts: 1, delay: SECOND, factor: 2.0, max_delay: SECOND, jitter: 0.0 },
        sequence: Sequence::OneAfterTheOther,
        on_failure: OnFailure::LeaveStopped,
    }
}

fn kill(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    let _ = nix::sys::signal::kill(pid, signal);
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn command_line(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned()
}

#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not seen that {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
