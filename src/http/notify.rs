//! One message to a webhook: JSON by POST, tried three times.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::header::LOCATION;

use super::target::Target;

/// Of one try, redirects included.
const LIMIT: Duration = Duration::from_secs(10);
/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// How often one try is sent elsewhere.
const REDIRECTS: u32 = 3;

/// The message did not arrive. Nothing here repeats the address, which is a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    /// Trying again is no use.
    #[error("{target} answered {status}")]
    Refused { target: String, status: u16 },
    /// The server has a problem of its own.
    #[error("{target} answered {status}, {} times", PAUSES.len() + 1)]
    Failing { target: String, status: u16 },
    #[error("{target} sends requests in circles, or to where they may not go")]
    Redirected { target: String },
    #[error("{target} can't be reached: {reason}")]
    Unreachable { target: String, reason: String },
}

/// Posts `body`, JSON text, until it arrives or the tries are used up. Blocks for half a minute at
/// most; `pause` waits between two tries and may end them.
///
/// # Errors
/// What the last try met.
pub(crate) fn post(
    target: &Target,
    body: &str,
    mut pause: impl FnMut(Duration) -> ControlFlow<()>,
) -> Result<(), Undelivered> {
    let mut tried = once(target, body);
    for wait in PAUSES {
        let again =
            matches!(tried, Err(Undelivered::Failing { .. } | Undelivered::Unreachable { .. }));
        if !again || pause(wait).is_break() {
            break;
        }
        tried = once(target, body);
    }
    tried
}

fn once(target: &Target, body: &str) -> Result<(), Undelivered> {
    let deadline = Instant::now() + LIMIT;
    let mut at = target.clone();
    for _ in 0..=REDIRECTS {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(deadline.saturating_duration_since(Instant::now())))
            .http_status_as_error(false)
            // By hand, because a POST that is redirected would become a GET without its message.
            .max_redirects(0)
            .user_agent(concat!("lem/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let sent = agent.post(at.url()).content_type("application/json").send(body);
        let reply = sent.map_err(|error| Undelivered::Unreachable {
            target: target.to_string(),
            reason: at.hidden_in(&error.to_string()),
        })?;
        let status = reply.status().as_u16();
        let shown = target.to_string();
        match status {
            // 303 says that the message arrived and where to read about it.
            200..=299 | 303 => return Ok(()),
            301 | 302 | 307 | 308 => {
                let location = reply.headers().get(LOCATION).and_then(|l| l.to_str().ok());
                let next = location.and_then(|location| at.redirected(location));
                at = next.ok_or(Undelivered::Redirected { target: shown })?;
            }
            408 | 425 | 429 | 500.. => return Err(Undelivered::Failing { target: shown, status }),
            _ => return Err(Undelivered::Refused { target: shown, status }),
        }
    }
    Err(Undelivered::Redirected { target: target.to_string() })
}
