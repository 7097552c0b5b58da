//! What hurts packets on the devices of a network, and the tables that choose them.
//!
//! Owns which devices, which marks, which names and which undo. What is sent is hurt where it leaves: by classes on each
//! device. What is received is led through a device that gives it back, and hurt by classes there. Which classes those are
//! depends on who else is there, and is decided when they are made ([`crate::network::qdisc`]).

use std::time::Duration;

use deadstick_core::fault::{Direction, Flow, Impairment};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::{CapturedQdisc, Undo};

use super::Site;
use super::table::Held;
use crate::error::FaultError;
use crate::kernel::{Imposition, KernelError, Layer, Root, Shapeable, Shown};
use crate::network::{ifb, qdisc};

/// What a branch is made for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) network: NetworkIdentity,
    pub(crate) impairment: Impairment,
    pub(crate) flow: Flow,
    pub(crate) layer: Layer,
    /// A root qdisc that somebody set up steps aside.
    pub(crate) replace: bool,
}

/// Classes and tables that are, or will be, there.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    wanted: Wanted,
    /// The name of its first table, with which those of the others begin.
    name: String,
    mark: u32,
    /// The devices that packets leave by, each with the root qdisc that steps aside.
    devices: Vec<(String, Vec<CapturedQdisc>)>,
}

impl Branch {
    /// Looks at the devices, and at those whose packets it would share. `name` is that of its first table.
    pub(crate) async fn prepare(site: &Site, wanted: Wanted, name: String) -> Result<Self, FaultError> {
        let refused = |error: FaultError| match error {
            FaultError::Apply { why, residue: None } => {
                FaultError::refused(why, "see `tc qdisc show`; nothing was touched")
            }
            other => other,
        };
        let mark = Imposition::mark_of(digest(&name));
        let mut branch = Self { mark, name, devices: Vec::new(), wanted };
        if branch.wanted.flow.direction != Direction::Ingress {
            let network = branch.wanted.network.clone();
            let all = site.blocking(move |kernel| kernel.shapeable(&network)).await.map_err(refused)?;
            for one in chosen(all, branch.wanted.flow.iface.as_deref())? {
                let captured = branch.step_aside(site, &one).await.map_err(refused)?;
                branch.devices.push((one.device, captured));
            }
        }
        for imposition in branch.impositions(Duration::ZERO) {
            let network = branch.wanted.network.clone();
            let hint = "give both to one fault, or end the other one first; nothing was touched";
            site.blocking(move |kernel| match kernel.fits(&network, &imposition) {
                Err(KernelError::InTheWay(why)) => Ok(Err(FaultError::refused(why, hint))),
                other => other.map(Ok),
            })
            .await
            .map_err(refused)??;
        }
        Ok(branch)
    }

    /// One for what is sent, one for what is received.
    fn impositions(&self, lease: Duration) -> Vec<Imposition> {
        let Wanted { impairment, flow, layer, .. } = &self.wanted;
        let ways = match flow.direction {
            Direction::Both => vec![Direction::Egress, Direction::Ingress],
            one => vec![one],
        };
        let one = |direction: Direction| {
            let received = direction == Direction::Ingress;
            Imposition {
                name: if received { format!("{}-in", self.name) } else { self.name.clone() },
                layer: *layer,
                lease,
                flow: Flow { direction, ..flow.clone() },
                impairment: impairment.clone(),
                mark: self.mark,
                devices: if received { Vec::new() } else { self.names() },
            }
        };
        ways.into_iter().map(one).collect()
    }

    /// The devices that packets leave by; whether something steps aside there.
    fn names(&self) -> Vec<(String, bool)> {
        self.devices.iter().map(|(device, captured)| (device.clone(), !captured.is_empty())).collect()
    }

    async fn step_aside(&self, site: &Site, one: &Shapeable) -> Result<Vec<CapturedQdisc>, FaultError> {
        let device = one.device.clone();
        match &one.root {
            Root::Default | Root::Ours { replaced: false } => Ok(Vec::new()),
            Root::Ours { replaced: true } => Err(KernelError::Replaced { device }.into()),
            Root::Foreign { .. } if self.wanted.replace => {
                let network = self.wanted.network.clone();
                site.blocking(move |kernel| kernel.capture(&network, &device)).await
            }
            Root::Foreign { kind, handle } => {
                let foreign = KernelError::ForeignQdisc { device, kind: kind.clone(), handle: *handle };
                Err(FaultError::refused(
                    foreign.to_string(),
                    "with `replace` it steps aside until the end; `iface` names another device",
                ))
            }
        }
    }

    /// How it is taken back. The tables first: from then on nothing is chosen, and the classes are inert.
    pub(crate) fn undo(&self) -> Vec<Undo> {
        let network = &self.wanted.network;
        let tables = self.impositions(Duration::ZERO).into_iter().flat_map(|one| one.tables());
        let tables = tables.map(|table| Undo::RemoveTable { network: network.clone(), table });
        let remove = |device: &str, handle: u16, put_back: &[CapturedQdisc]| Undo::RemoveQdisc {
            network: network.clone(),
            device: device.to_owned(),
            handle,
            mark: Some(self.mark),
            put_back: put_back.to_vec(),
        };
        let sent = self.devices.iter().map(|(device, put_back)| remove(device, qdisc::HANDLE, put_back));
        let mut undo: Vec<Undo> = tables.chain(sent).collect();
        if self.wanted.flow.direction != Direction::Egress {
            let device = ifb::NAME_OF_INTAKE.to_owned();
            undo.push(remove(&device, qdisc::INTAKE_HANDLE, &[]));
            undo.push(Undo::RemoveDevice { network: network.clone(), device, mark: ifb::MARK });
        }
        undo
    }

    /// Makes the classes and installs the tables, which act for this long.
    pub(crate) async fn apply(&self, site: &Site, lease: Duration) -> Result<Vec<Held>, FaultError> {
        let mut tables = Vec::new();
        for imposition in self.impositions(lease) {
            let network = self.wanted.network.clone();
            let held = site.blocking(move |kernel| kernel.impose(&network, &imposition)).await?;
            tables.extend(held.into_iter().map(Held::from));
        }
        Ok(tables)
    }

    /// What the kernel shows of it: of what is sent, and of what is received. None where it does nothing that way.
    pub(crate) async fn shown(&self, site: &Site) -> Result<(Option<Shown>, Option<Shown>), FaultError> {
        let (mut sent, mut received) = (None, None);
        for imposition in self.impositions(Duration::ZERO) {
            let way = if imposition.flow.direction == Direction::Ingress { &mut received } else { &mut sent };
            let network = self.wanted.network.clone();
            let shown = site.blocking(move |kernel| kernel.shown(&network, &imposition)).await?;
            // What is not there is not as asked.
            *way = Some(shown.unwrap_or_default());
        }
        Ok((sent, received))
    }
}

/// The devices a flow is about.
fn chosen(all: Vec<Shapeable>, iface: Option<&str>) -> Result<Vec<Shapeable>, FaultError> {
    if all.is_empty() {
        return Err(FaultError::refused(
            KernelError::NoLink.to_string(),
            "see `ip link`; nothing was touched",
        ));
    }
    let Some(wanted) = iface else { return Ok(all) };
    let names: Vec<_> = all.iter().map(|one| one.device.clone()).collect();
    let found: Vec<_> = all.into_iter().filter(|one| one.device == wanted).collect();
    if found.is_empty() {
        let what = format!("there is no device {wanted} in that network: it has {}", names.join(", "));
        return Err(FaultError::refused(what, "name one of them, or none"));
    }
    Ok(found)
}

/// A number that tells names apart (FNV-1a, and a last stir so that every bit counts).
fn digest(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> Shapeable {
        Shapeable { device: name.to_owned(), root: Root::Default }
    }

    #[test]
    fn names_have_marks_of_their_own() {
        let names = (0..1_000).map(|number| Imposition::mark_of(digest(&format!("deadstick-{number}"))));
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_by_name() {
        let devices = || vec![device("eth0"), device("eth1")];
        assert_eq!(chosen(devices(), Some("eth1")).expect("found").len(), 1);
        assert_eq!(chosen(devices(), None).expect("found").len(), 2);
        let refused = chosen(devices(), Some("eth2")).expect_err("refused").to_string();
        assert!(refused.contains("eth2") && refused.contains("eth0, eth1"), "{refused}");
    }
}
