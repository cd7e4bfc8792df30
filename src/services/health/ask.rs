//! One probe, and what its answer means.

use std::time::Duration;

use serde_json::Value;

use crate::http::probe::{self, Answer, NoAnswer, Reading, Request};
use crate::secret::hidden_in;
use crate::services::service::{Expect, Method, Probe};

/// Shown of an answer at the most.
const EXCERPT: usize = 200;
/// What a thread may take beyond the limit of its request.
const SLACK: Duration = Duration::from_millis(250);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The answer is the expected one.
    Content,
    /// Somebody answered something else.
    Otherwise {
        status: u16,
        why: String,
        detail: Option<String>,
    },
    Nothing(NoAnswer),
}

impl Found {
    /// Whether the answer is the expected one.
    pub(crate) fn is_content(&self) -> bool {
        *self == Self::Content
    }

    /// Whether its time was over before it was answered.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self, Self::Nothing(NoAnswer::TimedOut { .. }))
    }

    /// Why it is not content, the same for the same reason.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Content => "it answers as it should".to_owned(),
            Self::Otherwise { why, .. } => why.clone(),
            Self::Nothing(no_answer) => no_answer.to_string(),
        }
    }

    /// The reason, and what was answered.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Otherwise { why, detail: Some(detail), .. } => format!("{why}: {detail}"),
            other => other.why(),
        }
    }
}

/// Asks once.
pub(crate) async fn ask(probe: &Probe, limit: Duration) -> Found {
    match sent(request(probe, limit)).await {
        Ok(answer) => judge(probe, &answer),
        Err(no_answer) => Found::Nothing(no_answer),
    }
}

/// Sends a request, in a thread of its own.
pub(crate) async fn sent(request: Request) -> Result<Answer, NoAnswer> {
    let limit = request.limit;
    let sending = tokio::task::spawn_blocking(move || request.send());
    match tokio::time::timeout(limit + SLACK, sending).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Err(NoAnswer::Broken { reason: panicked.to_string() }),
        Err(_) => Err(NoAnswer::TimedOut { limit }),
    }
}

/// The request of a probe.
pub(crate) fn request(probe: &Probe, limit: Duration) -> Request {
    let mut headers = probe.headers.clone();
    let kind = match &probe.body {
        None => None,
        Some(Value::String(_)) => Some("text/plain; charset=utf-8"),
        Some(_) => Some("application/json"),
    };
    let is_said = headers.keys().any(|key| key.eq_ignore_ascii_case("content-type"));
    if let Some(kind) = kind.filter(|_| !is_said) {
        headers.insert("Content-Type".to_owned(), kind.to_owned());
    }
    Request {
        method: match probe.method {
            Method::Get => probe::Method::Get,
            Method::Post => probe::Method::Post,
        },
        url: probe.url.clone(),
        headers,
        body: probe.body.as_ref().map(|body| match body {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        }),
        limit,
        reading: if probe.expect.is_empty() { Reading::Status } else { Reading::Body },
    }
}

/// Whether an answer is the expected one.
pub(crate) fn judge(probe: &Probe, answer: &Answer) -> Found {
    let status = answer.status;
    let is_right = probe.status.contains(&status) || probe.status.is_empty() && status == 200;
    let failed = if is_right {
        probe.expect.iter().find_map(|expect| unmet(expect, answer))
    } else {
        let by = answer.sent_on_to.as_ref().map_or("it".to_owned(), |url| format!("`{url}`"));
        Some((format!("{by} answers {status}"), excerpt(&answer.body)))
    };
    match failed {
        None => Found::Content,
        Some((why, detail)) => Found::Otherwise { status, why, detail },
    }
}

/// Why an answer is not what was expected, and what it is.
fn unmet(expect: &Expect, answer: &Answer) -> Option<(String, Option<String>)> {
    let rest = if answer.is_whole { "" } else { " as far as it was read" };
    match expect {
        Expect::Contains(text) if answer.body.contains(text.as_str()) => None,
        Expect::Contains(text) => {
            Some((format!("its answer does not contain `{text}`{rest}"), excerpt(&answer.body)))
        }
        Expect::Json { pointer, value } => {
            let Ok(json) = serde_json::from_str::<Value>(&answer.body) else {
                return Some((format!("its answer is no JSON{rest}"), excerpt(&answer.body)));
            };
            match json.pointer(pointer) {
                Some(found) if is_same(found, value) => None,
                Some(found) => Some((
                    format!("at `{pointer}` its answer is not `{value}`"),
                    excerpt(&found.to_string()),
                )),
                None => {
                    Some((format!("its answer has nothing at `{pointer}`"), excerpt(&answer.body)))
                }
            }
        }
    }
}

/// `1` and `1.0` are the same number.
fn is_same(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => found == expected || a.total_cmp(&b).is_eq(),
        _ => found == expected,
    }
}

/// The beginning of a text, on one line, without its secrets.
pub(crate) fn excerpt(text: &str) -> Option<String> {
    let hidden = hidden_in(text);
    let line = hidden.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    let mut shown: String = line.chars().take(EXCERPT).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn probe(status: &[u16], expect: &[Expect]) -> Probe {
        Probe {
            method: Method::Get,
            url: "http://127.0.0.1/".to_owned(),
            body: None,
            headers: [].into(),
            status: status.iter().copied().collect(),
            expect: expect.to_vec(),
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned(), is_whole: true, sent_on_to: None }
    }

    fn why(status: &[u16], expect: &[Expect], answer: &Answer) -> String {
        judge(&probe(status, expect), answer).in_full()
    }

    fn at(pointer: &str, value: Value) -> Expect {
        Expect::Json { pointer: pointer.to_owned(), value }
    }

    const CONTENT: &str = "it answers as it should";

    #[test]
    fn f10_only_200_counts_unless_the_registry_says_otherwise() {
        assert_eq!(why(&[], &[], &answer(200, "")), CONTENT);
        assert_eq!(why(&[204, 401], &[], &answer(401, "")), CONTENT);
        assert_eq!(why(&[], &[], &answer(204, "")), "it answers 204");
        assert_eq!(why(&[204], &[], &answer(200, "x")), "it answers 200: x");
        let elsewhere =
            Answer { sent_on_to: Some("http://h/login".to_owned()), ..answer(403, "a\n b") };
        assert_eq!(why(&[], &[], &elsewhere), "`http://h/login` answers 403: a b");
    }

    #[test]
    fn f14_an_answer_must_say_everything_that_is_expected() {
        let done = answer(200, r#"{"done": true, "model": {"a/b": 1.0, "state": "ready"}}"#);
        let contains = |text: &str| Expect::Contains(text.to_owned());
        for expect in [
            vec![contains("\"done\""), contains("ready")],
            vec![at("/done", json!(true)), at("/model/a~1b", json!(1))],
            vec![at("/model", json!({"state": "ready", "a/b": 1.0}))],
        ] {
            assert_eq!(why(&[], &expect, &done), CONTENT, "{expect:?}");
        }
        for (expect, said) in [
            (contains("fine"), "its answer does not contain `fine`: {\"done\": true"),
            (at("/done", json!("true")), "at `/done` its answer is not `\"true\"`: true"),
            (at("/no", json!(1)), "its answer has nothing at `/no`: {"),
        ] {
            let found = why(&[], &[contains("done"), expect], &done);
            assert!(found.starts_with(said), "{found}");
        }
        assert_eq!(
            why(&[], &[at("/a", json!(1))], &answer(200, "<html>")),
            "its answer is no JSON: <html>"
        );
        let cut = Answer { is_whole: false, ..answer(200, "{\"a\": 1") };
        assert!(why(&[], &[at("/a", json!(1))], &cut).contains("as far as it was read"));
    }

    #[test]
    fn what_was_answered_is_shown_short_and_on_one_line() {
        let said = why(&[], &[], &answer(500, &"x".repeat(1000)));
        assert!(said.ends_with("x…") && said.len() < 300, "{said}");
        assert_eq!(why(&[], &[], &answer(500, " a\n\tb\x1b ")), "it answers 500: a b");
    }

    #[test]
    fn a_body_is_sent_as_what_it_is() {
        let with = |body: Value| {
            let sent = request(&Probe { body: Some(body), ..probe(&[], &[]) }, Duration::ZERO);
            (sent.body.unwrap(), sent.headers["Content-Type"].clone())
        };
        assert_eq!(with(json!({"a": 1})), ("{\"a\":1}".into(), "application/json".into()));
        assert_eq!(with(json!("a")), ("a".into(), "text/plain; charset=utf-8".into()));
        let own = Probe {
            body: Some(json!("a=b")),
            headers: [("content-type".to_owned(), "x/y".to_owned())].into(),
            ..probe(&[], &[])
        };
        assert_eq!(request(&own, Duration::ZERO).headers.len(), 1);
    }
}
