//! What the doctor says fits what happens.

use std::process::Command;

use deadstick_faults::doctor;

#[test]
#[expect(clippy::print_stderr, reason = "what this host can do is worth reading")]
fn what_is_missing_has_a_reason_and_the_facts_agree() {
    let capabilities = doctor::examine();
    for one in &capabilities {
        eprintln!("{}: {:?} ({}; else {})", one.name, one.present, one.probed_by, one.fallback);
        assert!(one.present.as_ref().err().is_none_or(|why| !why.is_empty()), "{}", one.name);
    }
    let has = |name: &str| capabilities.iter().any(|one| one.name == name && one.present.is_ok());
    let facts = doctor::facts();
    assert_eq!(facts.device_hooks, has("nftables device hooks"));
    assert_eq!(facts.redirect, has("nftables redirect"));
    // A second look meets the same: nothing of the first one is left in its way.
    assert_eq!(capabilities, doctor::examine());
}

/// Here and in the virtual machine of `tests/vm`, whose kernel has it.
#[test]
fn netem_is_present_where_the_traffic_control_program_can_add_it() {
    let words = "--net tc qdisc add dev lo root netem delay 1ms".split(' ');
    let tried = Command::new("unshare").args(words).output().expect("unshare runs");
    let netem = doctor::examine().into_iter().find(|one| one.name == "netem").expect("it is a capability");
    let said = String::from_utf8_lossy(&tried.stderr);
    assert_eq!(netem.present.is_ok(), tried.status.success(), "{:?}; {said}", netem.present);
    assert_eq!(doctor::facts().netem, tried.status.success());
}
