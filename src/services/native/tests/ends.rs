//! F11: the end of a service is seen at once, by its parent and by others.

use nix::sys::signal::Signal;

use super::super::how::How;
use super::*;

#[tokio::test]
async fn the_parent_sees_how_a_service_ended_and_others_are_told_later() {
    for (script, how) in [("exit 3", How::Exited(3)), ("kill -9 $$", How::Signalled(9))] {
        let place = Place::of(script);
        let instance = place.start().unwrap();
        assert_eq!(instance.ended().await, how);
        assert!(!instance.is_alive());
        match place.look() {
            Looked::Ended { how: told, left: None } => assert_eq!(told, Some(how)),
            looked => panic!("{looked:?}"),
        }
        // Reaped: not even a zombie is left.
        let pid = instance.pid();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[tokio::test]
async fn who_is_not_the_parent_sees_the_end_within_a_moment() {
    let place = Place::of("exec sleep <n>");
    let ours = place.started(1);
    let found = place.found();
    let ended = tokio::spawn(async move { (found.ended().await, Instant::now()) });
    assert!(ours.is_alive());
    kill(ours.pid(), Signal::SIGKILL);
    let killed = Instant::now();
    let (how, seen) = ended.await.unwrap();
    assert_eq!(how, How::Unseen);
    assert!(seen - killed < SECOND, "{:?}", seen - killed);
    place.is_over();
}

#[tokio::test]
async fn what_a_failed_program_leaves_is_not_the_service_but_is_its_own() {
    // F17
    let place = Place::of("sleep <n> & exit 1");
    let instance = place.started(1);
    assert_eq!(instance.ended().await, How::Exited(1));
    let left = match place.look() {
        Looked::Ended { how: Some(How::Exited(1)), left: Some(left) } => left,
        looked => panic!("{looked:?}"),
    };
    assert_eq!(left.pids().unwrap(), place.sleepers());
    place.stop(&left, AfterGrace::Fail).await.unwrap();
    place.is_over();
}

#[tokio::test]
async fn a_service_lives_on_in_what_a_daemon_left_and_ends_with_that() {
    let place = Place::daemon("setsid sleep <n> & exit 0");
    let instance = place.started(1);
    let pid = place.sleepers()[0];
    let mut ended = Box::pin(instance.ended());
    eventually("the program has ended", || {
        let pid = instance.pid();
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    tokio::select! {
        how = &mut ended => panic!("{how}"),
        () = tokio::time::sleep(SECOND / 2) => {}
    }
    assert!(instance.is_alive());
    assert_eq!(place.found().pids().unwrap(), [pid]);
    kill(pid, Signal::SIGKILL);
    assert_eq!(ended.await, How::Exited(0));
    assert!(!instance.is_alive());
    place.is_over();
}

#[tokio::test]
async fn a_daemon_that_fails_or_leaves_nothing_has_ended() {
    let place = Place::daemon("sleep <n> & exit 2");
    assert_eq!(place.started(1).ended().await, How::Exited(2));
    assert!(matches!(place.look(), Looked::Ended { left: Some(_), .. }));
    let place = Place::daemon("exit 0");
    assert_eq!(place.start().unwrap().ended().await, How::Exited(0));
    place.is_over();
}

#[tokio::test]
async fn a_daemon_that_hides_every_sign_is_known_by_its_pid_file() {
    // No marker, no session, no parent, no output; the file comes after the program's end.
    let hidden =
        "until ! kill -0 $1; do sleep 0.1; done; echo $$ >pid.new; mv pid.new pid; exec sleep <n>";
    let script = format!("env -i setsid sh -c '{hidden}' x $$ </dev/null >/dev/null 2>&1 & exit 0");
    let place = Place::daemon(&script);
    let file = place.path("pid");
    // What an earlier start left there means nothing.
    std::fs::write(&file, "1\n").unwrap();
    let place = place.with(|native| native.pid_file = Some(file.clone()));
    let instance = place.start().unwrap();
    let ended = tokio::spawn(async move { instance.ended().await });
    while place.sleepers().is_empty() {
        assert!(!ended.is_finished());
        tokio::time::sleep(SECOND / 50).await;
    }
    assert_eq!(place.found().pids().unwrap(), place.sleepers());
    place.stop(&place.found(), AfterGrace::Fail).await.unwrap();
    assert_eq!(ended.await.unwrap(), How::Exited(0));
    place.is_over();
    assert!(!file.exists());
}

#[test]
fn what_it_says_is_there_while_it_says_it() {
    // F15: a stall is seen by it.
    let place = Place::of("echo one; sleep <n>");
    let instance = place.started(1);
    assert_eq!((instance.said(), instance.tail(5)), (4, vec!["one".to_owned()]));
}
