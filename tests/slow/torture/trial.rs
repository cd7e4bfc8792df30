//! One tortured campaign, from its first lem to the last look at what is left.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::oracle;
use super::scenario::{Scenario, Way};
use super::strike::{Struck, strike};
use crate::support::{Ended, Running, Scene};

/// One lem of a campaign.
pub(crate) struct Life {
    pub(crate) words: Vec<String>,
    /// What it got.
    pub(crate) struck: Option<Struck>,
    pub(crate) ended: Ended,
    pub(crate) took: Duration,
}

/// A tortured campaign at its end.
pub(crate) struct Story {
    pub(crate) lives: Vec<Life>,
    /// Tries that had done everything when they were killed: nobody saw their end.
    pub(crate) unseen: usize,
    pub(crate) tries: usize,
    /// What is wrong; nothing, if all is well.
    pub(crate) faults: Vec<String>,
}

/// An undisturbed lem may need another after it: where a client was killed, its campaign may have
/// given up.
const UNDISTURBED: usize = 2;

/// Where a campaign stands, by `lem status`.
pub(crate) struct Standing {
    /// `interrupted` or `finished`.
    pub(crate) state: String,
    pub(crate) row: Value,
}

impl Standing {
    /// How many runs are still to do.
    fn missing(&self) -> usize {
        let count = |key: &str| usize::try_from(self.row[key].as_u64().unwrap()).unwrap();
        count("total") - count("completed") - count("failed")
    }
}

/// The campaign's name, which no other one has.
pub(crate) fn name(scene: &Scene) -> String {
    format!("torture-{}", scene.number())
}

/// Lives a scenario through and judges what came of it.
pub(crate) fn live(scene: &Scene, scenario: &Scenario) -> Story {
    prepare(scene, scenario);
    let mut lives: Vec<Life> = Vec::new();
    let mut blows = scenario.blows.iter();
    let mut undisturbed = 0;
    let mut faults = Vec::new();
    loop {
        let standing = standing(scene);
        let words = match standing.as_ref().map(|standing| standing.state.as_str()) {
            Some("finished") => break,
            Some("interrupted") => vec!["resume", "campaign.yaml", "--yes", "--json"],
            // It was killed before it wrote anything down.
            None => {
                [&["campaign", "campaign.yaml", "--yes", "--json"], scenario.way.words()].concat()
            }
            Some(other) => {
                faults.push(format!("no lem lives, and the campaign is {other}"));
                break;
            }
        };
        if undisturbed == UNDISTURBED {
            faults.push(format!("{UNDISTURBED} undisturbed lems did not finish it"));
            break;
        }
        let missing = standing.map_or(scenario.jobs.len(), |standing| standing.missing());
        let time = scenario.time_for(missing.try_into().unwrap());
        let began = Instant::now();
        let mut lem = scene.start(&words);
        let struck = blows.next().map(|blow| strike(&mut lem, blow, time));
        undisturbed += usize::from(!matches!(struck, Some(Struck::Hit { .. })));
        let Some(ended) = last_words(&mut lem) else {
            faults.push(format!("`lem {}` does not end", words.join(" ")));
            break;
        };
        let words = words.into_iter().map(str::to_owned).collect();
        lives.push(Life { words, struck, ended, took: began.elapsed() });
    }
    // Where the last lem was killed after the campaign's end, the next one cleans up.
    if faults.is_empty() && matches!(lives.last(), Some(Life { struck: Some(_), .. })) {
        let words = ["resume", "campaign.yaml", "--yes", "--json"];
        let began = Instant::now();
        let ended = scene.lem(&words);
        let words = words.map(str::to_owned).to_vec();
        lives.push(Life { words, struck: None, ended, took: began.elapsed() });
    }
    let mut story = Story { lives, unseen: 0, tries: 0, faults };
    oracle::judge(scene, scenario, &mut story);
    story
}

/// What a lem that came to its end said.
fn last_words(lem: &mut Running) -> Option<Ended> {
    let limit = Duration::from_secs(120);
    crate::support::wait::until(limit, || lem.has_ended().then_some(()))?;
    Some(lem.wait())
}

fn prepare(scene: &Scene, scenario: &Scenario) {
    let network = if scenario.network { "" } else { ", network_mode: none" };
    if scenario.way != Way::Local {
        scene.services(&format!("  bench: {{image: <busybox>, user: <me>{network}}}\n"));
    }
    let sleeper = scene.number();
    let scripts: Vec<String> = scenario.jobs.iter().map(|job| job.script(&sleeper)).collect();
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    scene.campaign_of(
        "campaign.yaml",
        &name(scene),
        &scripts,
        "stop_grace_period: 500ms, require_result: true",
    );
}

/// None where there is no record, or none of the campaign in it.
pub(crate) fn standing(scene: &Scene) -> Option<Standing> {
    let shown = scene.lem(&["status", "--json", &name(scene)]).expect(0);
    let rows: Vec<Value> = serde_json::from_str(&shown.stdout).unwrap();
    let row = rows.into_iter().next()?;
    Some(Standing { state: row["state"].as_str().unwrap().to_owned(), row })
}

/// Everything that every lem of a story said.
pub(crate) fn transcript(story: &Story) -> String {
    let mut text = String::new();
    for life in &story.lives {
        let Life { words, struck, ended, took } = life;
        text += &format!(
            "$ lem {}\n{struck:?}\nexit {:?} after {took:?}\n{}\n{}\n",
            words.join(" "),
            ended.code,
            ended.stdout,
            ended.stderr
        );
    }
    text
}

/// The lines of the ledger.
pub(crate) fn ledger(scene: &Scene) -> Vec<String> {
    let text = fs::read_to_string(scene.path("results").join(name(scene)).join("ledger"));
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}
