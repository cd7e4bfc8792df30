//! The address of a server that is probed: shown with its path, never with its credentials. Pure.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use super::target::{NotATarget, Target};

/// Where a request goes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    scheme: String,
    /// In lower case; of IPv6 with its brackets.
    host: String,
    port: u16,
    /// As it was written, or the scheme's own.
    shown_port: Option<u16>,
    /// With the query.
    path: String,
    /// `user:password`, decoded.
    credentials: Option<Vec<u8>>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, NotATarget> {
        Target::parse(text)?;
        let text = text.trim().split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| NotATarget::Malformed)?;
        let scheme = uri.scheme_str().ok_or(NotATarget::NoScheme)?.to_ascii_lowercase();
        let authority = uri.authority().ok_or(NotATarget::NoHost)?;
        let credentials = authority.as_str().rsplit_once('@');
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // `http://host?query` has no path of its own.
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let default = if scheme == "https" { 443 } else { 80 };
        Ok(Self {
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(default),
            shown_port: authority.port_u16(),
            path,
            credentials: credentials.map(|(user, _)| percent_decode_str(user).collect()),
            scheme,
        })
    }

    /// Where a reply sends the request, by RFC 3986.
    pub(super) fn joined(&self, location: &str) -> Result<Self, NotATarget> {
        let location = location.trim().split('#').next().unwrap_or_default();
        let before_path = location.split(['/', '?']).next().unwrap_or_default();
        if before_path.ends_with(':') {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme));
        }
        let own_path = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            None => self.path.clone(),
            Some('/') => location.to_owned(),
            Some('?') => format!("{own_path}{location}"),
            Some(_) => {
                let folder = own_path.rfind('/').map_or("/", |end| &own_path[..=end]);
                format!("{folder}{location}")
            }
        };
        let next = Self { path: without_dots(&path), ..self.clone() };
        next.url().parse::<Uri>().map_err(|_| NotATarget::Malformed)?;
        Ok(next)
    }

    /// Whether it is the same server: then credentials may go there.
    pub(super) fn is_same_server(&self, other: &Self) -> bool {
        (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
    }

    /// The same server's address, with this one's credentials.
    pub(super) fn trusting(self, other: &Self) -> Self {
        Self { credentials: other.credentials.clone(), ..self }
    }

    /// For the request line; without the credentials, which travel in a header.
    pub(super) fn url(&self) -> String {
        let port = self.shown_port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", self.scheme, self.host, self.path)
    }

    /// The header `Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        let colon = if credentials.contains(&b':') { "" } else { ":" };
        let whole = [credentials.as_slice(), colon.as_bytes()].concat();
        Some(format!("Basic {}", BASE64_STANDARD.encode(whole)))
    }

    /// The host without the brackets of IPv6.
    pub(super) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// `/a/./b/../c` as `/a/c`.
fn without_dots(path: &str) -> String {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (number, segment) in segments.iter().enumerate() {
        let is_last = number + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
        if is_last && matches!(*segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_used_and_never_shown() {
        for (url, credentials) in [
            ("http://me:secret@127.0.0.1:8080/x", "me:secret"),
            ("http://me:p%40ss@127.0.0.1:8080/x", "me:p@ss"),
            ("http://me@127.0.0.1:8080/x", "me:"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), "http://127.0.0.1:8080/x");
            assert_eq!(format!("{address:?}"), "http://127.0.0.1:8080/x");
            let header = format!("Basic {}", BASE64_STANDARD.encode(credentials));
            assert_eq!(address.authorization(), Some(header));
        }
        assert_eq!(Address::parse("http://a/").unwrap().authorization(), None);
    }

    #[test]
    fn a_reply_may_send_a_request_on_by_any_kind_of_reference() {
        let at = Address::parse("http://H:81/a/b?c=d#e").unwrap();
        for (location, expected) in [
            ("/x", "http://h:81/x"),
            ("x", "http://h:81/a/x"),
            ("?q=1", "http://h:81/a/b?q=1"),
            ("", "http://h:81/a/b?c=d"),
            ("../x/./y?z=../w", "http://h:81/x/y?z=../w"),
            ("..", "http://h:81/"),
            ("//other/x", "http://other/x"),
            ("https://h:81/x#y", "https://h:81/x"),
            ("http://h:81", "http://h:81/"),
            ("http://h:81?q", "http://h:81/?q"),
        ] {
            assert_eq!(at.joined(location).unwrap().to_string(), expected, "{location}");
        }
        for location in ["ftp://h/x", "http://", "x y"] {
            assert!(at.joined(location).is_err(), "{location}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_server() {
        let same = |a: &str, b: &str| {
            Address::parse(a).unwrap().is_same_server(&Address::parse(b).unwrap())
        };
        assert!(same("http://h/x", "http://H:80/y"));
        assert!(same("https://h:443/x", "https://me@h/y"));
        assert!(!same("http://h/x", "http://h:81/x"));
        assert!(!same("http://h:81/x", "https://h:81/x"));
        assert!(!same("http://127.0.0.1/x", "http://localhost/x"));
    }
}
