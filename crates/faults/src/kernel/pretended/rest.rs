//! What the pretended kernel answers about processes, groups, limits, files and sockets: nothing is there. And its classes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadstick_core::fault::{Direction, Flow, Signal, Target};
use deadstick_core::identity::{GroupIdentity, NetworkIdentity, ProcessIdentity};
use deadstick_core::ledger::CapturedQdisc;

use super::super::{
    Control, Delivery, Destroyer, Ended, FileLimit, GroupPlace, Groups, Imposition, KernelError, Limits,
    Networks, Place, PortOwner, Processes, Questions, Reach, Reception, Root, Sent, Shapeable, Shaping,
    Shown, Sockets, Space, Storage, Table, Tracking,
};
use super::Pretended;
use crate::process::Life;

type Answer<T> = Result<T, KernelError>;

impl Shaping for Pretended {
    fn shapeable(&self, _: &NetworkIdentity) -> Answer<Vec<Shapeable>> {
        Ok(vec![Shapeable { device: "dsa".to_owned(), root: Root::Default }])
    }
    fn capture(&self, _: &NetworkIdentity, _: &str) -> Answer<Vec<CapturedQdisc>> {
        Ok(Vec::new())
    }
    fn fits(&self, _: &NetworkIdentity, _: &Imposition) -> Answer<()> {
        Ok(())
    }
    fn impose(&self, _: &NetworkIdentity, one: &Imposition) -> Answer<Vec<Box<dyn Table>>> {
        let mut state = self.state();
        let both = state.hurt.is_some();
        let direction = if both { Direction::Both } else { one.flow.direction };
        state.hurt = Some((direction, one.impairment.clone()));
        Ok(vec![Box::new(self.clone())])
    }
    fn shown(&self, _: &NetworkIdentity, one: &Imposition) -> Answer<Option<Shown>> {
        let mut state = self.state();
        state.count();
        // One count for both ways; what is received has none of its own.
        let is_first = state.hurt.as_ref().is_some_and(|(direction, _)| {
            *direction == one.flow.direction || one.flow.direction == Direction::Egress
        });
        let (through, dropped) = if is_first { (state.through, state.dropped) } else { (0, 0) };
        Ok(Some(Shown { sent: through - dropped, dropped, waiting: 0, as_asked: true }))
    }
    fn remove_classes(
        &self,
        _: &NetworkIdentity,
        _: &str,
        _: u16,
        _: Option<u32>,
        _: &[CapturedQdisc],
    ) -> Answer<bool> {
        Ok(false)
    }
    fn remove_device(&self, _: &NetworkIdentity, _: &str, _: u32) -> Answer<bool> {
        Ok(false)
    }
    fn knock(&self, _: &NetworkIdentity, _: SocketAddr, datagrams: u32, patience: Duration) -> Answer<()> {
        let mut state = self.state();
        let now = state.now;
        // Eight connections, whose answers come back, and datagrams, which nobody answers.
        for _ in 0..8 {
            state.there_and_back(now, 60, false);
        }
        for _ in 0..datagrams {
            if state.chosen(Direction::Egress, 1_228, false) {
                state.coming.push((now, true));
            } else {
                state.hurt(Direction::Egress, now);
            }
        }
        state.now += patience;
        Ok(())
    }
}

impl Sockets for Pretended {
    fn destroyer(&self, _: &NetworkIdentity) -> Answer<Box<dyn Destroyer>> {
        Ok(Box::new(self.clone()))
    }
    fn sacrifice(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Answer<Option<Duration>> {
        let is_there = matches!(self.reach(network, peer, patience)?, Reach::Accepted(_));
        Ok((is_there && !self.state().link.inert).then_some(Duration::from_millis(1)))
    }
    fn port_owners(&self, _: &NetworkIdentity, _: &Place) -> Answer<Vec<PortOwner>> {
        Ok(Vec::new())
    }
    fn try_bind(&self, _: &NetworkIdentity, _: &Place) -> Answer<Result<(), std::io::Error>> {
        Ok(Ok(()))
    }
}

impl Destroyer for Pretended {
    fn destroy(&self, _: &Flow, _: &[ProcessIdentity]) -> Answer<Vec<Ended>> {
        Ok(Vec::new())
    }
}

impl Tracking for Pretended {
    fn forget(&self, _: &NetworkIdentity, _: Questions) -> Answer<usize> {
        Ok(0)
    }
}

impl Processes for Pretended {
    fn life(&self, _: &ProcessIdentity) -> Answer<Life> {
        Ok(Life::Gone)
    }
    fn signal(&self, _: &ProcessIdentity, _: Sent) -> Answer<Delivery> {
        Ok(Delivery::Gone)
    }
    fn reception(&self, _: &ProcessIdentity, _: Signal) -> Answer<Option<Reception>> {
        Ok(None)
    }
    fn find(&self, _: &Target) -> Answer<Vec<ProcessIdentity>> {
        Ok(Vec::new())
    }
    fn time_used(&self, _: &ProcessIdentity) -> Answer<Duration> {
        Ok(Duration::ZERO)
    }
    fn offspring(&self, _: &[ProcessIdentity]) -> Answer<Vec<ProcessIdentity>> {
        Ok(Vec::new())
    }
}

impl Groups for Pretended {
    fn places(&self, _: Control, _: &Path) -> Answer<Vec<GroupPlace>> {
        Ok(Vec::new())
    }
    fn home(&self, _: Control, _: &ProcessIdentity) -> Answer<Option<GroupPlace>> {
        Ok(None)
    }
    fn nest(&self, _: Control, _: &GroupPlace) -> Answer<Option<PathBuf>> {
        Ok(None)
    }
    fn is_there(&self, _: &GroupIdentity) -> Answer<bool> {
        Ok(false)
    }
    fn members(&self, _: &Path) -> Answer<Vec<ProcessIdentity>> {
        Ok(Vec::new())
    }
    fn value(&self, _: &Path, _: &str) -> Answer<Option<String>> {
        Ok(None)
    }
    fn set_value(&self, _: &Path, _: &str, _: &str) -> Answer<()> {
        Ok(())
    }
    fn make_group(&self, _: &Path) -> Answer<()> {
        Ok(())
    }
    fn remove_group(&self, _: &Path) -> Answer<bool> {
        Ok(false)
    }
    fn enter(&self, _: &Path, _: &ProcessIdentity) -> Answer<Delivery> {
        Ok(Delivery::Gone)
    }
}

impl Limits for Pretended {
    fn file_limit(&self, _: &ProcessIdentity) -> Answer<Option<FileLimit>> {
        Ok(None)
    }
    fn set_file_limit(&self, _: &ProcessIdentity, _: u64, _: u64) -> Answer<bool> {
        Ok(false)
    }
    fn oom_score(&self, _: &ProcessIdentity) -> Answer<Option<i32>> {
        Ok(None)
    }
    fn set_oom_score(&self, _: &ProcessIdentity, _: i32, _: i32) -> Answer<bool> {
        Ok(false)
    }
    fn open_files(&self, _: &ProcessIdentity) -> Answer<usize> {
        Ok(0)
    }
}

impl Storage for Pretended {
    fn space(&self, _: &Path) -> Answer<Space> {
        Ok(Space { available: 0, total: 0, is_memory: false })
    }
    fn device(&self, _: &Path) -> Answer<Option<u64>> {
        Ok(None)
    }
    fn freeze(&self, _: &Path) -> Answer<bool> {
        Ok(false)
    }
    fn thaw(&self, _: &Path) -> Answer<bool> {
        Ok(false)
    }
}
