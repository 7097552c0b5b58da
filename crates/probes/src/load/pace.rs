//! Keeping to the schedule.
//!
//! Owns the pacing thread and the life of one request. The thread is one of the operating system, not a task: async
//! timers are rounded up to a millisecond or two, and a busy runtime must not bend the schedule. How late it was is
//! measured where it counts, at the moment when a request begins to run.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use deadstick_core::probe::HttpProbe;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Halt, Sample, Shared, keys};
use crate::http;
use crate::verdict::Verdict;

/// Sends until told to stop, or until nobody reads.
pub(super) fn run(shared: &Arc<Shared>, runtime: &Handle) {
    for seq in 0.. {
        let Some(due) = shared.begins.checked_add(shared.schedule.due(seq)) else { return };
        if !wait(shared, due) {
            return;
        }
        // This process was stopped or starved for longer than any user waits. Those users are not counted as
        // failed: nothing is known about them.
        if due.elapsed() > shared.probe.timeout.0 {
            shared.tally().missed += 1;
            continue;
        }
        if !send(shared, runtime, seq, due) {
            return;
        }
    }
}

/// Sleeps until then; false when told to stop.
fn wait(shared: &Shared, due: Instant) -> bool {
    loop {
        if *shared.halted.borrow() != Halt::No {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        // Unparked early to stop; may also wake for no reason.
        thread::park_timeout(left);
    }
}

/// Puts one request on its way; false when nobody reads.
fn send(shared: &Arc<Shared>, runtime: &Handle, seq: u64, due: Instant) -> bool {
    shared.tally().sent(seq, due.saturating_duration_since(shared.begins));
    let read = shared.sink.send(Sample::Sent { seq, at: since(shared, due) }).is_ok();
    match Arc::clone(&shared.slots).try_acquire_owned() {
        Ok(slot) => {
            drop(runtime.spawn(request(Arc::clone(shared), seq, due, slot)));
        }
        Err(_) => {
            shared.tally().shed(seq);
            let full = format!("not sent: {} requests wait for an answer already", shared.in_flight);
            let now = Instant::now();
            report(shared, seq, now, now.saturating_duration_since(due), false, full);
        }
    }
    read
}

async fn request(shared: Arc<Shared>, seq: u64, due: Instant, slot: OwnedSemaphorePermit) {
    shared.tally().began(due.elapsed());
    let patience = shared.probe.timeout.0;
    let keyed = shared.keys.map(|keys| {
        let key = keys.of(shared.schedule.seed, seq).to_string();
        HttpProbe { url: shared.probe.url.replace(keys::PLACE, &key), ..shared.probe.clone() }
    });
    let probe = keyed.as_ref().unwrap_or(&shared.probe);
    let verdict = tokio::select! {
        () = given_up(shared.halted.subscribe()) => None,
        verdict = tokio::time::timeout(patience, http::ask(&shared.client, probe)) => {
            Some(verdict.unwrap_or_else(|_| Verdict::silence(patience)))
        }
    };
    if let Some(verdict) = verdict {
        let ok = verdict.is_yes();
        let now = Instant::now();
        let latency = now.saturating_duration_since(due);
        shared.tally().answered(seq, ok, latency);
        report(&shared, seq, now, latency, ok, verdict.detail());
    }
    drop(slot);
}

/// Until the load is dropped.
async fn given_up(mut halted: watch::Receiver<Halt>) {
    // An error means that the sender is gone, and with it the load.
    drop(halted.wait_for(|halt| *halt == Halt::Everything).await);
}

/// Tells the reader how a request ended.
fn report(shared: &Shared, seq: u64, now: Instant, latency: Duration, ok: bool, detail: String) {
    let sample = Sample::Answered { seq, at: since(shared, now), ok, latency, detail };
    // Nobody reads any more: the pacing thread sees the same and ends the load.
    drop(shared.sink.send(sample));
}

fn since(shared: &Shared, instant: Instant) -> Duration {
    instant.saturating_duration_since(shared.epoch)
}
