//! The real kernel's queueing disciplines.

use std::net::SocketAddr;
use std::time::Duration;

use deadstick_core::fault::Direction;
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::CapturedQdisc;

use super::{Imposition, Shapeable, Shaping, Shown};
use crate::kernel::{KernelError, Linux, Networks, Table, TableEffect, TableSpec};
use crate::network::qdisc::classes;
use crate::network::{Namespace, ifb, knock, qdisc};

impl Shaping for Linux {
    fn shapeable(&self, network: &NetworkIdentity) -> Result<Vec<Shapeable>, KernelError> {
        Ok(Namespace::open(network)?.run(qdisc::shapeable)??)
    }

    fn capture(&self, network: &NetworkIdentity, device: &str) -> Result<Vec<CapturedQdisc>, KernelError> {
        let captured = Namespace::open(network)?.run(|| qdisc::capture(device))??;
        qdisc::rehearse(device, &captured)?;
        Ok(captured)
    }

    fn fits(&self, network: &NetworkIdentity, imposition: &Imposition) -> Result<(), KernelError> {
        Namespace::open(network)?.run(|| classes::plan(imposition).map(drop))?
    }

    fn impose(
        &self,
        network: &NetworkIdentity,
        imposition: &Imposition,
    ) -> Result<Vec<Box<dyn Table>>, KernelError> {
        let namespace = Namespace::open(network)?;
        // Kept until the tables are there: whoever comes next sees them, and shares packets with them.
        let (_turn, member, device) = namespace.run(|| {
            let turn = qdisc::turn()?;
            let classes = classes::plan(imposition)?;
            let device = classes::put(&classes)?;
            Ok::<_, KernelError>((turn, classes.member, device))
        })??;
        let (flow, said) = (imposition.flow.clone(), member.encode());
        let chosen = if flow.direction == Direction::Ingress {
            TableEffect::Forward { flow: flow.clone(), code: member.code, device, said }
        } else {
            TableEffect::Classify { flow: flow.clone(), code: member.code, said }
        };
        let effects = [chosen, TableEffect::Adopt { flow }];
        let specs = imposition.tables().into_iter().zip(effects).map(|(name, effect)| TableSpec {
            name,
            layer: imposition.layer,
            lease: imposition.lease,
            effect,
        });
        specs.map(|spec| self.install(network, &spec)).collect()
    }

    fn shown(
        &self,
        network: &NetworkIdentity,
        imposition: &Imposition,
    ) -> Result<Option<Shown>, KernelError> {
        Namespace::open(network)?.run(|| classes::shown(imposition))?
    }

    fn remove_classes(
        &self,
        network: &NetworkIdentity,
        device: &str,
        handle: u16,
        mark: Option<u32>,
        put_back: &[CapturedQdisc],
    ) -> Result<bool, KernelError> {
        Namespace::find(network)?.run(|| qdisc::remove(device, handle, mark, put_back))?
    }

    fn remove_device(&self, network: &NetworkIdentity, name: &str, mark: u32) -> Result<bool, KernelError> {
        Namespace::find(network)?.run(|| {
            let _turn = qdisc::turn()?;
            if qdisc::is_used(name)? { Ok(false) } else { Ok(ifb::remove(name, mark)?) }
        })?
    }

    fn knock(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        datagrams: u32,
        patience: Duration,
    ) -> Result<(), KernelError> {
        Namespace::open(network)?.run(|| knock::knock(peer, datagrams, patience))?
    }
}
