//! The open-loop load against a server that serves, stalls, fails and goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deadstick_core::probe::{HttpMethod, HttpProbe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Load, LoadError, LoadHandle, Prober, Sample, Summary};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::server::{Mode, Server};

const FINE: Mode = Mode::Answer("200 OK", "fine");

fn load(url: String, every: Duration, timeout_ms: u64) -> Load {
    let timeout = HumanDuration::millis(timeout_ms);
    let probe =
        HttpProbe { url, method: HttpMethod::Post, body: Some("{}".to_owned()), timeout, expect: None };
    Load { probe, every, seed: 42, keys: None }
}

fn start(load: Load, epoch: Instant) -> (LoadHandle, UnboundedReceiver<Sample>) {
    let (sink, samples) = unbounded_channel();
    let prober = Prober::new().expect("a client");
    (load.start(&prober, epoch, sink).expect("a load"), samples)
}

/// One request as the samples tell it.
#[derive(Debug)]
struct Seen {
    due: Duration,
    ok: bool,
    answered: Duration,
    latency: Duration,
    detail: String,
}

/// All requests of a stopped load; checks what holds for every load on the way.
async fn all(mut samples: UnboundedReceiver<Sample>, summary: &Summary) -> Vec<Seen> {
    let mut waiting = BTreeMap::new();
    let mut seen = BTreeMap::new();
    let mut next = 0;
    while let Some(sample) = samples.recv().await {
        match sample {
            Sample::Sent { seq, at } => {
                assert_eq!(seq, next, "numbers follow each other");
                next += 1;
                waiting.insert(seq, at);
            }
            Sample::Answered { seq, at, ok, latency, detail } => {
                let due = waiting.remove(&seq).expect("answered once, after it was sent");
                assert_eq!(due + latency, at, "latency counts from the moment it was due");
                seen.insert(seq, Seen { due, ok, answered: at, latency, detail });
            }
        }
    }
    assert!(waiting.is_empty(), "a load that was stopped has no open ends: {waiting:?}");
    let ok = seen.values().filter(|s| s.ok).count() as u64;
    let all = seen.len() as u64;
    assert_eq!(
        (summary.sent, summary.answered, summary.ok, summary.missed),
        (all, all, ok, 0),
        "{summary:?}"
    );
    assert_eq!(summary.oldest_pending, None);
    assert!(seen.values().is_sorted_by_key(|s| s.due));
    seen.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "the pace that was kept is worth reading, and depends on the machine"
)]
async fn a_thousand_a_second_keep_to_the_schedule() {
    let server = Server::start(FINE).await;
    let epoch = Instant::now();
    let every = Duration::from_millis(1);
    let (handle, samples) = start(load(server.url(), every, 60_000), epoch);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let summary = handle.stop().await;
    println!("{}", serde_json::to_string_pretty(&summary).expect("numbers"));
    let seen = all(samples, &summary).await;
    assert!(seen.iter().all(|s| s.ok && s.detail == "answered 200 OK"), "{:?}", seen.iter().find(|s| !s.ok));
    assert!(seen.len() >= 1000, "two seconds of one a millisecond, on the busiest machine: {}", seen.len());
    // One in each span: no two neighbours are further apart than two spans, whatever the machine did.
    let widest = seen.windows(2).map(|w| w[1].due.saturating_sub(w[0].due)).max();
    assert!(widest.is_some_and(|gap| gap < every * 2), "{widest:?}");
    let lateness = summary.lateness.expect("requests ran");
    let latency = summary.latency.expect("requests were answered");
    assert!(lateness.p50 <= latency.p50, "lateness is part of the latency: {summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_everything_that_was_due_meanwhile() {
    let server = Server::start(FINE).await;
    let epoch = Instant::now();
    let (handle, samples) = start(load(server.url(), Duration::from_millis(20), 30_000), epoch);
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.turn(Mode::Hang);
    let begins = epoch.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let halfway = handle.summary();
    let ends = epoch.elapsed();
    server.turn(FINE);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let seen = all(samples, &handle.stop().await).await;

    let stalled: Vec<_> = seen.iter().filter(|s| s.due >= begins && s.due < ends).collect();
    assert!(stalled.len() >= 99, "sending went on during the stall: {}", stalled.len());
    for s in &stalled {
        assert!(s.ok && s.answered >= ends, "answered before the stall was over: {s:?}");
        assert!(s.latency >= ends.saturating_sub(s.due), "the wait is cut short: {s:?}");
    }
    let worst = stalled.iter().map(|s| s.latency).max().expect("a hundred");
    assert!(worst >= Duration::from_millis(1900), "{worst:?}");
    // Half of them waited for more than half of the stall: a closed loop would have sent one.
    let long = stalled.iter().filter(|s| s.latency >= Duration::from_millis(950)).count();
    assert!(long * 2 >= stalled.len(), "{long} of {}", stalled.len());
    // And while it lasted, the waiting was there to see.
    assert!(halfway.sent - halfway.answered >= 80, "{halfway:?}");
    assert!(halfway.oldest_pending.is_some_and(|age| age >= Duration::from_millis(1900)), "{halfway:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_apart() {
    let server = Server::start(FINE).await;
    let (handle, mut samples) = start(load(server.url(), Duration::from_millis(10), 500), Instant::now());
    for (mode, detail) in [
        (Some(Mode::Hang), "no answer within 500ms"),
        (Some(Mode::Answer("503 Service Unavailable", "try later")), "answered 503"),
        (Some(Mode::Reset), "closed before"),
        (None, "nothing listens"),
    ] {
        match mode {
            Some(mode) => server.turn(mode),
            None => server.leave().await,
        }
        let seen = async {
            loop {
                if let Some(Sample::Answered { ok, detail: seen, .. }) = samples.recv().await
                    && seen.contains(detail)
                {
                    return ok;
                }
            }
        };
        let ok = tokio::time::timeout(Duration::from_secs(30), seen).await.expect(detail);
        assert!(!ok, "{detail}");
    }
    let summary = handle.stop().await;
    assert_eq!(summary.sent, summary.answered, "{summary:?}");
}

#[tokio::test]
async fn dropping_it_ends_it_at_once() {
    let server = Server::start(Mode::Hang).await;
    let (handle, mut samples) = start(load(server.url(), Duration::from_millis(5), 600_000), Instant::now());
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(handle);
    // The channel closes only when the thread and every request have let go of it.
    let closed = async { while samples.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("requests of a dropped load go on");
}

#[tokio::test]
async fn it_ends_when_nobody_reads() {
    let server = Server::start(FINE).await;
    let (sink, samples) = unbounded_channel();
    drop(samples);
    let load = load(server.url(), Duration::from_millis(1), 5000);
    let handle = load.start(&Prober::new().expect("a client"), Instant::now(), sink).expect("a load");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sent = handle.summary().sent;
    assert!(sent <= 1, "{sent} requests for nobody");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let prober = Prober::new().expect("a client");
    let refused = |url: &str, every: Duration| {
        let (sink, _samples) = unbounded_channel();
        load(url.to_owned(), every, 1000).start(&prober, Instant::now(), sink).err()
    };
    let ms = Duration::from_millis;
    assert!(matches!(refused("http://127.0.0.1/", Duration::ZERO), Some(LoadError::Period(_))));
    assert!(matches!(refused("not a url", ms(10)), Some(LoadError::Url { .. })));
    let outside = std::thread::spawn(|| {
        let prober = Prober::new().expect("a client");
        let (sink, _samples) = unbounded_channel();
        load("http://127.0.0.1/".to_owned(), Duration::from_secs(1), 1000)
            .start(&prober, Instant::now(), sink)
            .err()
    });
    assert!(matches!(outside.join().expect("no panic"), Some(LoadError::Runtime(_))));
}
