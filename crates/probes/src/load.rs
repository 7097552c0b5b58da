//! User requests on a schedule that no slow answer can hold up.
//!
//! Owns sending and counting; leaves judging to the core's steady state. The load is *open*: users arrive whether or
//! not earlier ones were served, so a request is sent when it is due and its latency counts from that moment (no
//! coordinated omission). Each user is new: every request has its own connection, as in [`crate::Prober::ask`].
//!
//! Every `every` one request is due, at a point within that span which the seed decides: the same seed gives the same
//! schedule, and no schedule can run in step with something periodic in the system.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use deadstick_core::probe::HttpProbe;
use deadstick_core::steady_state;
use reqwest::Client;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, watch};

use crate::Prober;
use crate::verdict::humane;

mod keys;
mod pace;
mod schedule;
mod summary;

pub use keys::Keys;
use schedule::Schedule;
use summary::Tally;
pub use summary::{Percentiles, Summary};

/// The shortest period. Below it the pacing thread would do nothing else.
const SHORTEST: Duration = Duration::from_micros(100);

/// How many requests may wait for an answer at once, if the limit of open files admits it.
const IN_FLIGHT: u32 = 4096;

/// A load to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The request, and what its answer must be. Its timeout is each user's patience.
    pub probe: HttpProbe,
    /// How long from one request to the next, on average.
    pub every: Duration,
    /// Decides the moment within each span of `every`, and the keys.
    pub seed: u64,
    /// What stands for `{key}` in the URL; the URL is taken as it is when there are none.
    pub keys: Option<Keys>,
}

/// Something that happened to one request. Times are since the epoch that the load was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It was due, and is on its way.
    Sent {
        /// Which, from 0; a number is left out when the schedule was slept through ([`Summary::missed`]).
        seq: u64,
        /// When it was due.
        at: Duration,
    },
    /// It was answered, or given up. Comes after its `Sent`, and once.
    Answered {
        /// Which.
        seq: u64,
        /// When.
        at: Duration,
        /// Whether the answer was as expected. Silence is a failure here: a user was not served.
        ok: bool,
        /// Since it was due.
        latency: Duration,
        /// What was seen; printable text.
        detail: String,
    },
}

impl From<&Sample> for steady_state::Sample {
    /// What the steady state judges by; its stream begins at the load's epoch.
    fn from(sample: &Sample) -> Self {
        match *sample {
            Sample::Sent { seq, at } => Self::Sent { seq, at },
            Sample::Answered { seq, ok, latency, .. } => Self::Answered { seq, ok, latency },
        }
    }
}

/// A load that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The period is too short.
    #[error("a request every {} is more than one sender can keep up; the shortest period is {}", humane(*.0), humane(SHORTEST))]
    Period(Duration),
    /// The URL cannot be asked.
    #[error("{url:?} cannot be asked: {source}")]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// It was started outside an async runtime.
    #[error("a load needs an async runtime around it")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
    /// The pacing thread could not be started.
    #[error("the pacing thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

impl Load {
    /// Starts sending; the first span begins now. The sink is unbounded because a load must never wait for its
    /// reader; it grows by two samples a request. When the reader is gone the load ends.
    ///
    /// # Errors
    ///
    /// When the period is below 100 µs, the URL is no URL, or there is no runtime or no thread to be had.
    pub fn start(
        self,
        prober: &Prober,
        epoch: Instant,
        sink: UnboundedSender<Sample>,
    ) -> Result<LoadHandle, LoadError> {
        self.start_from(Instant::now(), prober, epoch, sink)
    }

    /// The same with a first span that began then.
    fn start_from(
        self,
        begins: Instant,
        prober: &Prober,
        epoch: Instant,
        sink: UnboundedSender<Sample>,
    ) -> Result<LoadHandle, LoadError> {
        if self.every < SHORTEST {
            return Err(LoadError::Period(self.every));
        }
        if let Err(source) = prober.http.get(self.probe.url.replace(keys::PLACE, "0")).build() {
            let url = crate::verdict::kept(&self.probe.url);
            return Err(LoadError::Url { url, source: source.without_url() });
        }
        let runtime = Handle::try_current()?;
        let in_flight = in_flight_limit();
        let shared = Arc::new(Shared {
            client: prober.http.clone(),
            schedule: Schedule { every: self.every, seed: self.seed },
            keys: self.keys,
            probe: self.probe,
            epoch,
            begins,
            sink,
            in_flight,
            slots: Arc::new(Semaphore::new(in_flight as usize)),
            tally: Mutex::new(Tally::default()),
            halted: watch::Sender::new(Halt::No),
        });
        let pacer = std::thread::Builder::new()
            .name("deadstick-load".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || pace::run(&shared, &runtime)
            })
            .map_err(LoadError::Thread)?;
        Ok(LoadHandle { shared, pacer: Some(pacer) })
    }
}

/// [`IN_FLIGHT`], or what the limit of open files leaves when the rest of the process has a quarter of it.
fn in_flight_limit() -> u32 {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    files.map_or(IN_FLIGHT, |n| u32::try_from(n / 4 * 3).unwrap_or(IN_FLIGHT).clamp(1, IN_FLIGHT))
}

/// How far a load has been told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    No,
    /// Nothing more is sent.
    Sending,
    /// Nothing is waited for either.
    Everything,
}

/// What the handle, the pacing thread and the requests share.
#[derive(Debug)]
struct Shared {
    client: Client,
    probe: HttpProbe,
    schedule: Schedule,
    keys: Option<Keys>,
    epoch: Instant,
    begins: Instant,
    sink: UnboundedSender<Sample>,
    in_flight: u32,
    slots: Arc<Semaphore>,
    tally: Mutex<Tally>,
    halted: watch::Sender<Halt>,
}

impl Shared {
    /// The counts. They are plain numbers and hold after any panic.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load under way. Dropping it stops it at once: nothing is sent any more, and requests on their way are given up
/// without a [`Sample::Answered`].
#[derive(Debug)]
pub struct LoadHandle {
    shared: Arc<Shared>,
    pacer: Option<JoinHandle<()>>,
}

impl LoadHandle {
    /// The counts so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.shared.tally().summary(self.shared.begins.elapsed())
    }

    /// Stops sending, waits until every request on its way is answered or out of patience, and counts.
    pub async fn stop(mut self) -> Summary {
        self.halt(Halt::Sending);
        // Every slot is free again when nothing is on its way. The semaphore is never closed, so this cannot fail.
        drop(self.shared.slots.acquire_many(self.shared.in_flight).await);
        self.summary()
    }

    /// After this nothing is sent: the thread looks at the flag before each request, and is waited for.
    fn halt(&mut self, halt: Halt) {
        self.shared.halted.send_replace(halt);
        if let Some(pacer) = self.pacer.take() {
            pacer.thread().unpark();
            // It sleeps or sends, and holds nothing that a panic could spoil.
            drop(pacer.join());
        }
    }
}

impl Drop for LoadHandle {
    fn drop(&mut self) {
        self.halt(Halt::Everything);
    }
}

#[cfg(test)]
mod tests {
    use deadstick_core::probe::HttpMethod;
    use deadstick_core::units::HumanDuration;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn what_was_slept_through_is_missed_and_not_failed() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let probe = HttpProbe {
            url: format!("http://{nobody}/"),
            method: HttpMethod::Get,
            body: None,
            timeout: HumanDuration::secs(600),
            expect: None,
        };
        let every = Duration::from_secs(60);
        let prober = Prober::new().expect("a client");
        let (sink, mut samples) = unbounded_channel();
        // As if this process had been stopped for an hour right after the start.
        let now = Instant::now();
        let begins = now.checked_sub(Duration::from_secs(3600)).expect("a clock that reaches back");
        let load = Load { probe, every, seed: 3, keys: None };
        let handle = load.start_from(begins, &prober, begins, sink).expect("a load");
        // The last ten minutes are made up for, one request in each.
        for _ in 0..18 {
            samples.recv().await.expect("nine sent and answered at least");
        }
        let summary = handle.stop().await;
        assert!((49..=51).contains(&summary.missed), "{summary:?}");
        assert!((9..=11).contains(&summary.sent), "{summary:?}");
        assert_eq!(summary.ok, 0, "nothing listens");
        let latency = summary.latency.expect("answers");
        assert!(latency.max >= Duration::from_secs(500), "counted from when it was due: {latency:?}");
    }
}
