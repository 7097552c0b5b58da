//! Several faults for the same packets, each of a deadstick of its own: every one of them is suffered in full, whoever comes
//! first and whoever goes first.

use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::{FaultError, Injected, Injector, Undone};

use crate::bounds::{distance, farthest, real, successes};
use crate::common::matrix::{World, owner};
use crate::common::{Bench, Chatter, eventually, fault};
use crate::machine::{self, MANY, takes};
use crate::trial::LEASE;
use crate::wire::{Arrival, HEADERS, Train, Way, Wire};

const PACKETS: usize = 5_000;

/// Faults by name, and who has them.
struct Several {
    wire: Wire,
    before: String,
    held: Vec<(Injector, Bench, Injected)>,
}

impl Several {
    async fn of(words: &[&str]) -> Self {
        machine::demand();
        let wire = Wire::new();
        let mut several = Self { before: wire.state(), wire, held: Vec::new() };
        for words in words {
            several.add(fault(words)).await;
        }
        several
    }

    async fn add(&mut self, fault: Fault) {
        let bench = Bench::new();
        let injector = bench.injector().await;
        let chatter = Chatter::of(&self.wire.target());
        let injected = injector.inject(fault, self.wire.target(), LEASE).await.expect("injected");
        assert!(injected.proof.landed, "{:?}", injected.proof);
        drop(chatter);
        self.held.push((injector, bench, injected));
    }

    async fn remove(&mut self, at: usize) {
        let (injector, _bench, injected) = self.held.remove(at);
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!(injector.close().await, []);
    }

    /// The first one first; then everything is as it was.
    async fn end(mut self) {
        while !self.held.is_empty() {
            self.remove(0).await;
        }
        assert_eq!(self.wire.state(), self.before);
        self.wire.is_whole();
    }

    /// How long packets take that way, each by itself.
    fn all_take(&self, way: Way, milliseconds: u64) {
        let train = Train { gap: Duration::from_millis(2 * milliseconds + 5), ..Train::of(MANY, way) };
        let heard = self.wire.send(train);
        assert_eq!(heard.len(), train.count);
        takes(Duration::from_millis(milliseconds), heard.iter().map(|one| one.after));
    }
}

/// In both orders: what is measured holds for each.
async fn both_orders(words: [&str; 2], measure: impl Fn(&Several)) {
    for words in [words, [words[1], words[0]]] {
        let several = Several::of(&words).await;
        measure(&several);
        several.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_add_up() {
    both_orders(["latency delay=20ms", "latency delay=30ms to=10.9.0.2"], |several| {
        several.all_take(Way::Out, 50);
        several.all_take(Way::In, 50);
    })
    .await;
    both_orders(["latency delay=20ms", "latency delay=30ms direction=ingress"], |several| {
        several.all_take(Way::Out, 20);
        several.all_take(Way::In, 50);
    })
    .await;
    // One of them is for other packets.
    both_orders(["latency delay=20ms", "latency delay=30ms to=10.9.0.2:7000"], |several| {
        several.all_take(Way::Out, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_lost_in_bursts() {
    let (loss, ends) = (0.2, 0.2);
    both_orders(["latency delay=20ms", "loss loss=20% burst=5 direction=egress"], |several| {
        let heard = several.wire.send(Train::of(PACKETS, Way::Out));
        assert!(heard.iter().all(|one| one.after >= Duration::from_millis(20)), "late all of them");
        let lost = PACKETS - heard.len();
        let runs = bursts(&heard);
        assert!(successes(lost, ends).contains(&runs), "{lost} lost in {runs} bursts");
        let begins = ends * loss / (1.0 - loss);
        assert!(successes(heard.len(), begins).contains(&runs), "{runs} bursts among {}", heard.len());
    })
    .await;
}

/// How many rows of lost packets there are.
fn bursts(heard: &[Arrival]) -> usize {
    let mut came = vec![false; PACKETS + 1];
    heard.iter().for_each(|one| came[one.number + 1] = true);
    came[0] = true;
    came.windows(2).filter(|pair| pair[0] && !pair[1]).count()
}

/// What each of two losses passes passes both; bursts of two kinds are two models.
#[tokio::test(flavor = "multi_thread")]
async fn losses_of_every_kind() {
    both_orders(["loss loss=20% direction=egress", "loss loss=30% direction=egress"], |several| {
        let lost = PACKETS - several.wire.send(Train::of(PACKETS, Way::Out)).len();
        assert!(successes(PACKETS, 1.0 - 0.8 * 0.7).contains(&lost), "{lost}");
    })
    .await;
    both_orders(
        ["loss loss=30% burst=2 direction=egress", "loss loss=20% burst=3 direction=egress"],
        |several| {
            let heard = several.wire.send(Train::of(PACKETS, Way::Out));
            // Neighbours depend on each other, those twenty apart hardly: each twentieth by itself, for all twenty beginnings.
            for begin in 0..20 {
                let came = heard.iter().filter(|one| one.number % 20 == begin).count();
                let all = successes(PACKETS / 20, 0.7 * 0.8);
                assert!(all.contains(&came), "{came} of each twentieth came, from {begin}");
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_slow() {
    let rate = 100_000.0;
    both_orders(["latency delay=50ms direction=egress", "rate rate=100000B/s direction=egress"], |several| {
        let train = Train { size: 1_000, ..Train::of(600, Way::Out) };
        let heard = several.wire.send(train);
        assert_eq!(heard.len(), train.count, "they wait, and none is lost");
        assert!(heard.iter().all(|one| one.after >= Duration::from_millis(50)), "late all of them");
        let steady = &heard[100..];
        let (first, last) = (steady[0].at, steady[steady.len() - 1].at);
        let measured = real((steady.len() - 1) * (train.size + HEADERS)) / (last - first).as_secs_f64();
        assert!((measured / rate - 1.0).abs() <= 0.02, "{measured} bytes a second");
    })
    .await;
}

/// Two even spreads come to a triangle.
#[tokio::test(flavor = "multi_thread")]
async fn spreads_add_up() {
    let below = |seconds: f64| {
        let at = ((seconds - 0.03) / 0.02).clamp(-1.0, 1.0);
        if at < 0.0 { (1.0 + at).powi(2) / 2.0 } else { 1.0 - (1.0 - at).powi(2) / 2.0 }
    };
    let words = [
        "latency delay=10ms jitter=10ms direction=egress",
        "latency delay=20ms jitter=10ms direction=egress",
    ];
    both_orders(words, |several| {
        let train = Train { gap: Duration::from_millis(1), ..Train::of(PACKETS, Way::Out) };
        let after: Vec<_> = several.wire.send(train).iter().map(|one| one.after.as_secs_f64()).collect();
        assert_eq!(after.len(), PACKETS);
        // A tenth of a millisecond of the guest's own work, in a spread of forty.
        let far = distance(&after, below);
        assert!(far <= farthest(PACKETS) + 0.01, "{far}");
    })
    .await;
}

/// Of three, the middle one goes first; then the last one comes again.
#[tokio::test(flavor = "multi_thread")]
async fn three_at_once_and_the_middle_one_goes() {
    let mut several =
        Several::of(&["latency delay=10ms", "latency delay=20ms to=10.9.0.0/24", "latency delay=40ms"]).await;
    several.all_take(Way::Out, 70);
    several.all_take(Way::In, 70);
    several.remove(1).await;
    several.all_take(Way::Out, 50);
    several.all_take(Way::In, 50);
    several.add(fault("latency delay=5ms direction=egress")).await;
    several.all_take(Way::Out, 55);
    several.remove(0).await;
    several.all_take(Way::Out, 45);
    several.remove(0).await;
    several.all_take(Way::Out, 5);
    several.all_take(Way::In, 0);
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_user_and_to_an_address() {
    let by_user = |words: &str| match fault(words) {
        Fault::Latency(mut impaired) => {
            impaired.flow.user = Some(0);
            Fault::Latency(impaired)
        }
        other => panic!("{other:?}"),
    };
    for first in [true, false] {
        let mut several = Several::of(&[]).await;
        let mut faults =
            [by_user("latency delay=20ms direction=egress"), fault("latency delay=30ms direction=egress")];
        if first {
            faults.reverse();
        }
        for fault in faults {
            several.add(fault).await;
        }
        several.all_take(Way::Out, 50);
        several.remove(0).await;
        several.all_take(Way::Out, if first { 20 } else { 30 });
        several.end().await;
    }
}

/// Who owns a fault elsewhere.
struct Elsewhere {
    target: ResolvedTarget,
}

impl World for Elsewhere {
    fn fault(&self) -> Fault {
        fault("latency delay=30ms")
    }
    fn target(&self) -> ResolvedTarget {
        self.target.clone()
    }
    fn works(&self) -> bool {
        true
    }
}

/// SIGKILL of one owner: its part is gone at once, and that of the other goes on, to the last packet.
#[tokio::test(flavor = "multi_thread")]
async fn one_owner_is_killed_and_the_other_goes_on() {
    for killed_comes_first in [true, false] {
        let mut several = Several::of(&[]).await;
        let late = fault("latency delay=20ms");
        if !killed_comes_first {
            several.add(late.clone()).await;
        }
        let (bench, alone) = (Bench::new(), several.wire.queues());
        let elsewhere = Elsewhere { target: several.wire.target() };
        let mut owner = owner(&bench.ledger(), &elsewhere, "600s", "Examined");
        while !owner.hear().expect("it injects").starts_with("at ") {}
        if killed_comes_first {
            several.add(late).await;
        }
        several.all_take(Way::Out, 50);
        several.all_take(Way::In, 50);
        owner.kill();
        // At once, while its guardian still cleans up, which costs the guest's processor some milliseconds.
        for way in [Way::Out, Way::In] {
            let heard = several.wire.send(Train { gap: Duration::from_millis(45), ..Train::of(20, way) });
            let only_late = |one: &Arrival| (20..50).contains(&one.after.as_millis());
            assert!(heard.len() == 20 && heard.iter().all(only_late), "{heard:?}");
        }
        if !killed_comes_first {
            eventually("what was the killed one's is gone", || several.wire.queues() == alone).await;
        }
        eventually("the guardian has written that it is gone", || {
            let faults = crate::common::store::faults(&bench.ledger());
            faults.values().all(|fault| !fault.state.is_open())
        })
        .await;
        several.all_take(Way::Out, 20);
        several.all_take(Way::In, 20);
        several.end().await;
    }
}

/// The kernel has no netem that duplicates beside another one on a device: refused by the other one's name, before
/// anything is touched.
#[tokio::test(flavor = "multi_thread")]
async fn what_duplicates_is_alone() {
    for [first, second] in [
        ["latency delay=20ms", "duplicate duplicate=50%"],
        ["duplicate duplicate=50%", "latency delay=20ms to=10.9.0.9"],
        ["duplicate duplicate=50%", "rate rate=1MB/s"],
    ] {
        let several = Several::of(&[first]).await;
        let (bench, now) = (Bench::new(), several.wire.queues());
        let injector = bench.injector().await;
        let refused = injector.inject(fault(second), several.wire.target(), LEASE).await;
        let id = &several.held[0].2.id;
        assert!(
            matches!(&refused, Err(FaultError::Refused { what, .. }) if what.contains(id.as_str())),
            "{first} and {second}: {refused:?}"
        );
        assert_eq!(several.wire.queues(), now);
        assert_eq!(injector.close().await, []);
        several.end().await;
    }
}
