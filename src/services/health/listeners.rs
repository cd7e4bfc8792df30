//! Who listens at an address of this machine, as far as `/proc` tells. The owners of sockets of
//! other users are seen by root alone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};

use crate::gpu::processes::identity;

/// Docker's program for each published port.
pub(super) const DOCKER_PROXY: &str = "docker-proxy";

/// A process that listens somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub pid: u32,
    /// The id of the container that it lives in.
    pub container: Option<String>,
}

/// The processes that listen there, as far as they can be seen.
pub(super) fn owners(address: SocketAddr) -> Vec<Owner> {
    let inodes: BTreeSet<u64> = sockets(address).iter().map(|socket| socket.inode).collect();
    let holders = if inodes.is_empty() { Vec::new() } else { holders(&inodes) };
    let pids = holders.iter().map(|process| process.pid().unsigned_abs());
    pids.map(|pid| Owner { pid, container: identity(pid).container }).collect()
}

fn sockets(address: SocketAddr) -> Vec<TcpNetEntry> {
    [procfs::net::tcp(), procfs::net::tcp6()]
        .into_iter()
        .filter_map(Result::ok)
        .flatten()
        .filter(|it| it.state == TcpState::Listen && serves(it.local_address, address))
        .collect()
}

/// Those who listen there, for people: `python3 (pid 12)`.
pub(super) fn at(address: SocketAddr) -> Option<String> {
    let sockets = sockets(address);
    let inodes: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let holders = if inodes.is_empty() { Vec::new() } else { holders(&inodes) };
    let names: Vec<String> = match holders.as_slice() {
        [] => {
            let users: BTreeSet<u32> = sockets.iter().map(|socket| socket.uid).collect();
            users.into_iter().map(|uid| format!("a process of {}", user(uid))).collect()
        }
        holders => holders.iter().map(named).collect(),
    };
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a listener at `own` is reached at `asked`.
fn serves(own: SocketAddr, asked: SocketAddr) -> bool {
    let plain = |ip: IpAddr| ip.to_canonical();
    let is_any = own.ip().is_unspecified() && (own.is_ipv6() || asked.is_ipv4());
    own.port() == asked.port() && (is_any || plain(own.ip()) == plain(asked.ip()))
}

fn holders(inodes: &BTreeSet<u64>) -> Vec<Process> {
    let holds = |process: &Process| {
        let Ok(files) = process.fd() else { return false };
        files
            .flatten()
            .any(|file| matches!(file.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
    };
    all_processes().into_iter().flatten().flatten().filter(holds).collect()
}

fn named(process: &Process) -> String {
    let pid = process.pid();
    let who = identity(pid.unsigned_abs());
    let name = who.name.or_else(|| process.stat().ok().map(|stat| stat.comm));
    let name = name.unwrap_or_else(|| "a process".to_owned());
    let line = process.cmdline().unwrap_or_default();
    let place = match (who.container, behind(&line)) {
        (Some(id), _) => format!(", in container {}", &id[..12]),
        (None, Some(address)) => format!(", for the container at {address}"),
        (None, None) => String::new(),
    };
    format!("{name} (pid {pid}{place})")
}

/// The container that docker's proxy of a published port leads to.
fn behind(line: &[String]) -> Option<&str> {
    line.first().filter(|program| program.ends_with(DOCKER_PROXY))?;
    let at = line.iter().position(|word| word == "-container-ip")?;
    line.get(at + 1).map(String::as_str)
}

fn user(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => format!("user {}", user.name),
        _ => format!("user {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn f12_who_listens_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = at(address).unwrap();
        assert!(found.contains(&format!("(pid {}", std::process::id())), "{found}");
        drop(listener);
        assert_eq!(at(address), None);
    }

    #[test]
    fn a_listener_at_every_address_serves_each() {
        let serves =
            |own: &str, asked: &str| super::serves(own.parse().unwrap(), asked.parse().unwrap());
        assert!(serves("0.0.0.0:80", "127.0.0.1:80"));
        assert!(serves("[::]:80", "127.0.0.1:80"));
        assert!(serves("[::]:80", "[::1]:80"));
        assert!(serves("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
        assert!(!serves("0.0.0.0:80", "[::1]:80"));
        assert!(!serves("0.0.0.0:80", "127.0.0.1:81"));
        assert!(!serves("10.0.0.1:80", "127.0.0.1:80"));
    }

    #[test]
    fn the_proxy_of_a_published_port_says_where_it_leads() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = words("/usr/bin/docker-proxy -proto tcp -container-ip 172.17.0.2 -x 1");
        assert_eq!(behind(&line), Some("172.17.0.2"));
        assert_eq!(behind(&words("python3 -container-ip 1")), None);
    }
}
