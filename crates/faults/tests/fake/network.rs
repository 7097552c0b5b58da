//! The fake's link: tables, classes and sockets that do no more than be there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use deadstick_core::fault::Flow;
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::CapturedQdisc;
use deadstick_faults::kernel::{
    Conversation, Destroyer, Ended, Imposition, KernelError, Networks, Place, PortOwner, Questions, Reach,
    Root, Shapeable, Shaping, Shown, Sockets, Table, TableEffect, TableSpec, Tracking,
};

use super::Fake;

impl Networks for Fake {
    fn install(&self, _: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        self.with(|world| {
            world.calls.push(format!("install {:?}", spec.effect));
            world.tables.push(spec.clone());
        });
        Ok(Box::new(FakeTable(self.clone(), spec.name.clone())))
    }

    fn has_table(&self, _: &NetworkIdentity, name: &str) -> Result<bool, KernelError> {
        Ok(self.with(|world| world.tables.iter().any(|table| table.name == name)))
    }

    fn addresses(&self, _: &NetworkIdentity) -> Result<Vec<IpAddr>, KernelError> {
        Ok(vec![[10, 9, 0, 1].into()])
    }

    fn ping(
        &self,
        _: &NetworkIdentity,
        _: IpAddr,
        length: u16,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        let swallowed = self.with(|world| {
            let large = |table: &TableSpec| matches!(table.effect, TableEffect::Oversize { above, .. } if above < length);
            !world.inert && world.tables.iter().any(large)
        });
        Ok((!swallowed && !self.silent()).then_some(Duration::from_millis(1)))
    }

    fn reach(&self, _: &NetworkIdentity, _: SocketAddr, _: Duration) -> Result<Reach, KernelError> {
        Ok(if self.silent() { Reach::Silent } else { Reach::Accepted(Duration::from_millis(1)) })
    }

    fn converse(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Box<dyn Conversation>, KernelError> {
        Ok(Box::new(FakeTalk(self.clone())))
    }

    fn farewell(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Ok(Some(Duration::from_millis(1)))
    }
}

impl Sockets for Fake {
    fn destroyer(&self, _: &NetworkIdentity) -> Result<Box<dyn Destroyer>, KernelError> {
        Ok(Box::new(self.clone()))
    }

    fn sacrifice(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        _: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        Ok(self.with(|world| !world.inert).then_some(Duration::from_millis(1)))
    }

    fn port_owners(&self, _: &NetworkIdentity, _: &Place) -> Result<Vec<PortOwner>, KernelError> {
        Ok(Vec::new())
    }

    fn try_bind(&self, _: &NetworkIdentity, _: &Place) -> Result<Result<(), std::io::Error>, KernelError> {
        Ok(Ok(()))
    }
}

impl Tracking for Fake {
    fn forget(&self, _: &NetworkIdentity, _: Questions) -> Result<usize, KernelError> {
        Ok(0)
    }
}

impl Destroyer for Fake {
    fn destroy(&self, _: &Flow, spared: &[ProcessIdentity]) -> Result<Vec<Ended>, KernelError> {
        assert_eq!(spared.len(), 2, "the owner and its guardian");
        Ok(Vec::new())
    }
}

/// A network with one device. Which classes do what is measured on real kernels.
impl Shaping for Fake {
    fn shapeable(&self, _: &NetworkIdentity) -> Result<Vec<Shapeable>, KernelError> {
        Ok(vec![Shapeable { device: "dsa".to_owned(), root: Root::Default }])
    }

    fn capture(&self, _: &NetworkIdentity, _: &str) -> Result<Vec<CapturedQdisc>, KernelError> {
        Ok(Vec::new())
    }

    fn fits(&self, _: &NetworkIdentity, _: &Imposition) -> Result<(), KernelError> {
        Ok(())
    }

    fn impose(
        &self,
        network: &NetworkIdentity,
        imposition: &Imposition,
    ) -> Result<Vec<Box<dyn Table>>, KernelError> {
        let Imposition { name, layer, lease, flow, mark, devices, .. } = imposition;
        let names: Vec<_> = devices.iter().map(|(name, _)| name.as_str()).collect();
        for device in if names.is_empty() { vec!["deadstick-in"] } else { names } {
            self.with(|world| {
                world.calls.push(format!("class {device}"));
                world.classes.push((device.to_owned(), *mark));
            });
        }
        let effect = TableEffect::Classify { flow: flow.clone(), code: 1, said: Vec::new() };
        let spec = TableSpec { name: name.clone(), layer: *layer, lease: *lease, effect };
        Ok(vec![self.install(network, &spec)?])
    }

    fn shown(&self, _: &NetworkIdentity, imposition: &Imposition) -> Result<Option<Shown>, KernelError> {
        let is_there = self.with(|world| world.tables.iter().any(|table| table.name == imposition.name));
        let chosen = self.with(|world| u64::from(!world.inert));
        Ok(is_there.then(|| Shown { sent: chosen, as_asked: true, ..Shown::default() }))
    }

    fn remove_classes(
        &self,
        _: &NetworkIdentity,
        device: &str,
        _: u16,
        mark: Option<u32>,
        _: &[CapturedQdisc],
    ) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            world.calls.push(format!("no class {device}"));
            let before = world.classes.len();
            world.classes.retain(|one| one.0 != device || mark.is_some_and(|mark| one.1 != mark));
            world.classes.len() < before
        }))
    }

    fn remove_device(&self, _: &NetworkIdentity, name: &str, _: u32) -> Result<bool, KernelError> {
        Ok(self.with(|world| {
            world.calls.push(format!("no device {name}"));
            !world.classes.iter().any(|one| one.0 == name)
        }))
    }

    fn knock(&self, _: &NetworkIdentity, _: SocketAddr, _: u32, _: Duration) -> Result<(), KernelError> {
        Ok(())
    }
}

struct FakeTable(Fake, String);

impl Table for FakeTable {
    fn hits(&self) -> Result<u64, KernelError> {
        Ok(self.0.with(|world| world.hits))
    }
    fn connections(&self) -> usize {
        1
    }
    fn act_for(&mut self, _: Duration) -> Result<(), KernelError> {
        Ok(())
    }
    fn remove(self: Box<Self>) -> Result<(), KernelError> {
        Ok(())
    }
}

impl Drop for FakeTable {
    fn drop(&mut self) {
        self.0.with(|world| {
            world.calls.push("remove".to_owned());
            world.tables.retain(|table| table.name != self.1);
        });
    }
}

struct FakeTalk(Fake);

impl Conversation for FakeTalk {
    fn is_heard(&mut self, _: Duration) -> Result<bool, KernelError> {
        Ok(self.0.with(|world| {
            let hushes = |table: &TableSpec| matches!(table.effect, TableEffect::Hush { .. });
            let heard = world.inert || !world.tables.iter().any(hushes);
            world.hits += u64::from(!heard);
            heard
        }))
    }
}
