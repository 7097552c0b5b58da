//! A link that is bad and good in turns: owned tables that act and rest.
//!
//! A bad spell ends by itself in the kernel when nobody ends it, as does a good one that is not undisturbed: the devices in
//! a table's set time out with it. The owner's clock only begins the next one; when the owner dies, the tables go.
//!
//! Owns what the turns are made of; [`effect`] puts it in place, and [`turner`] takes the turns.

mod effect;
mod turner;

use std::net::SocketAddr;
use std::sync::Arc;

use deadstick_core::fault::{Direction, Fault, Flow, Impairment, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::HumanDuration;

use super::branch::{Branch, Wanted};
use super::table::{self, DISCARD};
use super::{Means, Prepared, Site, Step, shaped};
use crate::error::FaultError;
use crate::kernel::{Layer, TableEffect};
use crate::plan::{HostFacts, Planned, PlannedObject};
use effect::Flap;
use turner::Turns;

/// The shortest spell: far above what a table takes to change.
const SHORTEST: HumanDuration = HumanDuration::millis(50);

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
    let ask = table::asked(flow, target);
    let turns = Turns { down: down.0, up: up.0 };
    let means = Flapping { network, layer: table::layer(host), flow: flow.clone(), turns, bad, good, ask };
    Ok(Planned::new(means, objects))
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
        if shaped::is_for_rules(impairment, flow, host) {
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
