//! What the runs' services depend on is there before the first run, and gone after the last,
//! unless it was there before.

use nix::sys::signal::Signal;

use crate::support::{Scene, Strategy, engine, eventually, in_both_strategies};

in_both_strategies!(
    runs_begin_when_their_dependencies_are_as_they_ask,
    a_dependency_that_somebody_else_runs_is_used_and_left,
    a_dependency_that_ends_in_the_middle_is_started_again,
    a_dependency_that_never_becomes_healthy_is_one_clear_error,
    ctrl_c_while_a_dependency_is_waited_for_ends_it,
);

/// The database is healthy a while after its start; the shared folder is how the run knows.
fn services(scene: &Scene) {
    std::fs::create_dir(scene.path("shared")).unwrap();
    scene.services(
        "  bench:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   volumes: ['./shared:/shared']\n\
         \x20   depends_on:\n\
         \x20     db: {condition: service_healthy}\n\
         \x20     migration: {condition: service_completed_successfully}\n\
         \x20 db:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   init: true\n\
         \x20   volumes: ['./shared:/shared']\n\
         \x20   command: [sh, -c, 'sleep 1; echo db >/shared/db; exec sleep 1000']\n\
         \x20   healthcheck: {test: [CMD, test, -e, /shared/db], interval: 200ms, retries: 100}\n\
         \x20 migration:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   volumes: ['./shared:/shared']\n\
         \x20   command: [sh, -c, 'sleep 1; echo done >/shared/migration']\n",
    );
    scene.scripts(&["cat /shared/db /shared/migration >seen"], "");
}

fn runs_begin_when_their_dependencies_are_as_they_ask(strategy: Strategy) {
    let scene = Scene::new();
    services(&scene);

    let ended = scene.campaign(strategy, &[]).expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    let seen = std::fs::read_to_string(scene.runs("nightly")[0].join("seen")).unwrap();
    assert_eq!(seen, "db\ndone\n");
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_dependency_that_somebody_else_runs_is_used_and_left(strategy: Strategy) {
    let scene = Scene::new();
    services(&scene);
    scene.compose(&["up", "--detach", "db"]);
    let theirs = engine::containers(&scene.project);

    scene.campaign(strategy, &[]).expect(0);

    assert_eq!(engine::containers(&scene.project), theirs);
    assert_eq!((theirs[0].state.as_str(), theirs[0].owner.as_str()), ("running", ""));
}

/// A database that says why it is no use; its healthcheck has this many tries.
fn sick(scene: &Scene, tries: u32) {
    scene.services(&format!(
        "  bench:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   depends_on: {{db: {{condition: service_healthy}}}}\n\
         \x20 db:\n\
         \x20   image: <busybox>\n\
         \x20   network_mode: none\n\
         \x20   init: true\n\
         \x20   command: [sh, -c, 'echo no space left; exec sleep 1000']\n\
         \x20   healthcheck: {{test: [CMD, 'false'], interval: 200ms, retries: {tries}}}\n"
    ));
    scene.scripts(&["true"], "");
}

fn a_dependency_that_never_becomes_healthy_is_one_clear_error(strategy: Strategy) {
    let scene = Scene::new();
    sick(&scene, 1);

    let ended = scene.campaign(strategy, &[]).expect(1);

    ended.says(&["service `db` did not become ready", "healthcheck", "no space left"]);
    assert_eq!(ended.stderr.matches("error:").count(), 1, "{}", ended.stderr);
    assert_eq!(ended.started(), Vec::<u64>::new());
    assert_eq!(engine::containers(&scene.project), []);
}

fn ctrl_c_while_a_dependency_is_waited_for_ends_it(strategy: Strategy) {
    let scene = Scene::new();
    sick(&scene, 10_000);
    let mut lem = scene.start_campaign(strategy, &[]);
    eventually("the dependency runs", || {
        engine::owned(&scene.project).iter().any(|found| found.state == "running").then_some(())
    });

    lem.signal(Signal::SIGINT);
    let ended = lem.wait().expect(130);

    assert_eq!(ended.started(), Vec::<u64>::new());
    assert_eq!(engine::containers(&scene.project), []);
}

fn a_dependency_that_ends_in_the_middle_is_started_again(strategy: Strategy) {
    let scene = Scene::new();
    scene.services(
        "  bench: {image: <busybox>, network_mode: none, depends_on: [db]}\n\
         \x20 db: {image: <busybox>, network_mode: none, init: true, command: [sleep, '1000']}\n",
    );
    scene.scripts(&["true", "true"], "config_gap_seconds: 2");
    let mut lem = scene.start_campaign(strategy, &[]);
    lem.event("gap_started");
    let db = || engine::owned(&scene.project).into_iter().find(|it| it.service == "db").unwrap();
    engine::docker(&["kill", &db().id]);
    lem.event("warning");
    eventually("it runs again", || (db().state == "running").then_some(()));

    let ended = lem.wait().expect(0);

    ended.says(&["dependency `db` had ended"]);
    assert_eq!(ended.verdicts(), ["completed"; 2]);
    assert_eq!(engine::containers(&scene.project), []);
}
