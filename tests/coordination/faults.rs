//! What goes wrong under a ledger in a file: disks, clocks, boots, files, and lems that are killed.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{RngExt, SeedableRng};

use crate::support::clock::Clock;
use crate::support::small_disk::SmallDisk;
use crate::support::{Ended, Running, eventually, fixture};
use crate::world::{Held, World};

// Something that no engine has, whoever else uses the one of this machine.
const RESTART: [&str; 5] = ["op", "restart", "name:api", "--", "true"];

fn folder(world: &World) -> PathBuf {
    world.scene.path("machine/local/coordination")
}

/// A ledger that was used, and that nobody has open.
fn used() -> World {
    let world = World::of_names_in_a_file();
    world.lem(&RESTART).expect(0);
    world
}

/// Ends lem as the kernel would, and its command with it.
fn kill_all(held: &mut Held) {
    held.lem.kill();
    kill(Pid::from_raw(held.command.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn a_full_disk_is_said_and_nothing_is_done_until_there_is_room() {
    let world = World::of_names_in_a_file();
    let Some(disk) = SmallDisk::mount(&world.scene.path("machine"), "1m") else { return };
    world.lem(&RESTART).expect(0);
    let stuffing = world.scene.path("machine/stuffing");
    let mut file = fs::File::create(&stuffing).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let words = ["op", "restart", "name:api", "--", "touch", "done"];
    world.lem(&words).expect(3).says(&["no room left for the ledger", "hint: make room"]);
    assert!(!world.scene.path("done").exists());
    disk.grow("8m");
    world.lem(&words).expect(0);
    assert!(world.scene.path("done").exists());
}

#[test]
fn a_disk_that_fills_while_an_operation_runs_does_not_block_others_once_there_is_room() {
    let world = World::of_names_in_a_file();
    let Some(disk) = SmallDisk::mount(&world.scene.path("machine"), "1m") else { return };
    let held = world.hold(&["restart", "name:api"]);
    let mut file = fs::File::create(world.scene.path("machine/stuffing")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    held.end();
    disk.grow("8m");
    world.lem(&RESTART).expect(0);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_way_out() {
    let world = World::of_names_in_a_file();
    let Some(disk) = SmallDisk::mount(&world.scene.path("machine"), "1m") else { return };
    world.lem(&RESTART).expect(0);
    disk.remount("ro");
    let refused = world.lem(&RESTART).expect(3);
    refused.says(&["machine/local/coordination", "hint: "]);
    disk.remount("rw");
    world.lem(&RESTART).expect(0);
}

#[test]
fn what_another_boot_left_blocks_nobody_and_its_owner_is_told() {
    let world = World::of_names_in_a_file();
    let with_boot = |boot: &str, words: &[&str]| {
        let mut command = world.scene.command(words);
        command.env("LEM_BOOT_ID", boot);
        Running::start(&mut command)
    };
    // It ends when it is told to, or with this test.
    let script = "echo >begun; while [ -e begun ]; do sleep 0.02; done";
    let mut before = with_boot("one", &["op", "restart", "name:api", "--", "sh", "-c", script]);
    eventually("the command runs", || world.scene.path("begun").exists().then_some(()));
    with_boot("two", &RESTART).wait().expect(0);
    before.wait().expect(75).says(&["was taken away", "ended with the machine"]);
}

#[test]
fn who_lives_keeps_what_it_has_though_somebody_removed_its_file() {
    let world = World::of_names_in_a_file();
    let held = world.hold(&["restart", "name:api"]);
    for entry in fs::read_dir(folder(&world).join("owners")).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    world.lem(&RESTART).expect(75).says(&[&format!("operation {}", held.id)]);
    held.end().expect(0);
    world.lem(&RESTART).expect(0);
}

#[test]
fn a_clock_that_is_set_ends_no_wait_and_lets_nobody_wait_longer() {
    for step in [3600, -3600] {
        let world = World::of_names_in_a_file();
        let clock = Clock::new(&world.scene);
        let start = |words: &[&str]| Running::start(clock.furnish(&mut world.scene.command(words)));
        // The first who asks for the clock's library may have to build it, which takes longer than
        // what is held may.
        fixture::library("fake_clock");
        let held = world.hold(&["restart", "name:api"]);
        let words = ["op", "config", "name:api", "--wait", "10m", "--json", "--", "true"];
        let mut waits = start(&words);
        eventually("it waits", || {
            assert!(!waits.has_ended(), "{}", waits.stderr());
            waits.stderr().contains("waits for").then_some(())
        });
        clock.set(step);
        // Whoever asks now sees the clock as it is set, and gets in nobody's way.
        let looks = start(&["op", "read", "name:api", "--", "true"]).wait();
        looks.expect(0);
        assert!(!waits.has_ended(), "{}", waits.stderr());
        held.end().expect(0);
        let ended: Ended = waits.wait().expect(0);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        for key in ["waited_s", "took_s"] {
            let seconds = document[key].as_f64().unwrap();
            assert!((0.0..300.0).contains(&seconds), "{key}: {document}");
        }
    }
}

#[test]
fn a_damaged_ledger_is_said_to_be_one_and_left_as_it_is() {
    let world = used();
    let path = folder(&world).join("ledger.db");
    let rubbish = b"this was a ledger".repeat(500);
    fs::write(&path, &rubbish).unwrap();
    let words = ["op", "restart", "name:api", "--", "touch", "done"];
    world.lem(&words).expect(3).says(&["ledger.db` is damaged", "hint: ", "move it aside"]);
    assert_eq!(fs::read(&path).unwrap(), rubbish);
    assert!(!world.scene.path("done").exists());
    fs::rename(&path, path.with_extension("aside")).unwrap();
    world.lem(&words).expect(0);
}

#[test]
fn a_ledger_that_is_damaged_in_the_middle_lets_nobody_begin() {
    let world = used();
    let path = folder(&world).join("ledger.db");
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.seek(SeekFrom::End(0)).unwrap();
    // Everything but the first page, which says that it is a database.
    for at in (4096..length).step_by(4096) {
        file.write_all_at(&[0xAB; 4096], at).unwrap();
    }
    let words = ["op", "restart", "name:api", "--", "touch", "done"];
    world.lem(&words).expect(3).says(&["ledger.db` is damaged"]);
    assert!(!world.scene.path("done").exists());
}

#[test]
fn the_ledger_of_a_newer_lem_is_left_alone() {
    let world = used();
    let path = folder(&world).join("ledger.db");
    // The version that a file says to have is at byte 60 of it.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&4000_u32.to_be_bytes(), 60).unwrap();
    let before = fs::read(&path).unwrap();
    world.lem(&RESTART).expect(3).says(&["was written by a newer lem", "hint: update this lem"]);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn who_finds_a_dead_one_and_dies_itself_changes_nothing_about_when_the_next_begins() {
    const SETTLE: Duration = Duration::from_millis(1500);
    let world = World::of_names_in_a_file();
    let mut dead = world.hold(&["restart", "name:api", "--settle", "1500ms"]);
    let killed = Instant::now();
    kill_all(&mut dead);
    // It notes that nobody has it any more, and is killed before it could do more.
    let mut finder = world.queue(&["restart", "name:api", "--queue"]);
    finder.says("waits for operation");
    finder.lem.kill();
    let mut next = world.queue(&["restart", "name:api", "--queue"]);
    next.wait_for_the_command();
    assert!(killed.elapsed() >= SETTLE, "it began {:?} after the kill", killed.elapsed());
    next.end().expect(0);
}

#[test]
fn lems_that_are_killed_at_any_moment_let_no_two_overlap_and_leave_nothing_behind() {
    const LEMS: usize = 30;
    let world = World::of_names_in_a_file();
    // A folder is made by one alone. Whose lem was killed, goes on, and has it until it ends.
    let script = "mkdir in || echo >>overlap; sleep 0.03; rmdir in";
    let words = ["op", "restart", "name:api", "--queue", "--agent"];
    let mut random = rand::rngs::StdRng::seed_from_u64(1121);
    let mut running: Vec<(Running, Instant, Option<Duration>)> = Vec::new();
    for number in 0..LEMS {
        let agent = format!("agent-{number}");
        let lem = world.start(&[&words[..], &[&agent, "--", "sh", "-c", script]].concat());
        // Every third may end by itself.
        let dies = Duration::from_millis(random.random_range(0..400));
        running.push((lem, Instant::now(), (number % 3 != 0).then_some(dies)));
    }
    eventually("all have ended", || {
        for (lem, begun, dies) in &mut running {
            if dies.is_some_and(|dies| begun.elapsed() >= dies) {
                lem.kill();
                *dies = None;
            }
        }
        running.iter_mut().all(|(lem, ..)| lem.has_ended()).then_some(())
    });
    let (mut done, mut killed) = (0, 0);
    for (lem, ..) in &mut running {
        match lem.wait_for_code() {
            Some(0) => done += 1,
            None => killed += 1,
            Some(other) => panic!("{other}: {}", lem.stderr()),
        }
    }
    assert!(done >= LEMS / 3, "{done} were done, {killed} killed");
    world.lem(&["op", "restart", "name:api", "--queue", "--", "true"]).expect(0);
    assert!(!world.scene.path("overlap").exists());
    assert_eq!(owners_left(&world), 0);
}

/// The files of owners once the next lem was there. One that was killed before it asked for
/// anything has left its file, and nothing that names it.
fn owners_left(world: &World) -> usize {
    world.lem(&RESTART).expect(0);
    let entries = fs::read_dir(folder(world).join("owners")).unwrap().flatten();
    let is_one = |path: &PathBuf| path.extension().is_some_and(|it| it == "lock");
    entries.map(|entry| entry.path()).filter(is_one).count()
}

#[test]
fn the_files_of_dead_owners_that_nothing_names_are_removed_and_those_of_the_living_stay() {
    let world = used();
    let owners = folder(&world).join("owners");
    let (stray, half) = (owners.join("0123456789abcdef.lock"), owners.join("fedcba.new"));
    fs::write(&stray, "").unwrap();
    fs::write(&half, "").unwrap();
    let held = world.hold(&["restart", "name:other"]);
    assert_eq!(owners_left(&world), 1, "the file of the one that lives");
    assert!(!stray.exists());
    // It has only just been made: whoever makes it has not locked it yet.
    assert!(half.exists());
    let before = SystemTime::now() - Duration::from_secs(3600);
    OpenOptions::new().write(true).open(&half).unwrap().set_modified(before).unwrap();
    assert_eq!(owners_left(&world), 1);
    assert!(!half.exists());
    held.end().expect(0);
}
