//! One process started in a known state: its own group, no input, no signal blocked or ignored.
//!
//! Not with the standard library: that one lets the child inherit the blocked signals of its
//! parent, and a command that is deaf to TERM could not end in order.

use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

/// The file descriptor of the standard input.
const STDIN: i32 = 0;
/// The process group that is the new process itself.
const OWN_GROUP: Pid = Pid::from_raw(0);

/// Starts `program`, searched on the PATH, under the name `words[0]` and with the rest of `words`
/// as arguments. Output and environment are inherited.
///
/// # Errors
/// What the system said, also to the execution itself: `ENOENT`, `EACCES`, `ENOEXEC` and others.
pub(crate) fn spawn(program: &OsStr, words: &[OsString]) -> Result<Pid, Errno> {
    let program = text(program.as_bytes().to_vec())?;
    let words = words.iter().map(|word| text(word.as_bytes().to_vec()));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let no_input = open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut files = PosixSpawnFileActions::init()?;
    files.add_dup2(no_input.as_raw_fd(), STDIN)?;
    posix_spawnp(&program, &files, &fresh_start()?, &words, &environment()?)
}

fn fresh_start() -> Result<PosixSpawnAttr, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_pgroup(OWN_GROUP)?;
    attributes.set_sigmask(&SigSet::empty())?;
    let fixed = [Signal::SIGKILL, Signal::SIGSTOP];
    let settable = Signal::iterator().filter(|signal| !fixed.contains(signal));
    attributes.set_sigdefault(&settable.collect())?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    Ok(attributes)
}

fn environment() -> Result<Vec<CString>, Errno> {
    let entry = |(name, value): (OsString, OsString)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        text(entry)
    };
    std::env::vars_os().map(entry).collect()
}

fn text(bytes: Vec<u8>) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_: NulError| Errno::EINVAL)
}
