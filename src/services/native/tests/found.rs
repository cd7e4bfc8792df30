//! F31, F33: what a note says is believed only where `/proc` agrees.

use nix::sys::signal::Signal;

use super::super::how::How;
use super::super::note::Known;
use super::super::start::{begin, intend};
use super::*;
use crate::process_tree::Identity;

/// Changes what was written down.
fn forge(place: &Place, change: impl FnOnce(&mut Note)) {
    let mut note = Note::read(&place.state()).unwrap().unwrap();
    change(&mut note);
    note.write(&place.state()).unwrap();
}

#[test]
fn another_lem_finds_what_runs_and_since_when() {
    let place = Place::of("sleep <n> & wait");
    assert!(matches!(place.look(), Looked::NeverStarted));
    let instance = place.started(1);
    let found = place.found();
    assert_eq!(found.pid(), instance.pid());
    assert_eq!(found.pids().unwrap(), [instance.pid(), place.sleepers()[0]]);
    assert_eq!((found.since(), found.id()), (instance.since(), instance.id()));
    assert!(found.is_alive());
}

#[tokio::test]
async fn a_number_that_is_anothers_by_now_is_not_taken_for_the_service_and_never_signalled() {
    // F33: the foreign process is in a session of its own, as the service was.
    let foreign = Place::of("exec sleep <n>");
    let pid = foreign.started(1).pid();
    let place = Place::of("exit 0");
    place.start().unwrap().ended().await;
    let recycled = |note: &mut Note| {
        let pid = pid.try_into().unwrap();
        note.program = Some(Known { pid, started: note.since });
        note.seen = vec![Known { pid, started: note.since + 1 }];
        note.ended = None;
    };
    forge(&place, |note| {
        note.since = note.since.saturating_sub(1000);
        recycled(note);
    });
    assert!(matches!(place.look(), Looked::Ended { left: None, .. }));
    let note = Note::read(&place.state()).unwrap().unwrap();
    let program = note.program.unwrap().into();
    let believed = Instance::new(note, program, place.state(), None);
    assert!(!believed.is_alive());
    assert_eq!(believed.pids().unwrap(), [0_u32; 0]);
    place.stop(&believed, AfterGrace::Kill).await.unwrap();
    assert_eq!(foreign.sleepers(), [pid]);
}

#[tokio::test]
async fn a_note_of_another_boot_says_nothing_about_this_one() {
    let place = Place::of("exec sleep <n>");
    let _instance = place.started(1);
    forge(&place, |note| note.boot.id = "another".to_owned());
    match place.look() {
        Looked::Ended { how, left: None } => assert_eq!(how, Some(How::Rebooted)),
        looked => panic!("{looked:?}"),
    }
    forge(&place, |note| note.boot = super::super::note::Boot::now().unwrap());
    forge(&place, |note| note.boot.namespace = "pid:[1]".to_owned());
    let error = look("test", &place.state()).unwrap_err();
    assert!(matches!(error, ServiceError::Unseen { .. }), "{error}");
    forge(&place, |note| note.boot = super::super::note::Boot::now().unwrap());
    assert!(matches!(place.look(), Looked::Running(_)));
}

#[tokio::test]
async fn a_start_of_which_lem_saw_only_the_beginning_is_found_by_its_mark() {
    // F30: killed after it had started the program and before it had written that down.
    let place = Place::of("setsid sleep <n> & wait");
    let intended = intend(|_| None, "test", place.native(), &place.state()).unwrap();
    assert!(matches!(place.look(), Looked::Ended { how: None, left: None }));
    let _ = begin(place.native(), &intended.note, &intended.output).unwrap();
    place.has(1);
    let found = place.found();
    assert_eq!(found.pids().unwrap().len(), 2);
    assert!(found.is_alive());
    place.stop(&found, AfterGrace::Fail).await.unwrap();
    place.is_over();
}

#[tokio::test]
async fn what_was_seen_once_is_known_when_every_sign_is_lost() {
    // As a worker that has written its title over its environment, and whose server is killed.
    let script = "env -i setsid sleep <n> </dev/null >/dev/null 2>&1 & wait";
    let place = Place::of(script);
    let instance = place.started(1);
    instance.remember().unwrap();
    kill(instance.pid(), Signal::SIGKILL);
    instance.ended().await;
    match place.look() {
        Looked::Ended { left: Some(left), .. } => {
            assert_eq!(left.pids().unwrap(), place.sleepers());
            place.stop(&left, AfterGrace::Fail).await.unwrap();
        }
        looked => panic!("{looked:?}"),
    }
    place.is_over();
}

#[tokio::test]
async fn without_its_environment_and_its_parent_a_process_is_known_by_session_or_output() {
    for script in [
        // The session, which another member proves to be the one that it was.
        "sleep <n> & env -i sleep <n> </dev/null >/dev/null 2>&1 & kill -9 $$",
        // The output.
        "sleep <n> & env -i setsid sleep <n> & kill -9 $$",
    ] {
        let place = Place::of(script);
        let instance = place.started(2);
        assert_eq!(instance.ended().await, How::Signalled(9));
        let mut known = instance.pids().unwrap();
        known.sort_unstable();
        assert_eq!(known, place.sleepers(), "{script}");
    }
}

#[test]
fn an_older_process_is_never_taken_for_a_service() {
    let place = Place::of("exec sleep <n>");
    let instance = place.started(1);
    let me = Identity::of(nix::unistd::getpid()).unwrap();
    assert!(me.started <= instance.note.since);
    forge(&place, |note| note.since = u64::MAX);
    assert_eq!(place.found().pids().unwrap(), [instance.pid()], "only the one it names");
}
