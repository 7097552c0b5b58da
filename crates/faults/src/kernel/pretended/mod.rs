//! A kernel that is pretended: one link to one peer, which may be late, spread and lossy, and what tables and classes do to
//! its packets, by chance that is the same in each run. Its time is added up, not waited for, so that a proof can be tried
//! thousands of times.
//!
//! Owns the packets; [`rest`] answers what has nothing to do with them. What real packets suffer is measured elsewhere.

mod rest;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadstick_core::fault::{Direction, Impairment};
use deadstick_core::identity::NetworkIdentity;

use super::{Conversation, KernelError, Networks, Reach, Table, TableEffect, TableSpec};

/// What the link does by itself, and whether the fault lands on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    /// There and back.
    pub(crate) takes: Duration,
    /// More or less by up to this, each way.
    pub(crate) spread: Duration,
    /// Of the packets, each way.
    pub(crate) loss: f64,
    /// Tables and classes are taken and do nothing.
    pub(crate) inert: bool,
}

#[derive(Default)]
struct State {
    link: Link,
    chance: u64,
    now: Duration,
    effect: Option<TableEffect>,
    hurt: Option<(Direction, Impairment)>,
    /// When packets are counted that come by later, and whether as dropped.
    coming: Vec<(Duration, bool)>,
    through: u64,
    dropped: u64,
    in_burst: bool,
}

/// The kernel. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Pretended(Arc<Mutex<State>>);

impl Pretended {
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        let chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self(Arc::new(Mutex::new(State { link, chance, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When TCP sends a first packet again, and the bytes of a connection.
const FIRST: [u64; 5] = [0, 1_000, 3_000, 7_000, 15_000];
const AGAIN: [u64; 7] = [0, 200, 600, 1_400, 3_000, 6_200, 12_600];

impl State {
    fn even(&mut self) -> f64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.chance ^ (self.chance >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        ((mixed ^ (mixed >> 33)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chosen(&mut self, way: Direction, length: u16, established: bool) -> bool {
        let is_old = established;
        let (flow, hit) = match &self.effect {
            Some(TableEffect::Silence) => (None, true),
            Some(TableEffect::Cut { flow } | TableEffect::Refuse { flow, .. }) => (Some(flow), true),
            Some(TableEffect::Lose { flow, .. }) => (Some(flow), true),
            Some(TableEffect::Hush { flow }) => (Some(flow), is_old),
            Some(TableEffect::Oversize { flow, above }) => (Some(flow), length > *above),
            _ => (None, false),
        };
        let this_way = flow.is_none_or(|flow| flow.direction == Direction::Both || flow.direction == way);
        let parts = match &self.effect {
            Some(TableEffect::Lose { parts, .. }) => f64::from(*parts) / f64::from(TableEffect::PARTS),
            _ => 1.0,
        };
        !self.link.inert && hit && this_way && self.even() < parts
    }

    /// What the classes do to one packet: by how much it is late; none when it is lost.
    fn hurt(&mut self, way: Direction, at: Duration) -> Option<Duration> {
        let Some((direction, impairment)) = self.hurt.clone().filter(|_| !self.link.inert) else {
            return Some(Duration::ZERO);
        };
        if direction != Direction::Both && direction != way {
            return Some(Duration::ZERO);
        }
        let lost = match impairment.burst_chances() {
            Some((begins, ends)) => {
                let turn = self.even() < if self.in_burst { ends } else { begins };
                self.in_burst ^= turn;
                self.in_burst
            }
            None => self.even() < impairment.loss.ratio(),
        };
        self.coming.push((at, lost));
        let wide = impairment.jitter.0.as_secs_f64();
        let jitter = (self.even() * 2.0 - 1.0) * wide;
        let late = (impairment.delay.0.as_secs_f64() + jitter).max(0.0);
        (!lost).then(|| Duration::from_secs_f64(late))
    }

    /// A packet there and its answer; when that comes. Time begins with its sending.
    fn there_and_back(&mut self, sent: Duration, length: u16, established: bool) -> Option<Duration> {
        if self.chosen(Direction::Egress, length, established) {
            self.coming.push((sent, true));
            return None;
        }
        let out = self.hurt(Direction::Egress, sent)?;
        let half = |state: &mut Self| {
            let wide = state.link.spread.as_secs_f64();
            let away = (state.even() * 2.0 - 1.0) * wide + state.link.takes.as_secs_f64() / 2.0;
            Duration::from_secs_f64(away.max(0.0))
        };
        let mut at = sent + out + half(self) + half(self);
        if self.even() < self.link.loss || self.even() < self.link.loss {
            return None;
        }
        if self.chosen(Direction::Ingress, length, established) {
            self.coming.push((at, true));
            return None;
        }
        at += self.hurt(Direction::Ingress, at)?;
        Some(at)
    }

    /// The first answer to a packet that is sent again and again, within this time; none when there is none.
    fn insisted(&mut self, times: &[u64], patience: Duration, established: bool) -> Option<Duration> {
        let began = self.now;
        let mut answer: Option<Duration> = None;
        for after in times.iter().map(|after| Duration::from_millis(*after)) {
            if after >= patience || answer.is_some_and(|at| at <= began + after) {
                break;
            }
            let at = self.there_and_back(began + after, 60, established);
            answer = answer.into_iter().chain(at).min();
        }
        let took = answer.map(|at| at - began).filter(|took| *took < patience);
        self.now += took.unwrap_or(patience);
        took
    }

    /// Counts what has come by.
    fn count(&mut self) {
        let now = self.now;
        let (come, coming): (Vec<_>, _) = self.coming.drain(..).partition(|(at, _)| *at <= now);
        self.coming = coming;
        self.dropped += come.iter().filter(|(_, dropped)| *dropped).count() as u64;
        self.through += come.len() as u64;
    }
}

impl Networks for Pretended {
    fn install(&self, _: &NetworkIdentity, spec: &TableSpec) -> Result<Box<dyn Table>, KernelError> {
        self.state().effect = Some(spec.effect.clone());
        Ok(Box::new(self.clone()))
    }

    fn has_table(&self, _: &NetworkIdentity, _: &str) -> Result<bool, KernelError> {
        Ok(self.state().effect.is_some())
    }

    fn addresses(&self, _: &NetworkIdentity) -> Result<Vec<IpAddr>, KernelError> {
        Ok(vec![[10, 9, 0, 1].into()])
    }

    fn reach(&self, _: &NetworkIdentity, _: SocketAddr, patience: Duration) -> Result<Reach, KernelError> {
        let mut state = self.state();
        let is_refused = matches!(state.effect, Some(TableEffect::Refuse { .. })) && !state.link.inert;
        Ok(match state.insisted(&FIRST, patience, false) {
            Some(time) => Reach::Accepted(time),
            None if is_refused => Reach::Refused("refused".to_owned()),
            None => Reach::Silent,
        })
    }

    fn ping(
        &self,
        _: &NetworkIdentity,
        _: IpAddr,
        length: u16,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        let mut state = self.state();
        let began = state.now;
        let answer =
            state.there_and_back(began, length, false).map(|at| at - began).filter(|took| *took < patience);
        state.now += answer.unwrap_or(patience);
        Ok(answer)
    }

    fn converse(
        &self,
        network: &NetworkIdentity,
        peer: SocketAddr,
        patience: Duration,
    ) -> Result<Box<dyn Conversation>, KernelError> {
        match self.reach(network, peer, patience)? {
            Reach::Accepted(_) => Ok(Box::new(self.clone())),
            other => Err(KernelError::Call {
                doing: "connect to the witness",
                source: std::io::Error::new(std::io::ErrorKind::NotConnected, format!("{other:?}")),
            }),
        }
    }

    fn farewell(
        &self,
        _: &NetworkIdentity,
        _: SocketAddr,
        patience: Duration,
    ) -> Result<Option<Duration>, KernelError> {
        let mut state = self.state();
        Ok(state.insisted(&FIRST, patience, false).and_then(|_| state.insisted(&AGAIN, patience, true)))
    }
}

impl Conversation for Pretended {
    fn is_heard(&mut self, patience: Duration) -> Result<bool, KernelError> {
        let mut state = self.state();
        // Sent again for as long as anybody looks for what comes of it.
        let began = state.now;
        let heard = state.insisted(&AGAIN, patience.max(Duration::from_secs(10)), true);
        state.now = began + heard.unwrap_or(patience).min(patience);
        Ok(heard.is_some_and(|took| took < patience))
    }
}

impl Table for Pretended {
    fn hits(&self) -> Result<u64, KernelError> {
        let mut state = self.state();
        state.now += Duration::from_millis(3);
        state.count();
        Ok(if state.hurt.is_some() { state.through } else { state.dropped })
    }

    fn connections(&self) -> usize {
        1
    }

    fn act_for(&mut self, _: Duration) -> Result<(), KernelError> {
        Ok(())
    }

    fn remove(self: Box<Self>) -> Result<(), KernelError> {
        self.state().effect = None;
        Ok(())
    }
}
