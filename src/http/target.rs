//! The address of a webhook: checked before anything starts, and a secret from then on. Pure.
//!
//! Whoever knows the path of a webhook can write to it, so the path is never shown.

use std::fmt;

use ureq::http::Uri;

use super::address::Address;

/// An address that a request can be sent to. It shows as its scheme and host alone.
#[derive(Clone)]
pub(crate) struct Target {
    url: String,
    shown: String,
}

/// Why a text is no address of a webhook. The text itself is not repeated: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotATarget {
    #[error("it has no scheme; it begins with `https://` or `http://`")]
    NoScheme,
    #[error("only `https://` and `http://` are spoken here")]
    OtherScheme,
    #[error("it holds a space or a control character")]
    Blank,
    #[error("it names no host")]
    NoHost,
    #[error("it is no URL")]
    Malformed,
}

impl Target {
    /// Checks an address.
    pub(crate) fn parse(url: &str) -> Result<Self, NotATarget> {
        let text = url.trim();
        let (scheme, rest) = text.split_once("://").ok_or(NotATarget::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(NotATarget::OtherScheme);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NotATarget::Blank);
        }
        if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err(NotATarget::NoHost);
        }
        let uri: Uri = text.parse().map_err(|_| NotATarget::Malformed)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(NotATarget::NoHost)?;
        let authority = uri.authority().map_or("", |a| a.as_str());
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
        let after_host = server.split_once(host);
        let port = match after_host.map(|(_, port)| port).unwrap_or_default() {
            "" => String::new(),
            port => match port.strip_prefix(':').map(str::parse::<u16>) {
                Some(Ok(number)) if number > 0 => format!(":{number}"),
                _ => return Err(NotATarget::Malformed),
            },
        };
        let shown = format!("{scheme}://{host}{port}/…");
        Ok(Self { url: text.to_owned(), shown })
    }

    /// Where a reply sends the request, if it may go there: never from `https` to `http`.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let url = if location.starts_with('/') && !location.starts_with("//") {
            let uri: Uri = self.url().parse().ok()?;
            format!("{}://{}{location}", uri.scheme_str()?, uri.authority()?)
        } else {
            location.to_owned()
        };
        let next = Self::parse(&url).ok()?;
        (next.is_encrypted() || !self.is_encrypted()).then_some(next)
    }

    /// What stands before its path: scheme, host, port, and credentials if it has any.
    pub(crate) fn origin(&self) -> &str {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[host..].find(['/', '?', '#']).map_or(self.url.len(), |at| host + at);
        &self.url[..end]
    }

    /// Its host and its port.
    pub(crate) fn endpoint(&self) -> Option<(String, u16)> {
        let address = Address::parse(&self.url).ok()?;
        Some((address.host().to_owned(), address.port()))
    }

    fn is_encrypted(&self) -> bool {
        self.shown.starts_with("https:")
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A text that may repeat the address, with the address shown as everywhere else.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let path = self.url().splitn(4, '/').nth(3).unwrap_or_default();
        let text = text.replace(self.url(), &self.shown);
        // So short a path is no secret, and may be part of any word.
        if path.len() < 4 { text } else { text.replace(path, "…") }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (url, reason) in [
            ("https:// test", NotATarget::Blank),
            ("hooks.example.com/a", NotATarget::NoScheme),
            ("", NotATarget::NoScheme),
            ("ftp://example.com/a", NotATarget::OtherScheme),
            ("https://", NotATarget::NoHost),
            ("https:///a", NotATarget::NoHost),
            ("http://:80/a", NotATarget::NoHost),
            ("http://example.com:0/a", NotATarget::Malformed),
            ("http://example.com:99999/a", NotATarget::Malformed),
            ("http://example.com:a/a", NotATarget::Malformed),
            ("http://a[b/c", NotATarget::Malformed),
        ] {
            assert_eq!(Target::parse(url).unwrap_err(), reason, "{url}");
        }
    }

    #[test]
    fn an_address_shows_its_scheme_and_host_alone() {
        for (url, shown) in [
            ("https://hooks.example.com/T0/B0/secret", "https://hooks.example.com/…"),
            ("HTTP://me:secret@127.0.0.1:8080?token=secret", "http://127.0.0.1:8080/…"),
            ("http://[::1]:80/secret", "http://[::1]:80/…"),
            ("http://me:hidden-secret@h:1/", "http://h:1/…"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("secret"), "{url}");
            assert!(!target.hidden_in(&format!("cannot reach {url}")).contains("secret"), "{url}");
        }
    }

    #[test]
    fn the_server_of_an_address_is_its_host_and_port() {
        for (url, origin, host, port) in [
            ("http://127.0.0.1:8188/system_stats", "http://127.0.0.1:8188", "127.0.0.1", 8188),
            ("HTTPS://A.example?x=1:2", "HTTPS://A.example", "a.example", 443),
            ("http://me:pw@[::1]/health", "http://me:pw@[::1]", "::1", 80),
            ("http://[::1]:8000", "http://[::1]:8000", "::1", 8000),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(
                (target.origin(), target.endpoint()),
                (origin, Some((host.to_owned(), port)))
            );
        }
    }

    #[test]
    fn a_redirect_never_leaves_encryption() {
        let encrypted = Target::parse("https://a.example/x").unwrap();
        let next = |location| encrypted.redirected(location).map(|t| t.url().to_owned());
        assert_eq!(next("/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(next("https://b.example/z").as_deref(), Some("https://b.example/z"));
        assert_eq!((next("http://a.example/y"), next("y")), (None, None));
        let plain = Target::parse("http://a.example/x").unwrap();
        assert!(plain.redirected("https://a.example/x").is_some());
    }
}
