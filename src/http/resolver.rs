//! Names to addresses: `localhost` is both of this machine's own, whatever its table of hosts says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The addresses of a host that need nobody to be asked.
pub(super) fn known(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    host.parse().into_iter().collect()
}

/// Asks the system for the names that are not known.
#[derive(Debug, Default)]
pub(super) struct Localhost(DefaultResolver);

impl Resolver for Localhost {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let known = known(host);
        if known.is_empty() {
            return self.0.resolve(uri, config, timeout);
        }
        let mut addresses = self.empty();
        for ip in known {
            addresses.push(SocketAddr::new(ip, port));
        }
        Ok(addresses)
    }
}
