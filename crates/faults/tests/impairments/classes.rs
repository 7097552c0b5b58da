//! The classes themselves: they come and go beside each other, and each is taken out by its mark.

use std::sync::Arc;

use deadstick_core::fault::{Direction, Flow};
use deadstick_faults::kernel::{Imposition, Layer, Linux, Shaping};
use deadstick_faults::{FaultError, HostFacts, Injector, Undone, doctor};

use crate::common::{Bench, Pair, fault};
use crate::{LEASE, run, state};

/// What is sent suffers this, by a fault of this number.
fn imposition(number: u32, words: &str) -> Imposition {
    Imposition {
        name: format!("deadstick-{number:036}"),
        layer: Layer::Device,
        lease: LEASE.0,
        flow: Flow { direction: Direction::Egress, ..Flow::default() },
        impairment: words.parse().expect("an impairment"),
        mark: Imposition::mark_of(number.into()),
        devices: vec![("dsa".to_owned(), false)],
    }
}

/// Those that come and go at random moments for the same packets never see each other's root vanish, nor a class of theirs
/// missing.
#[tokio::test(flavor = "multi_thread")]
async fn coming_and_going_at_once_is_safe() {
    let pair = Pair::new();
    let target = pair.target();
    let before = state(&target);
    let network = target.network.clone().expect("a network");
    let threads: Vec<_> = (2..6_u32)
        .map(|number| {
            let network = network.clone();
            std::thread::spawn(move || {
                let one = imposition(number, "rate=1MB/s");
                for _ in 0..25 {
                    let tables = Linux.impose(&network, &one).expect("imposed");
                    let shown = Linux.shown(&network, &one).expect("asked");
                    assert!(shown.is_some_and(|shown| shown.as_asked), "{shown:?}");
                    drop(tables);
                    assert!(
                        Linux.remove_classes(&network, "dsa", 0xdead, Some(one.mark), &[]).expect("removed")
                    );
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(state(&target), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_carries_another_mark_is_left_alone() {
    let pair = Pair::new();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    let one = imposition(9, "rate=1MB/s");
    let remove = |mark| Linux.remove_classes(&network, "dsa", 0xdead, Some(mark), &[]).expect("looked");
    let tables = Linux.impose(&network, &one).expect("imposed");
    assert!(!remove(one.mark ^ 1), "another one's");
    assert!(Linux.shown(&network, &one).expect("asked").is_some_and(|shown| shown.as_asked));
    drop(tables);
    assert!(remove(one.mark));
    assert!(!remove(one.mark), "gone already");
    // A device of the same name without the mark.
    run(&target, "ip link add deadstick00000a type ifb");
    assert!(!Linux.remove_device(&network, "deadstick00000a", 7).expect("looked"));
    assert!(Linux.remove_device(&network, "deadstick00000a", 0).expect("removed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_in_half_way_is_taken_out() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let target = pair.target();
    let before = state(&target);
    // A kernel that is said to have netem: where it has not, the root, the class and the ifb device are in before it says no.
    let facts = HostFacts { netem: true, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    for words in ["loss loss=50% burst=3 direction=ingress", "duplicate duplicate=50% corrupt=1%"] {
        match injector.inject(fault(words), target.clone(), LEASE).await {
            Ok(injected) => {
                assert!(doctor::facts().netem && injected.proof.landed, "{:?}", injected.proof);
                assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
            }
            Err(FaultError::Apply { why, residue: None }) => {
                assert!(!doctor::facts().netem && why.contains("netem"), "{why}");
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(state(&target), before, "{words}");
    }
    assert_eq!(injector.close().await, []);
}
