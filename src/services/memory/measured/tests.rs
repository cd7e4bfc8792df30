//! Who holds what, as a driver may tell it.

use super::*;
use crate::gpu::memory::Memory;
use crate::gpu::reading::Mig;

const ID: &str = "64dc5d2ba1b7a3c0f2d1e4f5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f";

fn process(pid: u32, memory: impl Into<Option<u64>>, utilization: Option<u32>) -> Process {
    Process { pid, memory: memory.into().map(Mebibytes), utilization }
}

fn reading(used: u64, processes: Option<Vec<Process>>) -> Reading {
    let total = Mebibytes(24_000);
    let free = Mebibytes(total.0 - used);
    let gpu = Gpu {
        index: 0,
        uuid: Some("GPU-a".into()),
        name: None,
        mig: Mig::Off,
        memory: Some(Memory { used: Mebibytes(used), free, total }),
        temperature: None,
        power: None,
        power_limit: None,
        utilization: None,
        processes,
    };
    Reading { driver: None, gpus: vec![gpu], silent: Vec::new() }
}

fn member(name: &str, need: u64, lives: Lives) -> Member {
    let gpus = BTreeSet::from(["GPU-a".to_owned()]);
    Member { name: name.to_owned(), need: Mebibytes(need), gpus, lives }
}

fn native(name: &str, need: u64, pids: &[u32]) -> Member {
    member(name, need, Lives::Processes(pids.iter().copied().collect()))
}

/// Processes below 100 have a name, those below 10 live in the container.
fn identify(pid: u32) -> Identity {
    Identity {
        name: (pid < 100).then(|| format!("p{pid}")),
        container: (pid < 10).then(|| ID.to_owned()),
    }
}

fn share(measured: &Measured, name: &str) -> (u64, u64) {
    let share = measured.services[name].shares["GPU-a"];
    (share.declared.0, share.measured.0)
}

// F39
#[test]
fn each_process_is_a_services_or_somebody_elses() {
    let processes = vec![
        process(1, 5000, None),
        process(2, 1000, Some(40)),
        process(11, 700, Some(0)),
        process(12, 300, Some(90)),
    ];
    let members = [
        member("vllm", 18_000, Lives::Container(ID.to_owned())),
        native("comfy", 500, &[11, 13]),
        native("idle", 900, &[]),
    ];
    let found = measured(Some(&reading(7600, Some(processes))), &members, identify);
    assert_eq!(share(&found, "vllm"), (18_000, 6000));
    assert_eq!(share(&found, "comfy"), (500, 700));
    assert_eq!(share(&found, "idle"), (900, 0));
    assert_eq!(found.services["vllm"].measured(), Mebibytes(6000));
    let computing = |name: &str| found.services[name].computes;
    assert_eq!([computing("vllm"), computing("comfy"), computing("idle")], [true, false, false]);
    let [other] = &found.others[..] else { panic!("{found:?}") };
    assert_eq!(other.to_string(), "pid 12 (p12)");
    let cards = super::super::card::Cards::of(
        Ok(&reading(7600, None)),
        &crate::services::registry::Budget::Unsaid,
        [],
    )
    .unwrap();
    assert_eq!(
        found.holders(&cards.all[0]),
        ["service `vllm` (6000 MiB)", "service `comfy` (700 MiB)", "pid 12 (p12) (300 MiB)"]
    );
}

#[test]
fn a_process_in_a_container_that_is_no_service_is_shown_with_it() {
    let found = measured(Some(&reading(900, Some(vec![process(5, 300, None)]))), &[], identify);
    assert_eq!(found.others[0].to_string(), "pid 5 (p5, container 64dc5d2ba1b7)");
}

// F40
#[test]
fn without_a_reading_everything_is_yet_to_come() {
    let found = measured(None, &[native("a", 5000, &[1])], identify);
    assert_eq!(share(&found, "a"), (5000, 0));
}

#[test]
fn where_the_driver_does_not_tell_who_holds_what_nothing_is_reserved_twice() {
    let members = [native("a", 5000, &[11]), native("b", 4000, &[12])];
    for processes in [
        None,
        // Their memory is not told.
        Some(vec![process(11, None, None), process(12, None, None)]),
        // They are of another pid namespace.
        Some(vec![process(1000, 5000, None), process(1001, 2000, None)]),
    ] {
        let found = measured(Some(&reading(7000, processes.clone())), &members, identify);
        let shares = (share(&found, "a"), share(&found, "b"));
        assert_eq!(shares, ((5000, 5000), (4000, 2000)), "{processes:?}");
    }
    // One that is known to be idle stays idle.
    let processes = Some(vec![process(11, 5000, None)]);
    let found = measured(Some(&reading(9600, processes)), &members, identify);
    assert_eq!((share(&found, "a"), share(&found, "b")), ((5000, 5000), (4000, 0)));
}
