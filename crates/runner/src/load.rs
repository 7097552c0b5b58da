//! Spikes: the joint between the faults crate, which orders a load, and the probes crate, which sends it.
//!
//! Owns the thread that lives in the target's network for as long as the load does: every socket of a load is made there.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use deadstick_core::fault::HttpMethod;
use deadstick_core::probe::{HttpMethod as Method, HttpProbe};
use deadstick_core::units::HumanDuration;
use deadstick_faults::load::{LoadCounts, LoadFactory, LoadOrder, RunningLoad};
use deadstick_faults::network::Namespace;
use deadstick_faults::privileges;
use deadstick_probes::{Keys, Load, LoadHandle, Prober};
use tokio::sync::{oneshot, watch};

/// How long a user waits for an answer.
const PATIENCE: HumanDuration = HumanDuration::secs(10);

/// Loads made of user requests.
pub struct OpenLoads;

impl LoadFactory for OpenLoads {
    fn start(&self, order: LoadOrder) -> io::Result<Box<dyn RunningLoad>> {
        let (started, has_started) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let (counts, seen) = watch::channel(LoadCounts::default());
        let live = move || {
            let network = order.network.clone();
            let body = || send(&order, &started, &counts, stopped);
            match network {
                None => body(),
                Some(network) => {
                    let inside = Namespace::open(&network).and_then(|namespace| namespace.run(body));
                    if let Err(error) = inside {
                        // Nobody waits for it when it had started.
                        drop(started.send(Err(io::Error::other(error.to_string()))));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("deadstick-spike".to_owned()).spawn(live)?;
        let running = Running { counts: seen, stop: Some(stop), thread: Some(thread) };
        has_started.recv().map_err(io::Error::other)??;
        Ok(Box::new(running))
    }
}

/// Sends until it is told to stop.
fn send(
    order: &LoadOrder,
    started: &mpsc::SyncSender<io::Result<()>>,
    counts: &watch::Sender<LoadCounts>,
    stopped: oneshot::Receiver<()>,
) {
    // It is where it sends from: that needs nothing, nor do the threads that it starts.
    privileges::keep_none();
    let begin = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (load, samples) = runtime.block_on(async { load(order) })?;
        Ok::<_, io::Error>((runtime, load, samples))
    };
    match begin() {
        Err(error) => drop(started.send(Err(error))),
        Ok((runtime, load, mut samples)) => {
            drop(started.send(Ok(())));
            runtime.block_on(async {
                let follow = async {
                    let mut look = tokio::time::interval(Duration::from_millis(20));
                    loop {
                        look.tick().await;
                        // The counts say it all; a load waits for nobody who reads.
                        while samples.try_recv().is_ok() {}
                        counts.send_replace(count(&load));
                    }
                };
                tokio::select! {
                    // An error means that whoever held it is gone, which stops it, too.
                    _ = stopped => {}
                    () = follow => {}
                }
            });
            drop(load);
            runtime.shutdown_background();
        }
    }
}

type Samples = tokio::sync::mpsc::UnboundedReceiver<deadstick_probes::Sample>;

fn load(order: &LoadOrder) -> io::Result<(LoadHandle, Samples)> {
    let method = match order.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    };
    let probe = HttpProbe { url: order.url.clone(), method, body: None, timeout: PATIENCE, expect: None };
    let keys = order.url.contains("{key}").then(|| Keys { count: order.keys, hot: order.hot.ratio() });
    let every = Duration::from_secs(1) / order.per_second.max(1);
    let seed = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap_or(0);
    let prober = Prober::new().map_err(io::Error::other)?;
    let (sink, samples) = tokio::sync::mpsc::unbounded_channel();
    let load = Load { probe, every, seed, keys }.start(&prober, Instant::now(), sink);
    Ok((load.map_err(io::Error::other)?, samples))
}

fn count(load: &LoadHandle) -> LoadCounts {
    let summary = load.summary();
    LoadCounts {
        sent: summary.sent.saturating_sub(summary.shed),
        served: summary.ok,
        failed: summary.answered.saturating_sub(summary.ok + summary.shed),
    }
}

struct Running {
    counts: watch::Receiver<LoadCounts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningLoad for Running {
    fn counts(&self) -> LoadCounts {
        *self.counts.borrow()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It holds nothing that a panic could spoil.
            drop(thread.join());
        }
    }
}
