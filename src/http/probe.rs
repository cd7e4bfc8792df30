//! One request to a service on this machine or near it, within one limit for all of it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::header::LOCATION;
use ureq::http::{HeaderName, HeaderValue, Response};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::address::Address;
use super::resolver::Localhost;
use super::target::NotATarget;
use crate::duration::human;

/// How often a request is sent on.
const REDIRECTS: u32 = 3;
/// Read of an answer at the most.
const LONGEST: u64 = 64 * 1024;
/// How long the words of a bad answer may take where they are for people alone.
const GLIMPSE: Duration = Duration::from_millis(200);

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

/// How much of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its body, as far as that comes within the limit.
    Body,
    /// Its status; of a bad one a glimpse at the body.
    Status,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    /// With credentials, if the server wants some.
    pub url: String,
    pub headers: BTreeMap<String, String>,
    /// Of a POST.
    pub body: Option<String>,
    /// For everything: names, connections, redirects, the answer.
    pub limit: Duration,
    pub reading: Reading,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    /// At most 64 KiB.
    pub body: String,
    /// Whether that is all of it.
    pub is_whole: bool,
    /// Who answered in the end, if the request was sent on.
    pub sent_on_to: Option<String>,
}

/// Why there is no answer. No URL in here shows its credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("{0}")]
    NoUrl(#[from] NotATarget),
    #[error("the request can't be sent: {reason}")]
    Senseless { reason: String },
    #[error("nobody listens there")]
    Refused,
    #[error("no answer within {}", human(*limit))]
    TimedOut { limit: Duration },
    #[error("the connection is closed without an answer")]
    Closed,
    #[error("{reason}")]
    Broken { reason: String },
    #[error("it sends the request on to `{to}`, which is another server")]
    Elsewhere { to: String },
    #[error("it sends the request on more than {REDIRECTS} times")]
    Circles,
}

impl Request {
    /// Sends it and waits for the answer. Blocks for its limit at most. Never through a proxy.
    pub(crate) fn send(&self) -> Result<Answer, NoAnswer> {
        let deadline = Instant::now() + self.limit;
        let first = Address::parse(&self.url)?;
        let (mut at, mut method) = (first.clone(), self.method);
        for _ in 0..=REDIRECTS {
            let reply = self.sent(&at, method, deadline)?;
            let location = match reply.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => reply.headers().get(LOCATION),
                _ => None,
            };
            let Some(location) = location else {
                let sent_on_to = (at != first).then(|| at.to_string());
                return Ok(self.read(reply, sent_on_to));
            };
            if reply.status().as_u16() == 303 {
                method = Method::Get;
            }
            at = next(&at, location)?;
        }
        Err(NoAnswer::Circles)
    }

    fn sent(
        &self,
        at: &Address,
        method: Method,
        deadline: Instant,
    ) -> Result<Response<Body>, NoAnswer> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoAnswer::TimedOut { limit: self.limit });
        }
        let glimpse = (self.reading == Reading::Status).then_some(GLIMPSE);
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(left))
            .timeout_recv_body(glimpse)
            .http_status_as_error(false)
            .max_redirects(0)
            .accept_encoding("")
            .user_agent(concat!("lem/", env!("CARGO_PKG_VERSION")))
            .build();
        // A new connection each time: an old one may lead to a process that is gone.
        let agent = Agent::with_parts(config, DefaultConnector::default(), Localhost::default());
        let reply = match method {
            Method::Get => self.with_headers(agent.get(at.url()), at)?.call(),
            Method::Post => {
                let body = self.body.as_deref().unwrap_or_default();
                self.with_headers(agent.post(at.url()), at)?.send(body)
            }
        };
        reply.map_err(|error| self.no_answer(&error))
    }

    fn with_headers<B>(
        &self,
        mut builder: ureq::RequestBuilder<B>,
        at: &Address,
    ) -> Result<ureq::RequestBuilder<B>, NoAnswer> {
        let senseless = |reason: String| NoAnswer::Senseless { reason };
        let own = |name: &str| self.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
        if let Some(authorization) = at.authorization().filter(|_| !own("authorization")) {
            builder = builder.header("authorization", authorization);
        }
        for (name, value) in &self.headers {
            let key: HeaderName =
                name.parse().map_err(|_| senseless(format!("`{name}` is no name of a header")))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| senseless(format!("the value of the header `{name}` is none")))?;
            builder = builder.header(key, value);
        }
        Ok(builder)
    }

    /// What comes of the body within the limits; a connection that breaks in it ends it.
    fn read(&self, mut reply: Response<Body>, sent_on_to: Option<String>) -> Answer {
        let status = reply.status().as_u16();
        let (mut bytes, mut is_whole) = (Vec::new(), true);
        if self.reading == Reading::Body || status >= 400 {
            let mut reader = reply.body_mut().as_reader();
            is_whole = reader.by_ref().take(LONGEST).read_to_end(&mut bytes).is_ok()
                && (bytes.len() as u64) < LONGEST;
        }
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status, body, is_whole, sent_on_to }
    }

    fn no_answer(&self, error: &ureq::Error) -> NoAnswer {
        let broken = || NoAnswer::Broken { reason: error.to_string() };
        match error {
            ureq::Error::Timeout(_) => NoAnswer::TimedOut { limit: self.limit },
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                NoAnswer::Senseless { reason: error.to_string() }
            }
            ureq::Error::HostNotFound => NoAnswer::Broken { reason: "no such host".to_owned() },
            ureq::Error::LargeResponseHeader(..) => {
                NoAnswer::Broken { reason: "the headers of its answer never end".to_owned() }
            }
            ureq::Error::Protocol(_) => {
                NoAnswer::Broken { reason: format!("what answers speaks no HTTP: {error}") }
            }
            ureq::Error::Io(io) => match io.kind() {
                ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable => NoAnswer::Refused,
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof => NoAnswer::Closed,
                ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                    NoAnswer::TimedOut { limit: self.limit }
                }
                _ => NoAnswer::Broken { reason: io.to_string() },
            },
            _ => broken(),
        }
    }
}

/// Where a reply sends the request: the same server only.
fn next(at: &Address, location: &HeaderValue) -> Result<Address, NoAnswer> {
    let nowhere = |reason: &str| NoAnswer::Broken {
        reason: format!("it sends the request on to no address: {reason}"),
    };
    let text = location.to_str().map_err(|_| nowhere("it is no text"))?;
    let next = at.joined(text).map_err(|error| nowhere(&error.to_string()))?;
    if next.is_same_server(at) {
        Ok(next.trusting(at))
    } else {
        Err(NoAnswer::Elsewhere { to: next.to_string() })
    }
}

#[cfg(test)]
mod tests;
