//! What users see, all streams together.
//!
//! Owns when steady state as a whole was lost and regained: it holds while every stream holds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::Body;
use crate::playbook::Playbook;
use crate::steady_state::{Sample, Standing, Watch};
use crate::units::{HumanDuration, Name};

use super::Elapsed;

/// All streams of a playbook.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    streams: BTreeMap<Name, Stream>,
    /// Since when every stream has held.
    pub(super) holding_since: Option<Elapsed>,
    /// Since when at least one has been lost.
    pub(super) lost_since: Option<Elapsed>,
    /// When the last loss ended.
    pub(super) regained_at: Option<Elapsed>,
}

#[derive(Clone, Debug)]
struct Stream {
    watch: Watch,
    lost_since: Option<Elapsed>,
    standing: Standing,
}

impl Streams {
    pub(super) fn new(playbook: &Playbook) -> Self {
        let streams = playbook.steady_state.iter().map(|probe| {
            let watch = Watch::new(probe.tolerate);
            (probe.name.clone(), Stream { watch, lost_since: None, standing: Standing::Undetermined })
        });
        Self { streams: streams.collect(), holding_since: None, lost_since: None, regained_at: None }
    }

    pub(super) fn take(&mut self, stream: &Name, sample: Sample) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.watch.take(sample);
        }
    }

    /// Judges every stream; says what changed.
    pub(super) fn judge(&mut self, now: Elapsed) -> Vec<Body> {
        let mut changes = Vec::new();
        for (name, stream) in &mut self.streams {
            stream.standing = stream.watch.judge(now);
            match (stream.standing, stream.lost_since) {
                (Standing::Lost(measured), None) => {
                    stream.lost_since = Some(now);
                    let measured = format!("{measured}; tolerated: {}", stream.watch.tolerance());
                    changes.push(Body::SteadyStateLost { probe: name.clone(), measured });
                }
                (Standing::Holding(measured), Some(since)) => {
                    stream.lost_since = None;
                    changes.push(Body::SteadyStateRegained {
                        probe: name.clone(),
                        measured: measured.to_string(),
                        lost_for: to_tenths(now.saturating_sub(since)),
                    });
                }
                _ => {}
            }
        }
        if self.streams.values().all(|s| s.standing.holds()) {
            self.holding_since.get_or_insert(now);
            if self.lost_since.take().is_some() {
                self.regained_at = Some(now);
            }
        } else {
            self.holding_since = None;
            if self.streams.values().any(|s| s.lost_since.is_some()) {
                self.lost_since.get_or_insert(now);
            }
        }
        changes
    }

    /// Whether every stream has held for this long.
    pub(super) fn held_for(&self, now: Elapsed, length: Duration) -> bool {
        self.holding_since.is_some_and(|since| now.saturating_sub(since) >= length)
    }

    /// Where each stream stands, in words.
    pub(super) fn describe(&self) -> String {
        let words = self.streams.iter().map(|(name, stream)| match stream.standing {
            Standing::Undetermined => format!("{name}: too few answers yet"),
            Standing::Holding(measured) => format!("{name} holds ({measured})"),
            Standing::Lost(measured) => format!("{name} does not hold ({measured})"),
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

/// Rounded to tenths of a second: what a reader of a timeline needs.
fn to_tenths(length: Duration) -> HumanDuration {
    HumanDuration::millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX) / 100 * 100)
}
