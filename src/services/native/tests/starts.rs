//! F34, and the traps of the processes' start: what a service gets, and what it does not.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};

use super::super::how::How;
use super::*;

async fn said(place: &Place) -> (How, Vec<String>) {
    let instance = place.start().unwrap();
    let how = instance.ended().await;
    (how, instance.tail(100))
}

#[tokio::test]
async fn a_service_has_a_session_and_a_mark_of_its_own_and_both_of_its_streams_in_one_file() {
    let place = Place::of("echo one; echo two >&2; echo $LEM_SERVICE_ID $MORE; pwd; cat; cut -d' ' -f1,6 /proc/$$/stat; readlink /proc/self/fd/1 /proc/self/fd/0")
        .with(|native| native.environment = [("MORE".to_owned(), "more".to_owned())].into());
    let (how, said) = said(&place).await;
    let note = Note::read(&place.state()).unwrap().unwrap();
    let pid = note.program.unwrap().pid;
    let log = place.state().join("output.log");
    let folder = place.folder.path().canonicalize().unwrap();
    assert_eq!(
        said,
        [
            "one".to_owned(),
            "two".to_owned(),
            format!("{} more", note.id),
            folder.display().to_string(),
            format!("{pid} {pid}"),
            log.canonicalize().unwrap().display().to_string(),
            "/dev/null".to_owned(),
        ]
    );
    assert_eq!(how, How::Exited(0));
}

#[tokio::test]
async fn no_signal_is_blocked_or_ignored_whatever_lem_does() {
    let place = Place::of("grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2");
    // Each thread has a mask of its own; Rust ignores PIPE in every process.
    let mask: SigSet = [Signal::SIGTERM, Signal::SIGUSR1].into_iter().collect();
    let instance = std::thread::scope(|scope| {
        let start = scope.spawn(|| {
            mask.thread_block().unwrap();
            place.start().unwrap()
        });
        start.join().unwrap()
    });
    instance.ended().await;
    // The C library keeps 32 and 33 to itself.
    let kept = 0b11 << 31;
    let sets: Vec<u64> =
        instance.tail(2).iter().map(|set| u64::from_str_radix(set, 16).unwrap() & !kept).collect();
    assert_eq!(sets, [0, 0]);
}

#[tokio::test]
async fn a_lock_that_was_held_at_the_start_is_free_when_its_holder_lets_go() {
    // Also one that lem itself was given by a careless parent, as `flock FILE lem …` does.
    let place = Place::of("sleep <n>");
    let lock = std::fs::File::create(place.path("lock")).unwrap();
    fcntl(&lock, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    lock.lock().unwrap();
    let instance = place.started(1);
    drop(lock);
    let lock = std::fs::File::open(place.path("lock")).unwrap();
    // Another test's process may be on its way from fork to exec.
    eventually("the lock is free", || lock.try_lock().ok());
    assert!(instance.is_alive());
}

#[tokio::test]
async fn what_can_not_be_executed_is_an_error_at_once_and_leaves_nothing() {
    let place = Place::of("");
    std::fs::write(place.path("plain"), "text").unwrap();
    std::fs::write(place.path("orphan"), "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(
        place.path("orphan"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let folder = place.folder.path().display().to_string();
    let nowhere = place.path("nowhere");
    for (word, directory, expected) in [
        ("no-such-program", None, "there is no program `no-such-program`".to_owned()),
        ("./none", None, format!("there is no program `{folder}/none`")),
        ("./plain", None, format!("`{folder}/plain` can't be executed")),
        ("./orphan", None, format!("the interpreter of `{folder}/orphan` is missing")),
        ("true", Some(&nowhere), format!("there is no folder `{folder}/nowhere` to start it in")),
    ] {
        let place = Place::of("").with(|native| {
            native.start = CommandLine::Words(vec![word.to_owned()]);
            native.directory = directory.unwrap_or(&place.folder.path().to_owned()).clone();
        });
        match place.start() {
            Err(ServiceError::NotStarted { source, .. }) => {
                assert_eq!(source.to_string(), expected);
            }
            other => panic!("{word}: {other:?}"),
        }
        assert!(matches!(place.look(), Looked::NeverStarted), "{word}");
    }
}

#[tokio::test]
async fn a_program_named_by_a_path_is_meant_from_the_services_folder_and_gets_its_arguments() {
    let place = Place::of("").with(|native| {
        native.start = CommandLine::Words(["./say", "a b", "$HOME"].map(str::to_owned).to_vec());
    });
    std::fs::write(place.path("say"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    std::fs::set_permissions(
        place.path("say"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    assert_eq!(said(&place).await, (How::Exited(0), vec!["a b".to_owned(), "$HOME".to_owned()]));
}

#[tokio::test]
async fn a_second_start_is_refused_while_something_of_the_first_is_there() {
    let place = Place::of("sleep <n> & exit 3");
    let first = place.started(1);
    assert_eq!(first.ended().await, How::Exited(3));
    match place.start() {
        Err(ServiceError::NotStarted { source, .. }) => {
            let pid = place.sleepers()[0].to_string();
            assert!(source.to_string().ends_with(&pid), "{source}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(place.sleepers().len(), 1);
}

#[tokio::test]
async fn the_pid_file_names_the_program_and_goes_with_it() {
    // 6.4: the seed wrote the shell's number and never removed it.
    let place = Place::of("exec sleep <n>");
    let file = place.path("service.pid");
    let place = place.with(|native| native.pid_file = Some(file.clone()));
    let instance = place.started(1);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, format!("{}\n", instance.pid()));
    assert_eq!(place.sleepers(), [instance.pid()]);
    place.stop(&instance, AfterGrace::Fail).await.unwrap();
    assert!(!file.exists());
}
