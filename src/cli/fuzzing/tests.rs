//! Any bytes, any tree of values under the keys that lem knows, any name, and the seeds of the fuzz
//! targets.

use std::collections::HashMap;
use std::path::{Component, Path};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{KINDS, means_the_same};
use crate::campaign::plan::{Candidate, identify};
use crate::campaign::run_folder::{of_campaign, prepare_campaign, slug};
use crate::engine::invocation::quoted;
use crate::yaml;

/// Keys that mean something somewhere, and some that do not.
const KEYS: [&str; 34] = [
    "campaign_name",
    "configs",
    "grid",
    "backends",
    "shared",
    "experiments",
    "config",
    "overrides",
    "execution",
    "cycles",
    "retry",
    "timeout",
    "structure",
    "command",
    "docker",
    "services",
    "workload",
    "name",
    "volumes",
    "environment",
    "depends_on",
    "x-lem",
    "start_cmd",
    "container_name",
    "vram",
    "gpus",
    "health",
    "url",
    "expect",
    "evict",
    "vram_total",
    "defaults",
    "a.b",
    "",
];

/// Values that some reader takes for something else.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "no",
            "~",
            "null",
            "1e400",
            "-0",
            ".nan",
            "0x1F",
            "0o17",
            "1_000",
            "2h",
            "50%",
            "<<",
            "2026-01-02",
            "{config}",
            "*a",
            "&a",
            "!!int 1",
            "- a",
            "a: b",
            "#",
            " a ",
            "a\n",
            "\t",
            "",
            "=",
            "%",
            "---",
            "...",
            "\u{feff}",
            "\u{2028}",
            "\u{85}",
            "\r",
            "'",
            "\"",
            "@",
            "`",
        ])
        .prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    scalar().prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Names as people and programs give them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z]{1,3}",
        "[ ./~$`'\"{}*?|;&<>\\\\-]{1,12}",
        "\\.{0,3}/?\\.{0,3}/?[a-z]{0,2}",
        prop::sample::select(vec!["..", ".", "/", "a\nb", "\u{202e}abc", "🦀🦀", "é", "e\u{301}"])
            .prop_map(str::to_owned),
        "[a-zé日🦀]{150,400}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, check) in KINDS {
            check(&bytes);
        }
    }

    #[test]
    fn any_tree_is_an_answer_or_an_error(tree in tree()) {
        let (json, yaml) = (tree.to_string(), yaml::to_text(&tree).unwrap());
        for (_, check) in KINDS {
            check(json.as_bytes());
            check(yaml.as_bytes());
        }
    }

    #[test]
    fn any_campaign_is_an_answer_or_an_error(
        name in name(), axis in name(), values in prop::collection::vec(tree(), 1..4),
        word in name(), more in tree(),
    ) {
        let campaign = json!({
            "campaign_name": name, "command": ["x", word, "{config}"],
            "grid": {"backends": ["x"], "shared": {axis: values}}, "x-more": more,
            "execution": {"cycles": 1},
        });
        super::campaign::campaign(campaign.to_string().as_bytes());
    }

    #[test]
    fn any_service_is_an_answer_or_an_error(
        name in name(), key in prop::sample::select(KEYS.to_vec()), value in tree(), more in tree(),
    ) {
        let registry = json!({
            "services": {name: {"start_cmd": ["x"], key: value}}, "x-more": more,
        });
        super::services(registry.to_string().as_bytes());
    }

    #[test]
    fn a_configuration_means_the_same_to_the_run_that_reads_it(tree in tree(), key in name()) {
        means_the_same(&Map::from_iter([(key, tree)]));
    }

    #[test]
    fn a_campaigns_folder_is_one_name_right_below_the_results(name in name()) {
        let folder = of_campaign(Path::new("/results"), &name);
        let below: Vec<_> = folder.strip_prefix("/results").unwrap().components().collect();
        prop_assert!(matches!(below[..], [Component::Normal(_)]), "{:?}", folder);
        let name = below[0].as_os_str().len();
        prop_assert!((1..=240).contains(&name), "{} bytes", name);
        prop_assert!(!slug(&folder.to_string_lossy()).starts_with('.'));
    }

    #[test]
    fn two_campaigns_never_share_a_folder_unseen(one in name(), other in name()) {
        let results = tempfile::tempdir().unwrap();
        let folder = |name: &str| of_campaign(results.path(), name);
        prepare_campaign(&folder(&one), &one).unwrap();
        let shared = prepare_campaign(&folder(&other), &other);
        let fits = one == other || folder(&one) != folder(&other);
        prop_assert_eq!(shared.is_ok(), fits, "{} and {}", one, other);
    }

    #[test]
    fn a_name_is_one_experiments_and_fits_on_a_line(
        names in prop::collection::vec(name(), 1..12), twins in prop::collection::vec(0..3_u8, 12),
    ) {
        let candidate = |(name, twin): (&String, &u8)| Candidate {
            name: Some(name.clone()),
            config: Map::from_iter([("twin".to_owned(), Value::from(*twin))]),
            ..Candidate::default()
        };
        let mut owners: HashMap<String, String> = HashMap::new();
        for experiment in identify(names.iter().zip(&twins).map(candidate).collect()) {
            let name = &experiment.name;
            prop_assert!(!name.contains(char::is_control) && name.len() < 260, "{:?}", name);
            let owner = owners.entry(name.clone()).or_insert_with(|| experiment.hash.clone());
            prop_assert_eq!(&*owner, &experiment.hash, "two are called {}", name);
        }
    }

    #[test]
    fn a_word_stays_one_word_in_a_shell(word in name()) {
        prop_assume!(!word.contains('\0'));
        let line = format!("lem {}", quoted(&word));
        prop_assert_eq!(shlex::split(&line).unwrap(), ["lem".to_owned(), word]);
    }
}

#[test]
fn every_seed_keeps_the_promises_whatever_reads_it() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (kind, _) in KINDS {
        let files: Vec<_> = std::fs::read_dir(seeds.join(kind)).unwrap().flatten().collect();
        assert!(!files.is_empty(), "{kind} has no seeds");
        for file in files {
            let bytes = std::fs::read(file.path()).unwrap();
            for (_, check) in KINDS {
                check(&bytes);
            }
        }
    }
}
