//! SIGKILL of owner, guardian or both at every step of the life of a fault of packets and sockets: afterwards, or after the
//! next start, the world is as it was.

#[macro_use]
mod common;

use std::collections::BTreeSet;

use common::matrix::{Before, World, owner};
use common::worlds;
use common::{Bench, eventually, store};
use deadstick_core::fault::FaultKind;
use deadstick_core::ledger::FaultState;
use deadstick_faults::kernel::{Linux, Processes, Sent};
use deadstick_faults::process;

on_links!(matrix);

/// A kind that is in no list of worlds is never killed.
#[test]
fn every_kind_has_a_world() {
    let all = [worlds::here(), worlds::in_the_machine()].concat();
    for entry in &all {
        // Its words are a fault, too: `kind` would say so only of the first.
        assert!(
            all.iter().filter(|other| other.name == entry.name).count() == 1,
            "{} is there twice",
            entry.name
        );
    }
    let have: BTreeSet<_> = all.iter().map(worlds::Entry::kind).collect();
    let missing: Vec<_> = FaultKind::ALL.iter().filter(|kind| !have.contains(kind)).collect();
    assert!(missing.is_empty(), "no world for {missing:?}: add one to tests/common/worlds/mod.rs");
}

/// An owner that lives and does nothing: the guardian ends the fault a little after its lease.
#[tokio::test]
async fn an_owner_that_hangs_does_not_outlast_the_lease() {
    let world = worlds::processes::alone("pause").expect("it needs no server");
    hangs(world.as_ref()).await;
}

/// And thaws and empties what others wait for.
#[tokio::test]
async fn an_owner_that_hangs_keeps_no_file_system() {
    for words in ["fs-freeze", "disk-fill reserve=4MiB"] {
        hangs(worlds::storage::scratch(words).expect("it needs no server").as_ref()).await;
    }
}

async fn hangs(world: &dyn World) {
    let (before, bench) = (Before::of(world).await, Bench::new());
    let mut hung = owner(&bench.ledger(), world, "1s", "Examined");
    while hung.hear().is_some_and(|line| !line.starts_with("at ")) {}
    let identity = process::of(hung.child.id()).expect("it runs");
    Linux.signal(&identity, Sent::Stop).expect("ours");
    before.is_back(world).expect_err("it is in place");
    before.comes_back("the guardian ends it", world).await;
    eventually("and records it", || {
        store::faults(&bench.ledger()).values().all(|fault| fault.state == FaultState::Undone)
    })
    .await;
    hung.kill();
}
