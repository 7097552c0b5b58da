//! One measurement: a fault on a fresh link through the injector, something measured under it, everything undone and as
//! it was.

use deadstick_core::units::HumanDuration;
use deadstick_faults::Undone;

use crate::common::{Bench, fault};
use crate::machine;
use crate::wire::Wire;

pub(crate) const LEASE: HumanDuration = HumanDuration::secs(3_600);

/// Injects a fault in words, measures, undoes, and finds everything as it was before.
pub(crate) async fn under<T>(words: &str, measure: impl FnOnce(&Wire) -> T) -> T {
    machine::demand();
    let (wire, bench) = (Wire::new(), Bench::new());
    let before = wire.state();
    wire.is_whole();
    let injector = bench.injector().await;
    let injected = injector.inject(fault(words), wire.target(), LEASE).await.expect("injected");
    assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    let measured = measure(&wire);
    assert_eq!(injector.undo(&injected.id, "measured").await, Ok(Undone::Done), "{words}");
    assert_eq!(wire.state(), before, "{words}");
    wire.is_whole();
    assert_eq!(injector.close().await, [], "{words}");
    measured
}
