//! Whom names mean: real processes in control groups made for the test.

mod common;

use common::Victim;
use common::group::TestGroup;
use deadstick_core::fault::Target;
use deadstick_core::identity::ProcessIdentity;
use deadstick_faults::find::{self, FindError};
use deadstick_faults::process;
use regex::Regex;

fn pids(found: &[ProcessIdentity]) -> Vec<u32> {
    found.iter().map(|process| process.pid).collect()
}

#[test]
fn a_pattern_finds_command_lines_and_never_ourselves() {
    let victim = Victim::sleeping("617.25");
    let found = find::by_command(&Regex::new(r"sleep 617\.25$").expect("a pattern")).expect("found");
    assert_eq!(found, [process::of(victim.0.id()).expect("it runs")]);
    assert_eq!(find::again(&Target::Process(r"sleep 617\.25$".to_owned())).expect("found"), found);
    let everything = pids(&find::by_command(&Regex::new("").expect("a pattern")).expect("found"));
    assert!(!everything.contains(&std::process::id()));
    assert!(!everything.contains(&1) && everything.contains(&victim.0.id()));
}

#[test]
fn a_user_owns_the_processes_that_act_as_him() {
    let mut command = std::process::Command::new("sleep");
    let child = std::os::unix::process::CommandExt::uid(command.arg("600"), 61_234).spawn().expect("sleep");
    let victim = Victim::of(child);
    assert_eq!(pids(&find::by_user(61_234).expect("found")), [victim.0.id()]);
    assert_eq!(find::user("root").expect("known"), 0);
    assert!(matches!(find::user("nobody of that name"), Err(FindError::Unknown { .. })));
    assert!(!pids(&find::by_user(0).expect("found")).contains(&2), "threads of the kernel are left out");
}

#[test]
fn a_group_has_its_processes_and_those_below() {
    let above = format!("deadstick-find-{}", std::process::id());
    let group = TestGroup::new(format!("{above}/below"), &["freezer"]);
    let victim = Victim::new();
    group.take(victim.0.id());
    let found = find::by_cgroup(above.as_ref()).expect("found");
    assert_eq!((found.path, pids(&found.processes)), (format!("/{above}").into(), vec![victim.0.id()]));
    assert!(matches!(find::by_cgroup("no/such/group".as_ref()), Err(FindError::Unknown { .. })));
    assert!(matches!(find::by_cgroup("a/../b".as_ref()), Err(FindError::Bad { .. })));
}

#[test]
fn a_unit_is_found_by_its_group() {
    let unit = format!("deadstick-find-{}", std::process::id());
    let group = TestGroup::new(format!("deadstick-find.slice/{unit}.service"), &["pids", "freezer"]);
    let victim = Victim::new();
    group.take(victim.0.id());
    for name in [unit.clone(), format!("{unit}.service")] {
        assert_eq!(pids(&find::by_unit(&name).expect("found").processes), [victim.0.id()]);
    }
    assert!(matches!(find::by_unit("deadstick-nobody"), Err(FindError::Unknown { .. })));
    assert!(matches!(find::by_unit("../etc"), Err(FindError::Bad { .. })));
}

#[test]
fn a_container_is_found_by_the_beginning_of_its_id() {
    // Of this run, as other runs may be under way.
    let id = format!("{:012x}{}", std::process::id(), "c0ffee".repeat(9)).get(..64).expect("long").to_owned();
    let docker = TestGroup::new(format!("docker-{id}.scope/init"), &["pids", "freezer"]);
    let _monitor = TestGroup::new(format!("libpod-conmon-{id}.scope"), &["pids"]);
    let victim = Victim::new();
    docker.take(victim.0.id());
    assert_eq!(pids(&find::by_container(&id[..12]).expect("found").processes), [victim.0.id()]);
    // Only the end differs, whatever digits the beginning has.
    let alike = format!("{}{}", &id[..12], id[12..].replace("ee", "ef"));
    let other = TestGroup::new(format!("docker/{alike}"), &["pids"]);
    assert!(
        matches!(find::by_container(&id[..12]), Err(FindError::Ambiguous { found, .. }) if found.len() == 2)
    );
    drop(other);
    assert!(matches!(find::by_container("012"), Err(FindError::Bad { .. })));
    assert!(matches!(find::by_container("feedfeed"), Err(FindError::Unknown { .. })));
}
