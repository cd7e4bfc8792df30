//! Which ledger an engine belongs to.

use std::fs;
use std::process::Command;

use crate::support::engine;
use crate::support::postgres::Postgres;
use crate::world::World;

/// A volume of the test's own, removed at the end.
struct Volume(String);

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["volume", "rm", "--force", &self.0]).output();
    }
}

fn op(world: &World, volume: &Volume, words: &[&str]) -> (Option<i32>, String) {
    let mut command = world.scene.command(&[&["op"], words].concat());
    command.env_remove("LEM_STORE_CHECK").env("LEM_STORE_VOLUME", &volume.0);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_second_ledger_for_an_engine_is_refused_until_the_first_is_gone() {
    let (first, second) = (World::of_containers_in_a_file(), World::of_containers_in_a_file());
    let volume = Volume(format!("{}-store", first.scene.project));
    assert_eq!(op(&first, &volume, &["read", "api", "--", "true"]).0, Some(0));
    let label = "{{index .Labels \"dev.lem.store.path\"}}";
    let path = engine::docker(&["volume", "inspect", "--format", label, &volume.0]);
    let ours = first.scene.path("machine/local/coordination/ledger.db");
    assert!(path.trim().ends_with(&format!(":{}", ours.display())), "{path}");

    let (code, said) = op(&second, &volume, &["read", "api", "--", "true"]);
    assert_eq!(code, Some(3), "{said}");
    let theirs = second.scene.path("machine/local/coordination/ledger.db");
    for words in [
        format!("`{}` of this machine; this one is `{}`", ours.display(), theirs.display()),
        format!("`docker volume rm {}`", volume.0),
    ] {
        assert!(said.contains(&words), "no `{words}` in {said}");
    }
    // The first one goes on, and looks no more often than it must.
    assert_eq!(op(&first, &volume, &["read", "api", "--", "true"]).0, Some(0));

    fs::remove_dir_all(first.scene.path("machine")).unwrap();
    assert_eq!(op(&second, &volume, &["read", "api", "--", "true"]).0, Some(0));
    let path = engine::docker(&["volume", "inspect", "--format", label, &volume.0]);
    assert!(path.trim().ends_with(&format!(":{}", theirs.display())), "{path}");
}

#[test]
fn an_engine_of_a_ledger_on_a_server_is_the_same_for_all_who_use_that_and_refused_to_others() {
    let postgres = Postgres::start();
    let url = postgres.database("ledger");
    let (mut one, mut two) = (World::of_containers_in_a_file(), World::of_containers_in_a_file());
    let volume = Volume(format!("{}-store", one.scene.project));
    for world in [&mut one, &mut two] {
        world.scene.set("LEM_COORDINATION_URL", &url);
        assert_eq!(op(world, &volume, &["read", "api", "--", "true"]).0, Some(0));
    }
    let alone = World::of_containers_in_a_file();
    let (code, said) = op(&alone, &volume, &["read", "api", "--", "true"]);
    assert_eq!(code, Some(3), "{said}");
    for words in ["another ledger: `postgres:///ledger`; this one is", "LEM_COORDINATION_URL"] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
}

#[test]
fn a_volume_that_does_not_say_whose_the_engine_is_is_an_error() {
    let world = World::of_containers();
    let volume = Volume(format!("{}-store", world.scene.project));
    engine::docker(&["volume", "create", &volume.0]);
    let (code, said) = op(&world, &volume, &["read", "api", "--", "true"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("the volume `{}` does not say", volume.0)), "{said}");
    assert!(said.contains(&format!("`docker volume rm {}`", volume.0)), "{said}");
}
