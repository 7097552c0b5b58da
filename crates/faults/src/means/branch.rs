//! Classes that hurt alike on the devices of a network, and what chooses the packets for them.
//!
//! Owns which devices, which numbers and which undo. What is sent is hurt where it leaves: by a class on each device. What is
//! received is led through a device that gives it back, and hurt by a class there. Leaves the tables to whoever installs
//! them: without one a branch is inert, so several may wait for their turn.

use deadstick_core::fault::{Direction, Flow, Impairment};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::{CapturedQdisc, TrafficClass, Undo};

use super::Site;
use crate::error::FaultError;
use crate::kernel::{ClassSpec, KernelError, Root, Shapeable, Shown, TableEffect};
use crate::network::{ifb, qdisc};

/// What a branch is made for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) network: NetworkIdentity,
    pub(crate) impairment: Impairment,
    pub(crate) flow: Flow,
    /// By netem; else there is only the rate.
    pub(crate) netem: bool,
    /// A root qdisc that somebody set up steps aside.
    pub(crate) replace: bool,
}

/// Classes that are, or will be, there.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    wanted: Wanted,
    class: TrafficClass,
    /// The devices that packets leave by, each with the root qdisc that steps aside.
    devices: Vec<(String, Vec<CapturedQdisc>)>,
    /// The device that received packets are led through, with its mark.
    intake: Option<(String, u32)>,
}

/// The class on a device that gives back what it is given. No device that packets leave by has this minor number, so that
/// the priority a packet keeps from here means nothing there.
const INTAKE: u16 = 1;

impl Branch {
    /// Looks at the devices and chooses numbers. `which` tells branches of one fault apart.
    pub(crate) async fn prepare(site: &Site, wanted: Wanted, which: u8) -> Result<Self, FaultError> {
        let refused = |error: FaultError| match error {
            FaultError::Apply { why, residue: None } => FaultError::refused(why, "nothing was touched"),
            other => other,
        };
        let digest = digest(&site.id, which);
        let mut branch = Self {
            class: TrafficClass { minor: INTAKE, mark: (digest >> 16) as u16 },
            devices: Vec::new(),
            intake: None,
            wanted,
        };
        if branch.wanted.flow.direction != Direction::Ingress {
            let network = branch.wanted.network.clone();
            let all = site.blocking(move |kernel| kernel.shapeable(&network)).await.map_err(refused)?;
            let all = chosen(all, branch.wanted.flow.iface.as_deref())?;
            branch.class.minor = free_minor(digest as u16, &all);
            for one in all {
                let captured = branch.step_aside(site, &one).await.map_err(refused)?;
                branch.devices.push((one.device, captured));
            }
        }
        if branch.wanted.flow.direction != Direction::Egress {
            let name = format!("{}{:06x}", ifb::PREFIX, (digest >> 40) & 0xff_ffff);
            // A group of zero is that of every device.
            branch.intake = Some((name, (digest >> 8) as u32 | 1));
        }
        Ok(branch)
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

    /// How the classes are taken back, when the tables are gone.
    pub(crate) fn undo(&self) -> Vec<Undo> {
        let network = &self.wanted.network;
        let devices = self.devices.iter().map(|(device, put_back)| Undo::RemoveQdisc {
            network: network.clone(),
            device: device.clone(),
            handle: qdisc::HANDLE,
            class: Some(self.class),
            put_back: put_back.clone(),
        });
        let intake = self.intake.iter().map(|(device, mark)| Undo::RemoveDevice {
            network: network.clone(),
            device: device.clone(),
            mark: *mark,
        });
        devices.chain(intake).collect()
    }

    /// Makes the classes, inert; says what sends packets to them.
    pub(crate) async fn apply(&self, site: &Site) -> Result<Vec<TableEffect>, FaultError> {
        let mut effects = Vec::new();
        let Wanted { network, flow, .. } = &self.wanted;
        for (device, captured) in &self.devices {
            let (network, device) = (network.clone(), device.clone());
            let spec = self.spec(self.class, !captured.is_empty());
            site.blocking(move |kernel| kernel.add_class(&network, &device, &spec)).await?;
        }
        if !self.devices.is_empty() {
            let flow = Flow { direction: Direction::Egress, ..flow.clone() };
            effects.push(TableEffect::Classify { flow, class: qdisc::class(self.class) });
        }
        if let Some((name, mark)) = self.intake.clone() {
            let (network, spec) = (network.clone(), self.spec(self.intake_class(), false));
            let device = site.blocking(move |kernel| kernel.add_intake(&network, &name, mark, &spec)).await?;
            let flow = Flow { direction: Direction::Ingress, ..flow.clone() };
            effects.push(TableEffect::Forward { flow, class: qdisc::class(self.intake_class()), device });
        }
        Ok(effects)
    }

    const fn intake_class(&self) -> TrafficClass {
        TrafficClass { minor: INTAKE, ..self.class }
    }

    fn spec(&self, id: TrafficClass, replacing: bool) -> ClassSpec {
        let Wanted { impairment, netem, .. } = &self.wanted;
        ClassSpec { id, impairment: impairment.clone(), netem: *netem, replacing }
    }

    /// What the kernel shows of it: of what is sent, and of what is received. None where it does nothing that way.
    pub(crate) async fn shown(&self, site: &Site) -> Result<(Option<Shown>, Option<Shown>), FaultError> {
        let spec = self.spec(self.class, false);
        let own = self.devices.iter().map(|(device, _)| (device.clone(), spec.clone())).collect();
        let spec = self.spec(self.intake_class(), false);
        let intake = self.intake.iter().map(|(device, _)| (device.clone(), spec.clone())).collect();
        Ok((self.sum(site, own).await?, self.sum(site, intake).await?))
    }

    async fn sum(&self, site: &Site, classes: Vec<(String, ClassSpec)>) -> Result<Option<Shown>, FaultError> {
        if classes.is_empty() {
            return Ok(None);
        }
        let network = self.wanted.network.clone();
        let all = move |kernel: &dyn crate::kernel::Kernel| {
            let mut sum = Shown { as_asked: true, ..Shown::default() };
            for (device, spec) in classes {
                let one = kernel.shown(&network, &device, &spec)?.unwrap_or_default();
                sum.sent += one.sent;
                sum.dropped += one.dropped;
                sum.waiting += one.waiting;
                sum.as_asked &= one.as_asked;
            }
            Ok(Some(sum))
        };
        site.blocking(all).await
    }
}

/// The devices a flow is about.
fn chosen(all: Vec<Shapeable>, iface: Option<&str>) -> Result<Vec<Shapeable>, FaultError> {
    if all.is_empty() {
        return Err(FaultError::refused(KernelError::NoLink.to_string(), "nothing was touched"));
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

/// A minor number that no device has, from this one on.
fn free_minor(first: u16, devices: &[Shapeable]) -> u16 {
    let mut candidates = (0..u16::MAX).map(|step| first.wrapping_add(step));
    let is_free = |minor: &u16| {
        *minor > INTAKE && *minor < u16::MAX && devices.iter().all(|one| !one.minors.contains(minor))
    };
    // With all of them in use the first one is taken, and making the class fails by name.
    candidates.find(is_free).unwrap_or(first.max(INTAKE + 1))
}

/// Numbers that tell faults apart, from a fault's name (FNV-1a, and a last stir so that every bit counts).
fn digest(id: &str, which: u8) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = id.bytes().chain([which]).fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, minors: Vec<u16>) -> Shapeable {
        Shapeable { device: name.to_owned(), root: Root::Default, minors }
    }

    #[test]
    fn numbers_are_free_and_never_those_of_the_intake() {
        let devices = [device("a", vec![7, 8]), device("b", vec![9])];
        assert_eq!(free_minor(7, &devices), 10);
        assert_eq!(free_minor(0, &[]), 2);
        assert_eq!(free_minor(u16::MAX, &[device("a", vec![2])]), 3);
        assert_ne!(digest("a", 0), digest("a", 1));
        assert_ne!(digest("a", 0), digest("b", 0));
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_by_name() {
        let devices = || vec![device("eth0", Vec::new()), device("eth1", Vec::new())];
        assert_eq!(chosen(devices(), Some("eth1")).expect("found").len(), 1);
        assert_eq!(chosen(devices(), None).expect("found").len(), 2);
        let refused = chosen(devices(), Some("eth2")).expect_err("refused").to_string();
        assert!(refused.contains("eth2") && refused.contains("eth0, eth1"), "{refused}");
    }
}
