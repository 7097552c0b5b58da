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
use std::time::Duration;

use deadstick_core::fault::{Fault, Flow, Impairment, ResolvedTarget};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::Undo;
use deadstick_core::units::HumanDuration;

use super::asking::BASELINE;
use super::branch::{Branch, Wanted};
use super::table::{self, DISCARD, Held};
use super::{Means, Prepared, Site, Step, feasible, lossy};
use crate::error::FaultError;
use crate::kernel::{Layer, TableEffect};
use crate::network::qdisc;
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
            Spell::Hurt { impairment } => {
                objects.push(PlannedObject::new(
                    format!("classes below our root qdisc, or on the ifb device of ours, in that network: {impairment}"),
                    "remove the classes by mark, the device by name and mark; without the table they are inert",
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
    Hurt { impairment: Impairment },
}

impl Spell {
    fn of(impairment: Option<&Impairment>, flow: &Flow, host: &HostFacts) -> Result<Self, FaultError> {
        let Some(impairment) = impairment else { return Ok(Self::Cut) };
        if feasible::is_for_rules(impairment, flow, host) {
            return Ok(Self::Lose(lossy::parts(impairment.loss)));
        }
        feasible::is_kept(impairment)?;
        let only_rate = qdisc::suffered::is_only_rate(impairment);
        if !only_rate && !host.netem {
            return Err(FaultError::refused(
                format!("turns with {impairment} need netem, which this kernel does not have"),
                "leave the impairment out, or name a plain loss or rate",
            ));
        }
        feasible::is_open(flow, host)?;
        Ok(Self::Hurt { impairment: impairment.clone() })
    }
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
    async fn branch(&self, site: &Site, spell: &Spell, which: usize) -> Result<Option<Branch>, FaultError> {
        let Spell::Hurt { impairment } = spell else { return Ok(None) };
        let wanted = Wanted {
            network: self.network.clone(),
            impairment: impairment.clone(),
            flow: self.flow.clone(),
            layer: self.layer,
            replace: false,
        };
        Branch::prepare(site, wanted, name(site, which)).await.map(Some)
    }

    /// Makes what a spell needs; its tables begin to act when the turns begin.
    async fn tables(
        &self,
        site: &Site,
        spell: &Spell,
        which: usize,
        branch: Option<&Branch>,
    ) -> Result<Vec<Held>, FaultError> {
        let moment = Duration::from_millis(1);
        let effect = match (spell, branch) {
            (_, Some(branch)) => return branch.apply(site, moment).await,
            (Spell::Lose(parts), None) => TableEffect::Lose { flow: self.flow.clone(), parts: *parts },
            _ => TableEffect::Cut { flow: self.flow.clone() },
        };
        let mut held = Held::default();
        held.install_for(moment, name(site, which), site, &self.network, self.layer, effect).await?;
        Ok(vec![held])
    }

    fn spells(&self) -> impl Iterator<Item = &Spell> {
        std::iter::once(&self.bad).chain(&self.good)
    }
}

/// The name of a spell's table; those of its further ones begin with it.
fn name(site: &Site, spell: usize) -> String {
    if spell == 0 { site.table_name() } else { format!("{}-{spell}", site.table_name()) }
}

impl Means for Flapping {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let (mut branches, mut steps) = (Vec::new(), Vec::new());
            for (number, spell) in self.spells().enumerate() {
                let branch = self.branch(site, spell, number).await?;
                let table = Undo::RemoveTable { network: self.network.clone(), table: name(site, number) };
                steps.extend(branch.as_ref().map_or_else(|| vec![table], Branch::undo));
                branches.push(branch);
            }
            let mut reach = None;
            if let Some(ask) = self.ask.filter(|ask| ask.port() != DISCARD) {
                let network = self.network.clone();
                reach = Some(site.blocking(move |kernel| kernel.reach(&network, ask, BASELINE)).await?);
            }
            let undo = if let [_] = steps.as_slice() { steps.remove(0) } else { Undo::All { steps } };
            let turner = Arc::default();
            Ok(Prepared::new(undo, Flap { means: self.clone(), branches, reach, turner, thread: None }))
        })
    }
}
