//! A run sees the same world in both strategies, whatever its image is like.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{Scene, Strategy, in_both_strategies};

in_both_strategies!(an_image_without_a_shell_runs_the_default_command);

/// Differs from run to run, or counts the shells on the way to the command.
const OWN: [&str; 6] =
    ["HOSTNAME", "LEM_CAMPAIGN_ID", "LEM_EXPERIMENT_ID", "LEM_RESULT_PATH", "LEM_RUN_ID", "SHLVL"];

/// What a run saw, without what is a run's own.
#[derive(Debug, PartialEq, Eq)]
struct World {
    environment: BTreeMap<String, String>,
    folder: String,
    user: String,
    owner: u32,
}

#[test]
fn both_strategies_are_one_world_for_every_kind_of_image_whoever_keeps_the_runs() {
    let ephemeral = worlds(Strategy::Ephemeral, Inner::Lem);
    for (strategy, inner) in [
        (Strategy::Persistent, Inner::Lem),
        (Strategy::Ephemeral, Inner::None),
        (Strategy::Persistent, Inner::None),
    ] {
        assert_eq!(worlds(strategy, inner), ephemeral, "{strategy:?} {inner:?}");
    }

    let [exits, drops, server, own, without_sh] = &ephemeral[..] else { panic!("{ephemeral:?}") };
    assert_eq!(exits.folder, "/tmp\n");
    assert_eq!((drops.user.as_str(), drops.owner), ("1234\n", 1234));
    assert_eq!(server.user, "0\n");
    assert_eq!((own.user.as_str(), own.owner, own.folder.as_str()), ("1234\n", 1234, "/etc\n"));
    assert_eq!((without_sh.user.as_str(), without_sh.folder.as_str()), ("0\n", "/\n"));
    for world in &ephemeral {
        assert_eq!(world.environment["OF_THE_IMAGE"], "1");
        assert_eq!(world.environment["OF_THE_SERVICE"], "a $b \"c\"");
        assert_eq!(world.environment["LEM_CYCLE"], "1");
    }
}

/// Who keeps the runs in the container.
#[derive(Debug, Clone, Copy)]
enum Inner {
    Lem,
    /// The image's own shell, and nobody where it has none.
    None,
}

fn worlds(strategy: Strategy, inner: Inner) -> Vec<World> {
    let scene = Scene::new();
    scene.write(
        ".lem-config.yaml",
        "thermal_gaps: {between_experiments: 0, between_cycles: 0}\n\
         docker: {compose_file: compose.yaml, hold_command: [sleep, '3600']}\n",
    );
    let inner = format!("inner: {}", matches!(inner, Inner::Lem));
    let more = "network_mode: none, environment: {OF_THE_SERVICE: 'a $$b \"c\"'}";
    scene.services(&format!(
        "  exits: {{image: <exits>, x-lem: {{{inner}}}, {more}}}\n\
         \x20 drops: {{image: <drops>, x-lem: {{{inner}}}, {more}}}\n\
         \x20 server: {{image: <server>, x-lem: {{entrypoint: none, {inner}}}, {more}}}\n\
         \x20 own: {{image: <exits>, user: '1234', working_dir: /etc, x-lem: {{{inner}}}, {more}}}\n\
         \x20 without_sh: {{image: <shellless>, x-lem: {{{inner}}}, {more}}}\n"
    ));
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\n\
         grid: {backends: [exits, drops, server, own, without_sh]}\n\
         command: [ash, -c, 'env >{results}/env; pwd >{results}/folder; id -u >{results}/user;\
         echo {{}} >{result}']\n\
         execution: {cycles: 1, start_timeout: 20s, require_result: true}\n",
    );
    let ended = scene.campaign(strategy, &[]).expect(0);
    assert_eq!(ended.verdicts(), ["completed"; 5]);
    scene
        .runs("nightly")
        .iter()
        .map(|run| {
            let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
            let environment = read("env");
            let variables = environment.lines().filter_map(|line| line.split_once('='));
            World {
                environment: variables
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .map(|(name, value)| {
                        let own = OWN.contains(&name.as_str());
                        (name, if own { String::new() } else { value })
                    })
                    .collect(),
                folder: read("folder"),
                user: read("user"),
                owner: fs::metadata(run.join("result.json")).unwrap().uid(),
            }
        })
        .collect()
}

fn an_image_without_a_shell_runs_the_default_command(strategy: Strategy) {
    let scene = Scene::new();
    scene.services("  bench: {image: <empty>, network_mode: none, user: '1234'}\n");
    scene.write(
        "campaign.yaml",
        "campaign_name: nightly\n\
         grid:\n\
         \x20 backends: [bench]\n\
         \x20 shared: {workload: {synthetic: {hidden: 64, layers: 1, tokens: 4}}}\n\
         execution: {cycles: 1}\n",
    );

    let ended = scene.campaign(strategy, &[]).expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    let result = scene.runs("nightly")[0].join("result.json");
    assert_eq!(fs::metadata(result).unwrap().uid(), 1234);
}
