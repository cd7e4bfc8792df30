//! An engine at an address instead of a socket: on this machine all the same, or on another one.
//! The other machine is made up: a `docker` that gives the engine another name, and a folder that
//! its engine doesn't have another path.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::address::Address;
use crate::support::gpu::FakeGpu;
use crate::support::scene::campaign_words;
use crate::support::{Running, Scene, Strategy, Stubborn, engine, in_both_strategies};

in_both_strategies!(
    an_engine_of_this_machine_is_one_whatever_its_address_is,
    runs_on_another_machine_have_their_results_on_a_shared_folder,
    results_that_the_other_machine_does_not_have_end_the_campaign_before_it_starts_anything,
    ctrl_c_ends_a_run_on_another_machine,
);

/// Puts a `docker` first on the PATH of a scene that says `name` of the engine's machine, and that
/// creates containers with `folder` where it is asked to use the scene's.
fn far(scene: &Scene, folder: Option<&str>) {
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|folder| folder.join("docker"));
    let real = real.into_iter().find(|docker| docker.is_file()).unwrap();
    let (real, own) = (real.display(), scene.path("results"));
    let name = engine::docker(&["info", "--format", "{{.Name}}"]);
    let seen = folder.map_or_else(|| own.display().to_string(), str::to_owned);
    scene.write(
        "bin/docker",
        &format!(
            "#!/bin/sh\ncase \"$1 $2\" in\n\
             'info --format') {real} \"$@\" | sed 's/\"Name\":\"{name}\"/\"Name\":\"far\"/' ;;\n\
             'create --pull')\n  for word; do shift; set -- \"$@\" \"$(echo \"$word\" | sed \
             's|{own}|{seen}|')\"; done\n  exec {real} \"$@\" ;;\n\
             *) exec {real} \"$@\" ;;\nesac\n",
            own = own.display(),
            name = name.trim(),
        ),
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.path("bin/docker"), mode).unwrap();
}

/// `lem campaign` with an engine at an address.
fn campaign(scene: &Scene, strategy: Strategy, address: &Address) -> Command {
    let mut lem = scene.command(&campaign_words(strategy));
    let path = std::env::var_os("PATH").unwrap();
    let folders = [scene.path("bin")].into_iter().chain(std::env::split_paths(&path));
    lem.env("PATH", std::env::join_paths(folders).unwrap());
    lem.env("DOCKER_HOST", address.for_docker_host());
    lem
}

fn an_engine_of_this_machine_is_one_whatever_its_address_is(strategy: Strategy) {
    let (scene, address) = (Scene::new(), Address::start());
    scene.bench();
    scene.scripts(&["test -x /.lem/lem && echo '{}' >result.json"], "require_result: true");

    let ended = Running::start(&mut campaign(&scene, strategy, &address)).wait().expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    assert!(!ended.stderr.contains("inner lem"), "{}", ended.stderr);
}

fn runs_on_another_machine_have_their_results_on_a_shared_folder(strategy: Strategy) {
    let (scene, address) = (Scene::new(), Address::start());
    scene.bench();
    far(&scene, None);
    scene.scripts(
        &["test -e /.lem/lem || echo '{}' >result.json", "exit 3"],
        "require_result: true",
    );

    let ended = Running::start(&mut campaign(&scene, strategy, &address)).wait().expect(1);

    assert_eq!(ended.verdicts(), ["completed", "failed"]);
    ended.says(&[&format!("the engine at {} is another machine", address.for_docker_host())]);
    let left = scene.listing().into_iter().filter(|path| path.to_string_lossy().contains("shared"));
    assert_eq!(left.count(), 0, "nothing is left of the look");
    assert_eq!(engine::owned(&scene.project), []);
}

fn results_that_the_other_machine_does_not_have_end_the_campaign_before_it_starts_anything(
    strategy: Strategy,
) {
    let (scene, address) = (Scene::new(), Address::start());
    scene.bench();
    far(&scene, Some("/a/folder/of/here"));
    scene.scripts(&["true"], "");

    let ended = Running::start(&mut campaign(&scene, strategy, &address)).wait().expect(3);

    let results = scene.path("results/nightly");
    ended.says(&[
        &format!("the engine does not see `{}`", results.display()),
        "a folder that both machines have at the same path",
    ]);
    assert_eq!(ended.started(), Vec::<u64>::new());
    assert_eq!(engine::owned(&scene.project), []);
}

fn ctrl_c_ends_a_run_on_another_machine(strategy: Strategy) {
    let (scene, address) = (Scene::new(), Address::start());
    scene.bench();
    far(&scene, None);
    let mut run =
        Stubborn::of(&scene, &mut campaign(&scene, strategy, &address), "stop_grace_period: 1s");

    run.lem.signal(Signal::SIGINT);
    run.leaves_nothing();
    let ended = run.lem.wait().expect(130);
    assert_eq!(ended.verdicts(), ["completed", "interrupted"]);
    assert_eq!(engine::containers(&scene.project), []);
}

#[test]
fn the_gpus_of_this_machine_are_no_business_of_an_engine_elsewhere() {
    let (scene, address, gpu) = (Scene::new(), Address::start(), FakeGpu::idle(1));
    // All runtimes are the engine's usual one; only what the file says counts here.
    scene.services("  bench: {image: <busybox>, network_mode: none, environment: {NVIDIA_VISIBLE_DEVICES: all}}\n");
    far(&scene, None);
    scene.scripts(&["true"], "");
    gpu.set(0, "used_mib", 81_920.into());

    let mut lem = campaign(&scene, Strategy::Ephemeral, &address);
    let ended = Running::start(gpu.furnish(&mut lem)).wait().expect(0);

    assert_eq!(ended.verdicts(), ["completed"]);
    let warnings = ended.all("warning");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let message = warning["message"].as_str().unwrap();
    assert!(message.contains("they are on the engine's machine"), "{message}");
}
