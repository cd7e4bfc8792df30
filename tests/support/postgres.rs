//! A `PostgreSQL` server of the test's own, in a folder of its own: no network, no password.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use super::eventually;

/// Stopped when it is dropped.
pub(crate) struct Postgres {
    folder: TempDir,
    server: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        if let Some(user) = user() {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let mut initdb = program("initdb");
        initdb.args(["--username=lem", "--auth=trust", "--no-sync", "--encoding=UTF8", "-D"]);
        let output = initdb.arg(folder.path().join("data")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut postgres = Self { folder, server: None };
        postgres.go_on();
        postgres
    }

    /// Starts it, again perhaps.
    pub(crate) fn go_on(&mut self) {
        let mut server = program("postgres");
        server.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        // What is not on the disk when the machine stops is nobody's here.
        let server = server.args(["-h", "", "-F"]).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(server.spawn().unwrap());
        eventually("the server answers", || {
            let mut asking = program("psql");
            asking.args(["-U", "lem", "-d", "postgres", "-c", "SELECT 1", "-h"]);
            let asked = asking.arg(self.folder.path()).output().unwrap();
            asked.status.success().then_some(())
        });
    }

    /// Ends it as a machine that loses its power does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Its children end when they miss it.
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Answers a question about one of its databases.
    pub(crate) fn ask(&self, database: &str, question: &str) -> String {
        let mut asking = program("psql");
        asking.args(["-X", "-U", "lem", "-At", "-d", database, "-c", question, "-h"]);
        let asked = asking.arg(self.folder.path()).output().unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }

    /// A new database, as lem is told of it.
    pub(crate) fn database(&self, name: &str) -> String {
        self.ask("postgres", &format!("CREATE DATABASE {name}"));
        url(self.folder.path(), name)
    }

    /// The folder of its socket.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }
}

/// What a server calls its socket.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";

/// A database whose server has its socket in this folder.
pub(crate) fn url(folder: &Path, database: &str) -> String {
    format!("postgres:///{database}?user=lem&host={}", folder.display())
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Who runs it: root must not.
fn user() -> Option<User> {
    let named = |name| User::from_name(name).ok().flatten();
    geteuid().is_root().then(|| named("postgres").or_else(|| named("nobody")).unwrap())
}

/// One of its programs, from where Debian or PATH has it.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|it| it.path().join("bin").join(name)).collect();
    found.retain(|path| path.is_file());
    found.sort();
    let mut command = Command::new(found.pop().unwrap_or_else(|| name.into()));
    if let Some(user) = user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}
