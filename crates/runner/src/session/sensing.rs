//! Asks the probes of open checklists, again and again, while a session lasts.
//!
//! Owns when each is due and filling its placeholders; a probe never waits for another. Leaves asking to the probes crate
//! and what an answer means to the incident engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadstick_core::event::ItemId;
use deadstick_core::probe::{Answer, Observation, Probe};
use deadstick_core::template::{self, Variables};
use deadstick_probes::{Context, Prober};
use tokio::task::JoinSet;

use super::{Session, SessionError};
use crate::surroundings::Surroundings;

/// How often the list of due probes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks probes until it is dropped.
#[must_use = "sensing ends when this is dropped"]
pub struct Sensing(tokio::task::JoinHandle<()>);

impl Drop for Sensing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sensing {
    /// Begins.
    pub fn start(session: Session, prober: Prober, surroundings: Arc<dyn Surroundings>) -> Self {
        Self(tokio::spawn(sense(session, prober, surroundings)))
    }
}

async fn sense(session: Session, prober: Prober, surroundings: Arc<dyn Surroundings>) {
    let mut asked: BTreeMap<ItemId, Instant> = BTreeMap::new();
    let mut running: JoinSet<(ItemId, Observation)> = JoinSet::new();
    let mut waiting: Vec<ItemId> = Vec::new();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(done) = running.join_next() => {
                let Ok((item, observation)) = done else { continue };
                waiting.retain(|waiting| *waiting != item);
                // A full disk is reported by the acts of people; the next answer is another try.
                if matches!(session.observe(item, observation).await, Err(SessionError::Over)) {
                    return;
                }
                continue;
            }
        }
        let due = session.incident().due_probes();
        asked.retain(|item, _| due.iter().any(|probe| probe.item == *item));
        let due: Vec<_> = due
            .into_iter()
            .filter(|probe| !waiting.contains(&probe.item))
            .filter(|probe| asked.get(&probe.item).is_none_or(|at| at.elapsed() >= probe.every))
            .collect();
        if due.is_empty() {
            continue;
        }
        let (variables, context) = surroundings.now().await;
        for probe in due {
            asked.insert(probe.item.clone(), Instant::now());
            waiting.push(probe.item.clone());
            let (prober, context, filled) = (prober.clone(), context.clone(), fill(probe.probe, &variables));
            running.spawn(async move { (probe.item, ask(&prober, &context, filled).await) });
        }
    }
}

/// A probe with its placeholders filled, or why it cannot be asked.
pub(crate) fn fill(mut probe: Probe, variables: &Variables) -> Result<Probe, template::Unbound> {
    for text in probe.texts_mut() {
        *text = template::fill(text, variables)?;
    }
    Ok(probe)
}

/// A probe that cannot even be asked is unknown.
pub(crate) async fn ask(
    prober: &Prober,
    context: &Context,
    probe: Result<Probe, template::Unbound>,
) -> Observation {
    match probe {
        Ok(probe) => prober.ask(&probe, context).await,
        Err(unbound) => Observation {
            answer: Answer::Unknown,
            value: None,
            detail: format!("{unbound} at the moment"),
            took: Duration::ZERO,
        },
    }
}
