//! What the commands of operations wrote while they ran, line by line in the order in which it
//! happened: `ID TOKEN NAME KIND KEY EVENT`.
//!
//! Two ran at once where the lines of one begin before those of the other have ended. One that was
//! killed was there until its last line, and perhaps a moment longer: nothing is said of that.

use std::collections::{BTreeMap, BTreeSet};

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doing {
    pub(super) id: i64,
    pub(super) token: i64,
    name: String,
    kind: String,
    key: String,
    /// The numbers of its first and last line.
    first: usize,
    last: usize,
    begun: usize,
    pub(super) has_ended: bool,
}

/// Everything that was done.
#[derive(Debug, Default)]
pub(super) struct History {
    by_id: BTreeMap<i64, Doing>,
    /// Of each name, how often it was counted up for certain, and how often perhaps.
    pub(super) counted: BTreeMap<String, (u64, u64)>,
    torn: Vec<String>,
}

impl History {
    pub(super) fn read(text: &str) -> Self {
        let mut history = Self::default();
        let mut counted = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            if history.add(number, line).is_none() {
                history.torn.push(format!("line {number} is no line: `{line}`"));
            } else if let Some(id) = line.strip_suffix(" counted") {
                counted.insert(id.split(' ').next().unwrap().parse::<i64>().unwrap());
            }
        }
        let counts = |it: &&Doing| matches!(it.kind.as_str(), "restart" | "deploy" | "scale");
        for doing in history.by_id.values().filter(counts) {
            let (certain, perhaps) = history.counted.entry(doing.name.clone()).or_default();
            *if counted.contains(&doing.id) { certain } else { perhaps } += 1;
        }
        history
    }

    fn add(&mut self, number: usize, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, token, name, kind, key, event] = words[..] else { return None };
        let (id, token) = (id.parse().ok()?, token.parse().ok()?);
        let doing = self.by_id.entry(id).or_insert_with(|| Doing {
            id,
            token,
            name: name.to_owned(),
            kind: kind.to_owned(),
            key: key.to_owned(),
            first: number,
            last: number,
            begun: 0,
            has_ended: false,
        });
        doing.last = number;
        doing.begun += usize::from(event == "begins");
        doing.has_ended |= event == "ends";
        Some(())
    }

    pub(super) fn of(&self, id: i64) -> Option<&Doing> {
        self.by_id.get(&id)
    }

    /// Who ran beside whom it does not get on with; who was done twice; tokens out of order.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.torn.clone();
        let twice = self.by_id.values().filter(|it| it.begun != 1);
        faults.extend(twice.map(|it| format!("operation {} began {} times", it.id, it.begun)));
        let mut by_first: Vec<&Doing> = self.by_id.values().collect();
        by_first.sort_by_key(|it| it.first);
        // Those that run at a line, by their name: a few at most, while all is well.
        let mut running: BTreeMap<&str, Vec<&Doing>> = BTreeMap::new();
        let mut highest: BTreeMap<(&str, bool), i64> = BTreeMap::new();
        for doing in by_first {
            let beside = running.entry(&doing.name).or_default();
            beside.retain(|it| it.last > doing.first);
            for other in beside.iter().filter(|other| clash(doing, other)) {
                faults.push(format!("at once: {doing:?} and {other:?}"));
            }
            beside.push(doing);
            // Those that never overlap begin in the order of their tokens.
            if !matches!(doing.kind.as_str(), "read" | "health" | "config") {
                let before = highest.entry((&doing.name, true)).or_insert(doing.token - 1);
                if doing.token <= *before {
                    faults.push(format!("a token that does not grow: {doing:?} after {before}"));
                }
                *before = doing.token;
            }
        }
        faults
    }
}

/// Whether two may not run at once: the letters H and C of the matrix.
fn clash(one: &Doing, other: &Doing) -> bool {
    let looks = |it: &Doing| matches!(it.kind.as_str(), "read" | "health");
    let config = |it: &Doing| it.kind == "config";
    let other_keys = config(one) && config(other) && one.key != other.key;
    !looks(one) && !looks(other) && !other_keys
}

#[cfg(test)]
mod the_checker {
    use super::History;

    fn faults(lines: &[&str]) -> Vec<String> {
        History::read(&lines.join("\n")).faults()
    }

    const ONE: [&str; 2] = ["1 11 api restart - begins", "1 11 api restart - ends"];

    #[test]
    fn finds_nothing_where_one_follows_the_other_or_the_two_get_on() {
        let stop = ["2 12 api stop - begins", "2 12 api stop - ends"];
        let read = ["3 13 api read - begins", "3 13 api read - ends"];
        let other = ["4 14 web stop - begins", "4 14 web stop - ends"];
        let a = ["5 15 api config A begins", "5 15 api config A ends"];
        let b = ["6 16 api config B begins", "6 16 api config B ends"];
        assert!(faults(&[ONE[0], ONE[1], stop[0], stop[1]]).is_empty());
        assert!(faults(&[ONE[0], read[0], other[0], ONE[1], read[1], other[1]]).is_empty());
        assert!(faults(&[a[0], b[0], a[1], b[1]]).is_empty());
        // One that was killed has no end, and is gone when its lines end.
        assert!(faults(&[ONE[0], stop[0], stop[1]]).is_empty());
    }

    #[test]
    fn finds_two_that_ran_at_once_however_they_overlap() {
        let (begins, ends) = ("2 12 api stop - begins", "2 12 api stop - ends");
        assert_eq!(faults(&[ONE[0], begins, ONE[1], ends]).len(), 1);
        assert_eq!(faults(&[ONE[0], begins, ends, ONE[1]]).len(), 1);
        let killed = "1 11 api restart - goes-on";
        assert_eq!(faults(&[ONE[0], begins, killed, ends]).len(), 1);
        let same = ["5 15 api config A begins", "6 16 api config A begins"];
        let ends = ["5 15 api config A ends", "6 16 api config A ends"];
        assert_eq!(faults(&[same[0], same[1], ends[0], ends[1]]).len(), 1);
    }

    #[test]
    fn finds_one_that_was_done_twice_a_token_that_does_not_grow_and_a_torn_line() {
        assert_eq!(faults(&[ONE[0], ONE[1], ONE[0], ONE[1]]).len(), 1);
        assert_eq!(faults(&[ONE[0], ONE[1], "2 10 api stop - begins"]).len(), 1);
        assert_eq!(faults(&["1 11 api re"]).len(), 1);
    }

    #[test]
    fn knows_what_was_counted_for_certain_and_what_perhaps() {
        let history = History::read(
            "1 11 api restart - begins\n1 11 api restart - counted\n2 12 api scale - begins\n\
             3 13 api stop - begins",
        );
        assert_eq!(history.counted["api"], (1, 1));
    }
}
