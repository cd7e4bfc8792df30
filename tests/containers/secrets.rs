//! Secrets reach the runs, and nobody else: whoever looks at files, processes, labels or messages.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::support::scene::campaign_words;
use crate::support::webhook::{Manner, Webhook};
use crate::support::{
    Running, Scene, Strategy, engine, eventually, in_both_strategies, processes, within,
};

in_both_strategies!(
    a_secret_reaches_the_run_and_is_in_no_argument_no_label_no_message_and_no_file_of_lems,
);

/// Every secret of a scene has this in it, and nothing else does.
fn stem(scene: &Scene) -> String {
    format!("hush{}", scene.number())
}

/// Four ways for a secret to reach a run: by name, by a name that is told, by a file, and written
/// in the Compose file.
fn secretive(scene: &Scene) {
    let stem = stem(scene);
    scene.write("secret.env", &format!("OF_FILE={stem}-file\n"));
    scene.services(&format!(
        "  bench: {{image: <busybox>, network_mode: none, user: <me>, env_file: [secret.env], \
         environment: {{WRITTEN: {stem}-written}}}}\n"
    ));
    scene.scripts(
        &["env | grep hush | sort >got; while [ ! -e $GO ]; do sleep 0.1; done; exit 3"],
        "",
    );
    scene.write(
        ".lem-config.yaml",
        "thermal_gaps: {between_experiments: 0, between_cycles: 0}\n\
         docker: {compose_file: compose.yaml, pass_environment: [HF_TOKEN, TOLD]}\n",
    );
}

/// lem with secrets in its environment, some of which are not for runs.
fn lem(scene: &Scene, words: &[&str], webhook: &str) -> Command {
    let stem = stem(scene);
    let mut command = scene.command(words);
    command
        .env("HF_TOKEN", format!("{stem}-token"))
        .env("TOLD", format!("{stem}-told"))
        .env("LEM_WEBHOOK_URL", webhook)
        .env("HTTPS_PROXY", format!("http://me:{stem}-proxy@127.0.0.1:9"))
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// The files that hold the stem, the user's own aside.
fn holding(scene: &Scene) -> Vec<PathBuf> {
    let stem = stem(scene);
    let own = ["compose.yaml", "secret.env"].map(|name| scene.path(name));
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(stem.len()).any(|window| window == stem.as_bytes())
    };
    let files = scene.listing().into_iter().filter(|path| !own.contains(path));
    files.filter(holds).collect()
}

fn a_secret_reaches_the_run_and_is_in_no_argument_no_label_no_message_and_no_file_of_lems(
    strategy: Strategy,
) {
    let scene = Scene::new();
    secretive(&scene);
    let stem = stem(&scene);
    let webhook = Webhook::start(&[Manner::Status(200)]);
    let url = webhook.url().replace(&webhook.secret, &format!("{stem}-hook"));

    let dry = ["campaign", "--dry-run", "--container-strategy", strategy.word()];
    let dry = Running::start(&mut lem(&scene, &dry, &url)).wait().expect(0);
    assert!(dry.stdout.contains("-e HF_TOKEN ") && dry.stdout.contains("-e TOLD "), "{dry:?}");
    assert!(!dry.stdout.contains(&stem) && !dry.stderr.contains(&stem), "{dry:?}");

    let words = [&campaign_words(strategy)[..], &["-v"]].concat();
    let mut running = Running::start(&mut lem(&scene, &words, &url));
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut look = || seen.extend(processes::command_lines().filter(|line| line.contains(&stem)));
    eventually("the run has its secrets", || {
        look();
        let text = std::fs::read_to_string(scene.runs("nightly").first()?.join("got")).ok()?;
        (text.lines().count() == 4).then_some(())
    });
    look();
    for container in engine::containers(&scene.project) {
        let format = ["inspect", "--format", "{{json .Config.Labels}}{{json .Config.Cmd}}"];
        let labels = engine::docker(&[&format[..], &[&container.id]].concat());
        assert!(!labels.contains(&stem), "{labels}");
    }
    scene.write("results/nightly/go", "");
    let ended = running.wait().expect(1);

    assert_eq!(seen, BTreeSet::new(), "in a command line");
    assert!(!ended.stdout.contains(&stem) && !ended.stderr.contains(&stem), "{ended:?}");
    let told = format!("{:?}", webhook.requests().iter().map(|it| &it.body).collect::<Vec<_>>());
    assert!(told.contains("failure") && !told.contains(&stem), "{told}");
    assert_eq!(holding(&scene), [scene.runs("nightly")[0].join("got")], "the run's own file");
}

#[test]
fn a_lem_that_goes_on_by_itself_writes_no_secret_into_its_log() {
    let scene = Scene::new();
    secretive(&scene);
    scene.scripts(&["exit 3"], "");
    // Nobody listens there: the warning would name it.
    let url = format!("http://127.0.0.1:9/{}-hook", stem(&scene));
    let words = ["campaign", "campaign.yaml", "--yes", "--detach", "-v"];
    let ended = Running::start(&mut lem(&scene, &words, &url)).wait().expect(0);
    assert!(!ended.stdout.contains(&stem(&scene)), "{ended:?}");
    within(std::time::Duration::from_secs(60), "the campaign is finished", || {
        let status = scene.lem(&["status", "nightly", "--json"]).stdout;
        status.contains("\"finished\"").then_some(())
    });
    let mut said = scene.listing().into_iter().filter(|path| path.ends_with("lem.log"));
    let said = std::fs::read_to_string(said.next().unwrap()).unwrap();
    assert!(said.contains("failed"), "{said}");
    assert_eq!(holding(&scene), Vec::<PathBuf>::new());
}

#[test]
fn what_compose_quotes_of_an_environment_is_not_repeated() {
    for (file, compose) in [
        ("FIRST=1\nse%cret <stem>\nLAST=\"<stem>\"\n", ""),
        ("FIRST=1\n", ", environment: {WRITTEN: '<stem>${'}"),
    ] {
        let scene = Scene::new();
        secretive(&scene);
        scene.scripts(&["true"], "");
        let stem = stem(&scene);
        scene.write("secret.env", &file.replace("<stem>", &stem));
        let more = compose.replace("<stem>", &stem);
        scene.services(&format!("  bench: {{image: <busybox>, env_file: [secret.env]{more}}}\n"));
        for words in [&campaign_words(Strategy::Ephemeral)[..], &["doctor"]] {
            let ended = Running::start(&mut lem(&scene, words, "http://127.0.0.1:9")).wait();
            assert_ne!(ended.code, Some(0), "{ended:?}");
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!said.contains(&stem), "{said}");
        }
    }
}
