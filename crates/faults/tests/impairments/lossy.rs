//! Loss where the kernel has no netem: a table drops packets by chance.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadstick_core::fault::ResolvedTarget;
use deadstick_faults::kernel::Linux;
use deadstick_faults::network::enter;
use deadstick_faults::{FaultError, HostFacts, Injector, Undone, doctor};

use crate::common::{Bench, Pair, fault};
use crate::{LEASE, other, state};

/// Where the kernel has no netem a table loses packets: those that it leaves are slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_and_a_loss_without_netem() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    // The neighbours know each other: who has to be looked for may be lost as well.
    assert_eq!(came(&target, &server, 50, 500), 50);
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    for words in ["loss loss=50% direction=egress", "rate rate=25KB/s direction=egress"] {
        let injected = injector.inject(fault(words), target.clone(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{words}: {:?}", injected.proof);
    }
    let began = Instant::now();
    let came = came(&target, &server, 400, 500);
    // 542 bytes each with all headers; past the first ones.
    let least = Duration::from_secs_f64(
        f64::from(u32::try_from(came).expect("few").saturating_sub(20)) * 542.0 / 25_000.0,
    );
    assert!((140..=260).contains(&came) && began.elapsed() >= least, "{came} in {:?}", began.elapsed());
    assert_eq!(injector.close().await, []);
    assert_eq!(state(&target), before);
}

/// Without netem the table itself loses packets: half of 400 is between 140 and 260 but once in a million times.
#[tokio::test(flavor = "multi_thread")]
async fn loss_without_netem() {
    let (bench, pair) = (Bench::new(), Pair::new());
    let (target, server) = (pair.target(), other(&pair));
    let before = state(&target);
    assert_eq!(came(&target, &server, 50, 8), 50);
    let facts = HostFacts { netem: false, ..doctor::facts() };
    let injector = Injector::arm_on(bench.settings(), Arc::new(Linux), facts).await.expect("armed");
    let bursts = injector.inject(fault("loss loss=50% burst=3"), target.clone(), LEASE).await;
    assert!(matches!(&bursts, Err(FaultError::Refused { what, .. }) if what.contains("netem")), "{bursts:?}");
    let injected = injector
        .inject(fault("loss loss=50% direction=egress"), target.clone(), LEASE)
        .await
        .expect("injected");
    assert!(injected.proof.landed, "{:?}", injected.proof);
    let lost = 400 - came(&target, &server, 400, 8);
    assert!((140..=260).contains(&lost), "{lost}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(came(&target, &server, 100, 8), 100);
    assert_eq!(state(&target), before);
    assert_eq!(injector.close().await, []);
}

/// How many of so many datagrams of this size come.
fn came(from: &ResolvedTarget, to: &ResolvedTarget, count: usize, size: usize) -> usize {
    let network = |target: &ResolvedTarget| target.network.clone().expect("a network");
    let socket = || UdpSocket::bind("0.0.0.0:0");
    let receiver = enter(&network(to), socket).expect("entered").expect("a socket");
    let sender = enter(&network(from), socket).expect("entered").expect("a socket");
    let port = receiver.local_addr().expect("bound").port();
    receiver.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let mut came = 0;
    for _ in 0..count / 50 {
        for _ in 0..50 {
            sender.send_to(&vec![0; size], ("10.9.0.2", port)).expect("sent");
        }
        // Fewer than fill the receiver, each time.
        while receiver.recv(&mut [0; 2_000]).is_ok() {
            came += 1;
        }
    }
    came
}
