//! A `lem` that ended: its exit code, its words, and its events.

use serde_json::Value;

/// What a user sees of a `lem` that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails, and shows what was said, unless it ended with this exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails unless standard error holds every one of `words`.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in:\n{}", self.stderr);
        }
    }

    /// The lines of `--json`; every line must be one.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let event = |line: &str| match serde_json::from_str(line) {
            Ok(event @ Value::Object(_)) => event,
            other => panic!("not an event: `{line}` ({other:?})\n{}", self.stderr),
        };
        self.stdout.lines().map(event).collect()
    }

    /// The events of one kind.
    #[track_caller]
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// The last event, which sums up the campaign.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let last = self.events().pop().unwrap_or_default();
        assert_eq!(last["event"], "campaign_ended", "{}", self.stderr);
        last
    }

    /// The verdicts on the runs, in order.
    #[track_caller]
    pub(crate) fn verdicts(&self) -> Vec<String> {
        let verdict = |event: &Value| event["verdict"].as_str().unwrap_or_default().to_owned();
        self.all("run_ended").iter().map(verdict).collect()
    }

    /// The positions of the runs that were started, in order.
    #[track_caller]
    pub(crate) fn started(&self) -> Vec<u64> {
        self.all("run_started").iter().filter_map(|event| event["position"].as_u64()).collect()
    }
}
