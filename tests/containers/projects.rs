//! What else a Compose project may hold: containers of others, profiles, names of its own, words
//! that a shell or Compose would read otherwise.

use crate::support::{Running, Scene, Strategy, engine, in_both_strategies};

in_both_strategies!(
    services_of_profiles_are_started_when_needed_and_nothing_of_them_stays,
    variables_of_compose_do_not_reach_the_campaigns_calls,
    words_reach_the_command_as_they_are,
    a_word_that_no_command_line_holds_is_named_before_anything_starts,
);

/// Compose's `exec` may enter a `run` container of the same service.
#[test]
fn a_run_of_somebody_else_keeps_a_held_campaign_out_and_an_ephemeral_one_leaves_it_alone() {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true"], "");
    scene.compose(&["run", "--detach", "-T", "bench", "sleep", "1000"]);
    let theirs = engine::containers(&scene.project);

    let refused = scene.campaign(Strategy::Persistent, &[]).expect(75);
    refused.says(&[&theirs[0].name, "bench"]);
    assert_eq!(engine::containers(&scene.project), theirs);

    scene.campaign(Strategy::Ephemeral, &[]).expect(0);
    assert_eq!(engine::containers(&scene.project), theirs);
}

fn services_of_profiles_are_started_when_needed_and_nothing_of_them_stays(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, profiles: [gpu], depends_on: [db]}\n\
         \x20 db: {image: <busybox>, network_mode: none, profiles: [gpu], init: true}\n\
         \x20 other: {image: <busybox>, network_mode: none, profiles: [web]}\n",
    );
    scene.scripts(&["true"], "");

    scene.campaign(strategy, &[]).expect(0);

    assert_eq!(engine::containers(&scene.project), []);
}

/// What they say was resolved once; a call that read them again would be about another project.
fn variables_of_compose_do_not_reach_the_campaigns_calls(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true"], "");
    let mut command = scene.command(&crate::support::scene::campaign_words(strategy));
    command
        .env("COMPOSE_FILE", "/no/such/file.yaml")
        .env("COMPOSE_PROFILES", "nobody")
        .env("COMPOSE_REMOVE_ORPHANS", "1")
        .env("COMPOSE_PATH_SEPARATOR", "x");
    let theirs = engine::docker(&[
        "create",
        "--label",
        &format!("com.docker.compose.project={}", scene.project),
        "--label",
        "com.docker.compose.service=orphan",
        "--label",
        "com.docker.compose.oneoff=False",
        "--network",
        "none",
        &crate::support::images::tag("busybox"),
    ]);

    Running::start(&mut command).wait().expect(0);

    let left: Vec<String> = engine::containers(&scene.project).into_iter().map(|c| c.id).collect();
    assert_eq!(left, [theirs.trim()]);
}

fn words_reach_the_command_as_they_are(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    let word = "a b $HOME ${X:-y} $$ `id` 'q' \"d\" \\n é 漢 \n%s; rm -rf {} {{x}} #! -e --";
    let yaml = serde_json::to_string(word).unwrap();
    scene.write(
        "campaign.yaml",
        &format!(
            "campaign_name: nightly\n\
             grid: {{backends: [bench], shared: {{word: [{yaml}]}}}}\n\
             command: [sh, -c, 'printf %s \"$1\" >\"$0\"/said', '{{results}}', '{{word}}']\n"
        ),
    );

    scene.campaign(strategy, &[]).expect(0);

    let said = std::fs::read_to_string(scene.runs("nightly")[0].join("said")).unwrap();
    assert_eq!(said, word);
}

/// The kernel takes at most 128 KiB for one word.
fn a_word_that_no_command_line_holds_is_named_before_anything_starts(strategy: Strategy) {
    let scene = Scene::new();
    scene.bench();
    scene.scripts(&["true", &"x".repeat(140_000)], "");

    let ended = scene.campaign(strategy, &[]).expect(2);

    ended.says(&["131071 bytes", "{config}"]);
    assert_eq!(ended.started(), Vec::<u64>::new());
}

/// A server that serves its runs, says that it is well for a while, and then says that it is not.
#[test]
fn a_server_that_turns_sick_between_runs_is_started_again() {
    let scene = Scene::new();
    scene.services(
        "  bench:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   command: [sh, -c, 'rm -f /tmp/sick; exec sleep 1000']\n\
         \x20   healthcheck: {test: [CMD-SHELL, '! test -e /tmp/sick'], interval: 200ms, retries: 1}\n\
         \x20   x-lem: {keep_command: true}\n",
    );
    let sicken = "touch /tmp/sick; sleep 2";
    scene.scripts(&[sicken, "test ! -e /tmp/sick"], "");

    let ended = scene.campaign(Strategy::Persistent, &[]).expect(0);

    let restarts = ended.all("service_restarted");
    assert_eq!(restarts.len(), 1, "{}", ended.stderr);
    assert_eq!(restarts[0]["reason"], "unhealthy");
    assert_eq!(engine::containers(&scene.project), []);
}
