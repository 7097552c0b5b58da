//! What is said while a fault is held: append-only lines, one JSON object each for machines, and a countdown that only a
//! terminal sees.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadstick_core::Timestamp;
use deadstick_core::event::{Body, describe};
use deadstick_core::units::HumanDuration;
use deadstick_runner::injection::Tell;
use deadstick_runner::session::now;
use tokio::task::JoinHandle;

use crate::context::{self, Context};

/// A lease shorter than this needs no countdown.
const SHORT: Duration = Duration::from_secs(2);

/// The voice of one injection.
#[derive(Clone)]
pub(super) struct Lines {
    json: bool,
    quiet: bool,
    countdown: Arc<Mutex<Countdown>>,
}

/// The one line on a terminal that changes.
#[derive(Default)]
struct Countdown {
    wanted: bool,
    ticker: Option<JoinHandle<()>>,
}

impl Lines {
    pub(super) fn new(context: &Context, lease: HumanDuration) -> Self {
        let (json, quiet) = (context.json(), context.quiet());
        let wanted = !json && !quiet && lease.0 >= SHORT && std::io::stderr().is_terminal();
        Self { json, quiet, countdown: Arc::new(Mutex::new(Countdown { wanted, ticker: None })) }
    }

    /// Says every event of the fault.
    pub(super) fn tell(&self) -> Tell {
        let (own, ends) = (self.clone(), Mutex::new(None));
        let last = Mutex::new(None);
        Arc::new(move |body| {
            // What is left is tried once more before the end, and mostly is left for the same reason.
            let before = last.lock().unwrap_or_else(PoisonError::into_inner).replace(body.clone());
            if matches!(body, Body::FaultResidue { .. }) && before.as_ref() == Some(body) {
                return;
            }
            own.event(now(), body);
            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            match body {
                Body::FaultApplying { lease, .. } => *ends = end_of(*lease),
                Body::FaultProved { id, .. } => own.held(id, *ends),
                _ => {}
            }
        })
    }

    /// One event, as it happened.
    pub(super) fn event(&self, at: Timestamp, body: &Body) {
        self.clear();
        if self.json {
            if let Ok(serde_json::Value::Object(mut event)) = serde_json::to_value(body) {
                event.insert("time".to_owned(), at.to_rfc3339().into());
                context::line(&serde_json::Value::Object(event).to_string(), false);
            }
        } else if !self.quiet || matches!(body, Body::FaultNotProved { .. } | Body::FaultResidue { .. }) {
            context::line(&format!("{}  {}", at.format("%H:%M:%SZ"), describe(body)), false);
        }
    }

    /// It is in place: until when, and how it is ended before that.
    fn held(&self, id: &str, ends: Option<Timestamp>) {
        let Some(ends) = ends else { return };
        self.remark(&format!(
            "held until {}; Ctrl-C ends it, as does: deadstick restore {}",
            ends.format("%H:%M:%SZ"),
            short(id)
        ));
        let mut countdown = self.countdown.lock().unwrap_or_else(PoisonError::into_inner);
        if countdown.wanted {
            countdown.ticker = Some(tokio::spawn(count_down(ends)));
        }
    }

    /// Something worth knowing, for people only.
    pub(super) fn remark(&self, text: &str) {
        if !self.json && !self.quiet {
            context::line(&format!("{:11}{text}", ""), false);
        }
    }

    /// Nothing more will be said.
    pub(super) fn end(&self) {
        self.clear();
    }

    fn clear(&self) {
        let ticker = self.countdown.lock().unwrap_or_else(PoisonError::into_inner).ticker.take();
        if let Some(ticker) = ticker {
            ticker.abort();
            write("\r\x1b[K");
        }
    }
}

/// The end of an id, by which lines call a fault.
pub(super) fn short(id: &str) -> &str {
    id.char_indices().rev().nth(5).map_or(id, |(at, _)| &id[at..])
}

fn end_of(lease: HumanDuration) -> Option<Timestamp> {
    now().checked_add_signed(chrono::TimeDelta::from_std(lease.0).ok()?)
}

async fn count_down(ends: Timestamp) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        let left = (ends - now()).to_std().unwrap_or_default().as_secs();
        let left = humantime::format_duration(Duration::from_secs(left));
        write(&format!("\r\x1b[K{:11}{left} left", ""));
    }
}

/// A terminal that is gone needs no countdown.
fn write(text: &str) {
    let mut stream = std::io::stderr().lock();
    drop(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()));
}
