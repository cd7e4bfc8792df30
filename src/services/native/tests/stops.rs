//! F20, F21, F22, F32: a stop ends everything that belongs to the service, and nothing else.

use super::super::cgroup;
use super::*;

/// Forks away from its parents in each of the usual ways, deaf to everything but KILL.
const STUBBORN: &str = "trap '' TERM INT HUP; \
     setsid sh -c 'sleep <n> & sleep <n>' & \
     (sleep <n> & env -i setsid sleep <n> &) & \
     env -i setsid sh -c 'sleep <n> & wait' >/dev/null 2>&1 & \
     while :; do sleep 0.1; done";

#[tokio::test]
async fn what_forks_changes_its_session_and_ignores_its_signal_is_gone_after_a_kill() {
    let mut place = Place::of(STUBBORN);
    // Deaf are the shells' children too: what is ignored is inherited.
    place.service.stop.grace = SECOND / 2;
    let _instance = place.started(5);
    let stopped = place.stop(&place.found(), AfterGrace::Kill).await.unwrap();
    assert!(stopped.escalated && stopped.took >= SECOND / 2, "{stopped:?}");
    place.is_over();
}

#[tokio::test]
async fn a_process_that_forks_away_from_every_look_is_caught() {
    let place = Place::of("sh ./hop & exit 0").with(|native| native.life = Life::Daemon);
    std::fs::write(place.path("hop"), "trap '' TERM\necho hop >>hops\nsh ./hop &\n").unwrap();
    let hops = || std::fs::metadata(place.path("hops")).map_or(0, |file| file.len());
    let instance = place.start().unwrap();
    eventually("it hops", || (hops() > 40).then_some(()));
    place.stop(&instance, AfterGrace::Kill).await.unwrap();
    let at_end = hops();
    tokio::time::sleep(SECOND / 5).await;
    assert_eq!(hops(), at_end);
    place.is_over();
}

#[tokio::test]
async fn a_control_group_holds_also_what_shows_no_sign_at_all() {
    let Some(group) = cgroup::make("test-of-what-is-possible") else {
        // Nobody gave this user a part of the hierarchy.
        return;
    };
    cgroup::remove(&group);
    let lonely = "env -i setsid sh -c 'sleep <n> & sleep <n> & sleep 0.2' >/dev/null 2>&1 & exit 0";
    let place = Place::daemon(lonely);
    let instance = start_in(cgroup::make, &place.service, &place.state()).unwrap();
    place.has(2);
    let group = instance.note.cgroup.clone().unwrap();
    eventually("its parents are gone", || (cgroup::members(&group).len() == 2).then_some(()));
    let mut known = place.found().pids().unwrap();
    known.sort_unstable();
    assert_eq!(known, place.sleepers());
    place.stop(&instance, AfterGrace::Fail).await.unwrap();
    place.is_over();
    assert!(!group.exists());
}

#[tokio::test]
async fn without_a_kill_a_service_that_stays_is_an_error_that_names_it() {
    let place = Place::of("trap '' TERM; sleep <n>");
    let instance = place.started(1);
    let error = place.stop(&instance, AfterGrace::Fail).await.unwrap_err().to_string();
    let pid = place.sleepers()[0];
    assert!(error.contains(&format!("{pid} (sleep)")), "{error}");
    assert!(instance.is_alive());
    assert!(place.stop(&place.found(), AfterGrace::Kill).await.unwrap().escalated);
    place.is_over();
}

#[tokio::test]
async fn a_service_hears_the_signal_of_its_registry_and_may_say_goodbye() {
    let script = "trap 'echo bye; sleep 0.1; echo gone; exit 0' INT; trap 'touch asked' TERM; \
                  echo ready; while :; do sleep 0.05; done";
    let mut place = Place::of(script);
    place.service.stop.signal = "INT".to_owned();
    place.service.stop.grace = PATIENCE;
    let instance = place.start().unwrap();
    eventually("it is ready", || (instance.said() > 0).then_some(()));
    assert!(!place.stop(&instance, AfterGrace::Fail).await.unwrap().escalated);
    assert_eq!(instance.tail(5), ["ready", "bye", "gone"]);
    assert!(!place.path("asked").exists());
    place.is_over();
}

#[tokio::test]
async fn a_stop_is_done_as_soon_as_the_last_process_is_gone() {
    let mut place = Place::of("exec sleep <n>");
    place.service.stop.grace = PATIENCE;
    let instance = place.started(1);
    let stopped = place.stop(&instance, AfterGrace::Fail).await.unwrap();
    assert!(!stopped.escalated && stopped.took < PATIENCE / 10, "{stopped:?}");
    place.is_over();
    // F22: and to stop what is stopped is nothing.
    assert!(!place.stop(&instance, AfterGrace::Fail).await.unwrap().escalated);
}

#[tokio::test]
async fn the_second_signal_to_lem_ends_the_grace() {
    // F42
    let mut place = Place::of("trap '' TERM; sleep <n>");
    place.service.stop.grace = Duration::MAX;
    let instance = place.started(1);
    let (raise, cancel) = cancel::pair();
    raise.raise(cancel::Signal::Interrupt);
    let stopping = stop(&instance, &place.service, &cancel);
    tokio::pin!(stopping);
    tokio::select! {
        ended = &mut stopping => panic!("{ended:?}"),
        () = tokio::time::sleep(SECOND / 5) => {}
    }
    raise.insist();
    assert!(stopping.await.unwrap().escalated);
    place.is_over();
}

#[tokio::test]
async fn a_service_called_vidi_does_no_harm_to_nvidia() {
    // 6.4: the seed's `pkill -f vidi`.
    let bystander = Place::of("exec sleep <n>").with(|native| {
        native.environment = [("WHAT".to_owned(), "vidi".to_owned())].into();
    });
    std::fs::write(bystander.path("nvidia-smi"), "#!/bin/sh\nsleep $1 & wait\n").unwrap();
    std::fs::set_permissions(
        bystander.path("nvidia-smi"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let words = ["./nvidia-smi".to_owned(), bystander.number.clone()].to_vec();
    let bystander = bystander.with(|native| native.start = CommandLine::Words(words));
    let nvidia = bystander.started(1);
    let line = command_line(nvidia.pid());
    assert!(line.contains("nvidia"), "{line}");

    let mut place = Place::of("sleep <n> & wait");
    place.service.name = "vidi".to_owned();
    let vidi = place.started(1);
    place.stop(&vidi, AfterGrace::Kill).await.unwrap();
    place.is_over();
    assert!(nvidia.is_alive());
    assert_eq!(bystander.sleepers().len(), 1);
}

#[tokio::test]
async fn a_service_that_was_started_from_within_another_is_not_part_of_it() {
    let place = Place::of("LEM_SERVICE_ID=another setsid sleep <n> & sleep <n>");
    let instance = place.started(2);
    assert_eq!(instance.pids().unwrap().len(), 2);
    place.stop(&instance, AfterGrace::Fail).await.unwrap();
    assert_eq!(place.sleepers().len(), 1);
}

#[tokio::test]
async fn a_program_with_its_own_way_out_is_sent_no_signal() {
    let script = "trap 'touch asked; exit 0' TERM; echo $$ >own.pid; \
                  while [ ! -e leave ]; do sleep 0.05; done";
    let mut place = Place::of(script)
        .with(|native| native.stop = Some(CommandLine::Shell("touch leave; echo fine".to_owned())));
    place.service.stop.grace = PATIENCE;
    let instance = place.started(0);
    eventually("it is there", || place.path("own.pid").exists().then_some(()));
    let stopped = place.stop(&instance, AfterGrace::Fail).await.unwrap();
    assert!(!stopped.escalated && stopped.took < PATIENCE / 2);
    assert!(!place.path("asked").exists());
    assert_eq!(std::fs::read_to_string(place.state().join("stop.log")).unwrap(), "fine\n");
    place.is_over();
}

#[tokio::test]
async fn a_stop_command_that_fails_hangs_or_lies_is_followed_by_the_signal() {
    for command in ["exit 1", "sleep 1000", "exit 0", "no-such-program"] {
        let place = Place::of("sleep <n>")
            .with(|native| native.stop = Some(CommandLine::Shell(command.to_owned())));
        let instance = place.started(1);
        let stopped = place.stop(&instance, AfterGrace::Fail).await.unwrap();
        assert!(!stopped.escalated && stopped.took < PATIENCE / 2, "{command}: {stopped:?}");
        place.is_over();
    }
}
