//! A docker engine of a test's own, whose daemon may be stopped, killed and started again.
//!
//! It shares nothing with the engine of this machine but the programs: the first `dockerd` on PATH,
//! so that `make test-modern` tests the modern one. Needs root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{eventually, images, processes, wait};

/// Whether containers live on while the daemon is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiveRestore {
    On,
    Off,
}

/// Everything of it is removed when it is dropped.
pub(crate) struct Daemon {
    home: PathBuf,
    child: Option<Child>,
}

/// `PREFIX-PID-NUMBER` is the folder of a daemon of this process.
const PREFIX: &str = "lem-daemon-";

impl Daemon {
    /// Starts one that has the small image.
    pub(crate) fn start(live_restore: LiveRestore) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        remove_those_of_the_dead();
        let pid = std::process::id();
        // Sockets have short names.
        let home = std::env::temp_dir().join(format!("{PREFIX}{pid}-{number}"));
        fs::create_dir(&home).unwrap();
        let mut daemon = Self { home, child: None };
        daemon.configure(live_restore);
        daemon.run();
        daemon.load(&images::tag("busybox"));
        daemon
    }

    /// What makes a client talk to it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// What `docker` answers there; the test fails if it refuses.
    #[track_caller]
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {words:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The names of all its containers.
    pub(crate) fn containers(&self) -> Vec<String> {
        let names = self.docker(&["ps", "--all", "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Starts the daemon, and waits until it answers. It may have been killed.
    pub(crate) fn run(&mut self) {
        // What a killed daemon started ends with it, and a new one must not meet it.
        eventually("the containerd of the daemon before is gone", || {
            let mut pids = of_folder(&self.home).into_iter();
            (!pids.any(|pid| processes::name(pid) == "containerd")).then_some(())
        });
        // Its number may be some other process's by now, and then a daemon refuses to start.
        let _ = fs::remove_file(self.path("pid"));
        let _ = fs::remove_file(self.path("exec/containerd/containerd.pid"));
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        // In a network of its own: engine 28 deletes the machine's docker0 when it starts, whatever
        // bridge it is given.
        let mut dockerd = Command::new("unshare");
        dockerd.args(["--net", "sh", "-c", "ip link set lo up && exec dockerd --config-file $0"]);
        dockerd.arg(self.path("daemon.json"));
        dockerd.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(dockerd.spawn().expect("these tests need root and a `dockerd`"));
        eventually(&format!("the daemon answers: {}", self.path("log").display()), || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(
                ended.is_none(),
                "it ended:\n{}",
                fs::read_to_string(self.path("log")).unwrap()
            );
            self.answers().then_some(())
        });
    }

    /// Asks the daemon to end, as a service manager does, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    /// Ends it as the kernel would for lack of memory.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// From here on it takes connections and answers none.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            eventually("the daemon ends", || child.try_wait().unwrap());
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        }
    }

    fn configure(&self, live_restore: LiveRestore) {
        // A file of its own: the machine's says what the machine's daemon does.
        let config = serde_json::json!({
            "hosts": [self.host()],
            "data-root": self.path("data"),
            "exec-root": self.path("exec"),
            "pidfile": self.path("pid"),
            "iptables": false,
            "ip6tables": false,
            "ip-masq": false,
            "live-restore": live_restore == LiveRestore::On,
        });
        fs::write(self.path("daemon.json"), config.to_string()).unwrap();
    }

    /// Copies an image from the engine that other tests use.
    fn load(&self, tag: &str) {
        let mut save = Command::new("docker")
            .args(["save", tag])
            .stdout(Stdio::piped())
            .spawn()
            .expect("`docker` can be started");
        let mut load = Command::new("docker");
        load.args(["--host", &self.host(), "load", "--quiet"]).stdin(save.stdout.take().unwrap());
        assert!(load.output().unwrap().status.success(), "{tag} can't be loaded");
        assert!(save.wait().unwrap().success(), "{tag} can't be saved");
    }

    fn answers(&self) -> bool {
        self.path("docker.sock").exists() && self.ask(&["version"]).status.success()
    }

    fn ask(&self, words: &[&str]) -> Output {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.host()]).args(words).stdin(Stdio::null());
        docker.output().expect("`docker` can be started")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.thaw();
        if self.child.is_some() && !std::thread::panicking() {
            for name in self.containers() {
                self.ask(&["rm", "--force", &name]);
            }
        }
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM);
            let ended = wait::until(wait::PATIENCE, || child.try_wait().unwrap());
            if ended.is_none() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        remove(&self.home);
    }
}

/// A test that was killed removes nothing.
fn remove_those_of_the_dead() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pid, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            remove(&entry.path());
        }
    }
}

/// Removes a daemon, whatever is left of it: processes, containers, mounts, files.
fn remove(home: &Path) {
    let pids = || [of_folder(home), in_containers_of(home)].concat();
    let gone = wait::until(wait::PATIENCE, || {
        let left = pids();
        for pid in &left {
            let _ = kill(Pid::from_raw((*pid).try_into().unwrap()), Signal::SIGKILL);
        }
        left.is_empty().then_some(())
    });
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut mounted: Vec<&str> = mounted.filter(|path| Path::new(path).starts_with(home)).collect();
    // One may be inside another.
    mounted.sort_unstable();
    for path in mounted.iter().rev() {
        let _ = Command::new("umount").args(["--lazy", path]).output();
    }
    let removed = fs::remove_dir_all(home);
    if !std::thread::panicking() {
        assert!(gone.is_some(), "processes of {} do not end: {:?}", home.display(), pids());
        removed.unwrap();
    }
}

/// The processes that name a folder: the daemon, its containerd, the shims.
fn of_folder(home: &Path) -> Vec<u32> {
    let inside = format!("{}/", home.display());
    let names = |pid: &u32| processes::command_line(*pid).contains(&inside);
    processes::pids().filter(names).collect()
}

/// The processes in a daemon's containers, also in those whose shim is gone.
fn in_containers_of(home: &Path) -> Vec<u32> {
    let entries = fs::read_dir(home.join("data/containers")).into_iter().flatten().flatten();
    let ids: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let inside = |pid: &u32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        ids.iter().any(|id| groups.contains(id.as_str()))
    };
    processes::pids().filter(inside).collect()
}
