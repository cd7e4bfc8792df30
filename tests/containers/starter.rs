//! The project that `lem init` writes runs as it is written.

use crate::support::{Scene, Strategy, engine, images, in_both_strategies};

in_both_strategies!(the_starter_completes, the_starter_with_a_program_of_ones_own_completes);

/// `lem campaign` where a person would type it: in the project's folder.
fn campaign(scene: &Scene) -> crate::support::Ended {
    let mut command = scene.command(&["campaign", "--yes", "--json"]);
    crate::support::Running::start(command.current_dir(scene.path("p"))).wait()
}

fn the_starter_completes(strategy: Strategy) {
    let scene = Scene::new();
    let strategy = ["--strategy", strategy.word()];
    let words = ["init", "p", "--yes", "--name", &scene.project, "--config-gap", "0.1"];
    scene.lem(&[&words[..], &strategy, &["--cycle-gap", "0"]].concat()).expect(0);

    let ended = campaign(&scene).expect(0);

    assert_eq!(ended.verdicts(), ["completed"; 4]);
    let summary = ended.summary();
    assert_eq!(
        (&summary["strategy"], &summary["without_result"]),
        (&strategy[1].into(), &0.into())
    );
    assert!(scene.path("p/results").join(&scene.project).is_dir());
    assert_eq!(engine::containers(&scene.project), []);
    engine::docker(&["image", "rm", &format!("{}-bench", scene.project)]);
}

fn the_starter_with_a_program_of_ones_own_completes(strategy: Strategy) {
    let scene = Scene::new();
    let image = images::tag("busybox");
    let words = ["init", "p", "--yes", "--name", &scene.project, "--image", &image];
    let own = ["--command", "sh -c 'echo {batch_size} >{result}'", "--strategy", strategy.word()];
    let gaps = ["--config-gap", "0", "--cycle-gap", "0", "--results-dir", "../out"];
    scene.lem(&[&words[..], &own, &gaps].concat()).expect(0);

    let ended = campaign(&scene).expect(0);

    assert_eq!(ended.verdicts(), ["completed"; 4]);
    assert_eq!(ended.summary()["without_result"], 0);
    let mut results: Vec<String> = scene
        .listing()
        .into_iter()
        .filter(|path| path.starts_with(scene.path("out")) && path.ends_with("result.json"))
        .map(|path| std::fs::read_to_string(path).unwrap().trim().to_owned())
        .collect();
    results.sort();
    assert_eq!(results, ["1", "1", "4", "4"]);
}
