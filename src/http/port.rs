//! Whether anybody accepts connections where a URL points.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use super::address::Address;
use super::resolver::known;
use super::target::NotATarget;

/// The port that a URL points to.
pub(crate) fn of(url: &str) -> Option<u16> {
    Address::parse(url).ok().map(|address| address.port())
}

/// A URL without its credentials, for people.
pub(crate) fn shown(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "(no URL)".to_owned(), |address| address.to_string())
}

/// The first of the URL's addresses at which somebody listens, or does not say that nobody does.
/// Blocks for `limit` at most, and for a name that is no local one as long as that takes to look up.
///
/// # Errors
/// The text is no URL.
pub(crate) fn listener(url: &str, limit: Duration) -> Result<Option<SocketAddr>, NotATarget> {
    let address = Address::parse(url)?;
    let (host, port) = (address.host(), address.port());
    let deadline = Instant::now() + limit;
    let known = known(host);
    let addresses: Vec<SocketAddr> = if known.is_empty() {
        // Nobody listens at a name that does not exist.
        (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
    } else {
        known.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
    };
    let is_taken = |at: &SocketAddr| {
        let left = deadline.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(at, left.max(Duration::from_millis(10))) {
            // A port of the range for outgoing connections can be connected to itself.
            Ok(stream) => stream.local_addr().ok() != stream.peer_addr().ok(),
            Err(error) => match error.kind() {
                // Here, somebody whose queue is full; elsewhere, an address that nobody has.
                ErrorKind::TimedOut => is_own(at.ip()),
                ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::Unsupported => false,
                _ => true,
            },
        }
    };
    Ok(addresses.into_iter().find(is_taken))
}

/// Whether an address is this machine's.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn f12_a_port_is_taken_on_either_address_of_localhost() {
        for own in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(own) else { continue };
            let at = listener.local_addr().unwrap();
            let url = format!("http://me:secret@localhost:{}/health", at.port());
            assert_eq!(super::listener(&url, LIMIT), Ok(Some(at)));
            assert_eq!(of(&url), Some(at.port()));
            assert!(!shown(&url).contains("secret"));
            drop(listener);
            assert_eq!(super::listener(&url, LIMIT), Ok(None), "{own}");
        }
    }

    #[test]
    fn f12_a_queue_that_is_full_is_somebodys() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let short = Duration::from_millis(200);
        // As many as the kernel keeps for one who accepts nobody.
        let open: Vec<TcpStream> =
            (0..1000).map_while(|_| TcpStream::connect_timeout(&at, short).ok()).collect();
        assert_eq!(super::listener(&format!("http://{at}/"), short), Ok(Some(at)));
        drop(open);
        assert!(is_own(at.ip()) && !is_own("192.0.2.1".parse().unwrap()));
        assert_eq!(super::listener("http://192.0.2.1:9/", short), Ok(None));
    }

    #[test]
    fn nobody_listens_at_a_name_that_does_not_exist() {
        assert_eq!(listener("http://nobody.invalid/", LIMIT), Ok(None));
        assert!(listener("nonsense", LIMIT).is_err());
    }
}
