//! Requests to one service, all of them within one limit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::probe::{Method, Reading, Request};
use crate::services::health::ask::{excerpt, sent};

/// Of one request.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two looks, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// The way to a service.
pub(super) struct Line {
    base: String,
    end: Instant,
}

impl Line {
    /// To paths below `base`, for so long.
    pub(super) fn new(base: &str, limit: Duration) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), end: Instant::now() + limit }
    }

    /// Until the limit.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The JSON at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        let text = self.asked(Method::Get, path, None).await?;
        serde_json::from_str(&text).map_err(|_| format!("its answer to `{path}` is no JSON"))
    }

    /// Posts to a path; what it answers does not matter if it is well.
    pub(super) async fn post(&self, path: &str, body: Option<Value>) -> Result<(), String> {
        self.asked(Method::Post, path, body).await.map(drop)
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<String, String> {
        let request = Request {
            method,
            url: format!("{}{path}", self.base),
            headers: BTreeMap::from([("Content-Type".to_owned(), "application/json".to_owned())]),
            body: body.map(|body| body.to_string()),
            limit: REQUEST.min(self.left()),
            reading: Reading::Body,
        };
        let answer = sent(request).await.map_err(|error| format!("`{path}`: {error}"))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let said = excerpt(&answer.body).map(|said| format!(": {said}")).unwrap_or_default();
        Err(format!("`{path}` answers {}{said}", answer.status))
    }

    /// Looks again and again until the answer is yes.
    ///
    /// # Errors
    /// The last answer that was not cut off by the limit.
    pub(super) async fn until<F>(&self, mut look: F) -> Result<(), String>
    where
        F: AsyncFnMut() -> Result<(), String>,
    {
        let (mut pause, mut last) = (PAUSES.0, None);
        loop {
            let Err(why) = look().await else { return Ok(()) };
            if self.left().is_zero() {
                return Err(last.unwrap_or(why));
            }
            last = Some(why);
            tokio::time::sleep(pause.min(self.left())).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
