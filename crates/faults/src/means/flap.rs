//! A link that is bad and good in turns: owned tables that act and rest.
//!
//! A bad spell ends by itself in the kernel when nobody ends it, as does a good one that is not undisturbed: the devices in
//! a table's set time out with it. The owner's clock only begins the next one; when the owner dies, the tables go.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use deadstick_core::fault::{Direction, Fault, Flow, Impairment, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::HumanDuration;
use futures_util::future::BoxFuture;

use super::branch::{Branch, Wanted};
use super::table::{self, DISCARD, Held, SILENCE};
use super::{Effect, Means, Prepared, Site, Step, failed, seen, shaped, unseen};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Layer, Reach, TableEffect};
use crate::plan::{HostFacts, Planned, PlannedObject};

/// The shortest spell: far above what a table takes to change.
const SHORTEST: HumanDuration = HumanDuration::millis(50);
/// How long a proof waits for a bad spell to be seen.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// Plans the turns.
pub(crate) fn plan(fault: &Fault, target: &ResolvedTarget, host: &HostFacts) -> Result<Planned, FaultError> {
    let network = table::network(fault, target)?;
    let Fault::Flap { up, down, while_down, while_up, flow } = fault else {
        return Err(FaultError::refused(format!("{} has no turns", fault.kind()), "plan it by its own kind"));
    };
    table::check(flow, host)?;
    if *up < SHORTEST || *down < SHORTEST {
        return Err(FaultError::refused(
            format!("turns of {up} and {down}"),
            format!("give {SHORTEST} or more for each"),
        ));
    }
    let chosen = format!("{}{}", table::way(flow.direction), table::said(flow));
    let mut objects = Vec::new();
    let bad = Spell::of(while_down.as_ref(), flow, host)?;
    let good = match while_up {
        Some(_) => Some(Spell::of(while_up.as_ref(), flow, host)?),
        None => None,
    };
    for (spell, when, length) in [(Some(&bad), "bad", down), (good.as_ref(), "good", up)] {
        let Some(spell) = spell else { continue };
        let what = match spell {
            Spell::Cut => format!("drops {chosen}"),
            Spell::Lose(parts) => {
                format!("loses {}% of {chosen}", f64::from(*parts) * 100.0 / f64::from(TableEffect::PARTS))
            }
            Spell::Hurt { impairment, .. } => {
                objects.push(PlannedObject::new(
                    format!("classes below our root qdisc, or on an ifb device of ours, in that network: {impairment}"),
                    "remove the classes by number and mark, the device by name and mark; without the table they are inert",
                ));
                format!("sends {chosen} through those classes")
            }
        };
        objects.push(table::owned(
            &network,
            &format!("{what} for {length}, while the link is {when}; loopback stays"),
        ));
    }
    let ask = table::asked(&flow.to, target);
    let turns = Turns { down: down.0, up: up.0 };
    let means = Flapping { network, layer: table::layer(host), flow: flow.clone(), turns, bad, good, ask };
    Ok(Planned::new(means, objects))
}

#[derive(Clone, Copy, Debug)]
struct Turns {
    down: Duration,
    up: Duration,
}

/// What packets suffer while it lasts.
#[derive(Clone, Debug)]
enum Spell {
    Cut,
    Lose(u32),
    Hurt { impairment: Impairment, netem: bool },
}

impl Spell {
    fn of(impairment: Option<&Impairment>, flow: &Flow, host: &HostFacts) -> Result<Self, FaultError> {
        let Some(impairment) = impairment else { return Ok(Self::Cut) };
        let only_loss = Impairment { loss: impairment.loss, ..Impairment::default() } == *impairment;
        if only_loss && !host.netem {
            return Ok(Self::Lose(parts(impairment)));
        }
        shaped::can_be_kept(impairment)?;
        let only_rate = Impairment { rate: impairment.rate, ..Impairment::default() } == *impairment;
        if !only_rate && !host.netem {
            return Err(FaultError::refused(
                format!("turns with {impairment} need netem, which this kernel does not have"),
                "leave the impairment out, or name a plain loss or rate",
            ));
        }
        shaped::ways_are_open(flow, host)?;
        Ok(Self::Hurt { impairment: impairment.clone(), netem: !only_rate })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a million is between 0 and a million"
)]
fn parts(impairment: &Impairment) -> u32 {
    (impairment.loss.ratio() * f64::from(TableEffect::PARTS)).round() as u32
}

#[derive(Clone, Debug)]
struct Flapping {
    network: NetworkIdentity,
    layer: Layer,
    flow: Flow,
    turns: Turns,
    bad: Spell,
    good: Option<Spell>,
    ask: Option<SocketAddr>,
}

impl Flapping {
    async fn branch(&self, site: &Site, spell: &Spell, which: u8) -> Result<Option<Branch>, FaultError> {
        let Spell::Hurt { impairment, netem } = spell else { return Ok(None) };
        let wanted = Wanted {
            network: self.network.clone(),
            impairment: impairment.clone(),
            flow: self.flow.clone(),
            netem: *netem,
            replace: false,
        };
        Branch::prepare(site, wanted, which).await.map(Some)
    }

    /// Makes what a spell needs, and says what the tables do.
    async fn effects(
        &self,
        site: &Site,
        spell: &Spell,
        branch: Option<&Branch>,
    ) -> Result<Vec<TableEffect>, FaultError> {
        match (spell, branch) {
            (_, Some(branch)) => branch.apply(site).await,
            (Spell::Lose(parts), None) => {
                Ok(vec![TableEffect::Lose { flow: self.flow.clone(), parts: *parts }])
            }
            _ => Ok(vec![TableEffect::Cut { flow: self.flow.clone() }]),
        }
    }

    fn spells(&self) -> impl Iterator<Item = &Spell> {
        std::iter::once(&self.bad).chain(&self.good)
    }
}

/// The names of the tables: for each spell one, or one for each way where they are at different hooks.
fn name(site: &Site, spell: usize, table: usize) -> String {
    match (spell, table) {
        (0, 0) => site.table_name(),
        _ => format!("{}-{spell}{table}", site.table_name()),
    }
}

struct Flap {
    means: Flapping,
    branches: Vec<Option<Branch>>,
    reach: Option<Reach>,
    turner: Arc<Turner>,
    thread: Option<JoinHandle<()>>,
}

impl Means for Flapping {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let (mut branches, mut steps, mut classes) = (Vec::new(), Vec::new(), Vec::new());
            for (number, spell) in self.spells().enumerate() {
                let branch = self.branch(site, spell, u8::try_from(number).unwrap_or(0)).await?;
                let tables = if branch.is_some() && self.flow.direction == Direction::Both { 2 } else { 1 };
                steps.extend((0..tables).map(|table| Undo::RemoveTable {
                    network: self.network.clone(),
                    table: name(site, number, table),
                }));
                classes.extend(branch.iter().flat_map(Branch::undo));
                branches.push(branch);
            }
            let mut reach = None;
            if let Some(ask) = self.ask.filter(|ask| ask.port() != DISCARD) {
                let network = self.network.clone();
                reach =
                    Some(site.blocking(move |kernel| kernel.reach(&network, ask, table::BASELINE)).await?);
            }
            // The tables first: from then on nothing is chosen, and the classes are inert.
            steps.extend(classes);
            let undo = if let [_] = steps.as_slice() { steps.remove(0) } else { Undo::All { steps } };
            let turner = Arc::default();
            Ok(Prepared::new(undo, Flap { means: self.clone(), branches, reach, turner, thread: None }))
        })
    }
}

impl Effect for Flap {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let mut tables: [Vec<Held>; 2] = Default::default();
            for (number, spell) in self.means.spells().enumerate() {
                let branch = self.branches.get(number).and_then(Option::as_ref);
                let effects = self.means.effects(site, spell, branch).await?;
                for (which, effect) in effects.into_iter().enumerate() {
                    let mut held = Held::default();
                    let (network, layer) = (&self.means.network, self.means.layer);
                    // It begins to act when the turns begin.
                    let moment = Duration::from_millis(1);
                    held.install_for(moment, name(site, number, which), site, network, layer, effect).await?;
                    tables[number].push(held);
                }
            }
            let [bad, good] = tables;
            *self.turner.state.lock().unwrap_or_else(PoisonError::into_inner) =
                State { bad, good, over: false, failure: None };
            let (turner, turns, left) = (Arc::clone(&self.turner), self.means.turns, site.left());
            turner.act(true, turns.down.min(left)).map_err(|error| failed(error.to_string()))?;
            let thread = std::thread::Builder::new().name("deadstick-flap".to_owned());
            let began = Instant::now();
            let thread = thread
                .spawn(move || turner.run(turns, began, left))
                .map_err(|error| failed(error.to_string()))?;
            self.thread = Some(thread);
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Turns { down, up } = self.means.turns;
            let deadline = Instant::now() + (2 * (down + up)).min(LONGEST_LOOK).max(SILENCE);
            loop {
                let now = match self.means.ask {
                    Some(ask) => {
                        let network = self.means.network.clone();
                        let patience = SILENCE.min(down);
                        Some((ask, site.blocking(move |kernel| kernel.reach(&network, ask, patience)).await?))
                    }
                    None => None,
                };
                let turner = Arc::clone(&self.turner);
                let counted = tokio::task::spawn_blocking(move || turner.counted());
                let hits = counted.await.map_err(|_| FaultError::Lost)??;
                match (&self.means.bad, &self.reach, now) {
                    (Spell::Cut, Some(Reach::Accepted(time)), Some((ask, Reach::Silent))) if hits > 0 => {
                        return Ok(seen(format!(
                            "{ask} accepted in {:.1} ms before; now, in a bad spell, nothing comes back, and the rules chose {hits} packets",
                            time.as_secs_f64() * 1e3
                        )));
                    }
                    // Whom nobody knew to answer, and what is only hurt: its packets were chosen.
                    (Spell::Cut, None | Some(Reach::Silent | Reach::Refused(_)), _)
                    | (Spell::Lose(_) | Spell::Hurt { .. }, ..)
                        if hits > 0 =>
                    {
                        return Ok(seen(format!("in a bad spell the rules chose {hits} packets")));
                    }
                    (_, _, now) if Instant::now() >= deadline => {
                        return Ok(unseen(format!(
                            "no bad spell was seen: {now:?}, and the rules chose {hits} packets"
                        )));
                    }
                    _ => tokio::time::sleep(down.min(Duration::from_millis(50))).await,
                }
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { turner, thread, .. } = *self;
            let state = {
                let mut state = turner.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.over = true;
                std::mem::take(&mut *state)
            };
            turner.changed.notify_all();
            // It ends by itself now; nobody has to wait for it, since it has no table any more.
            drop(thread);
            let mut held = false;
            for table in state.bad.into_iter().chain(state.good) {
                held |= table.release().await;
            }
            held
        })
    }
}

/// The tables, and whoever lets them act.
#[derive(Default)]
struct Turner {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    bad: Vec<Held>,
    good: Vec<Held>,
    over: bool,
    failure: Option<String>,
}

impl Default for State {
    /// Nothing there, or nothing any more.
    fn default() -> Self {
        Self { bad: Vec::new(), good: Vec::new(), over: true, failure: None }
    }
}

impl Turner {
    fn act(&self, bad: bool, length: Duration) -> Result<(), crate::kernel::KernelError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { bad: when_bad, good: when_good, .. } = &mut *state;
        let (now, before) = if bad { (when_bad, when_good) } else { (when_good, when_bad) };
        before.iter_mut().try_for_each(|table| table.act_for(Duration::ZERO))?;
        now.iter_mut().try_for_each(|table| table.act_for(length))
    }

    fn counted(&self) -> Result<u64, FaultError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = &state.failure {
            return Err(failed(failure.clone()));
        }
        let mut sum = 0;
        for table in &state.bad {
            sum += table.counted()?;
        }
        Ok(sum)
    }

    /// One spell after the other until it is over; the first bad one has begun.
    fn run(&self, Turns { down, up }: Turns, began: Instant, lease: Duration) {
        let (mut next, mut bad) = (began + down, true);
        let end = began + lease;
        while self.waits_until(next.min(end)) && Instant::now() < end {
            bad = !bad;
            let length = if bad { down } else { up };
            next += length;
            let left = next.min(end).saturating_duration_since(Instant::now());
            // After a machine that slept the spell may be over already.
            if left.is_zero() {
                continue;
            }
            if let Err(error) = self.act(bad, left) {
                self.state.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(error.to_string());
            }
        }
    }

    /// Waits; whether it goes on then.
    fn waits_until(&self, moment: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if state.over || left.is_zero() {
                return !state.over;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
