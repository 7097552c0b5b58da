//! The means by which faults are done, one module for each: what is looked at before, the effect, and its proof.
//!
//! A means is chosen by [`crate::plan`](mod@crate::plan), prepared while nothing is disturbed, and then lives as an [`Effect`] until it is
//! undone. Leaves the order of the steps, the ledger and the guardian to [`crate::injector`], and what another process can
//! undo to [`crate::undo`](mod@crate::undo).

mod asking;
pub(crate) mod blackhole;
pub(crate) mod branch;
pub(crate) mod cut;
pub(crate) mod dns;
mod feasible;
pub(crate) mod file_limit;
pub(crate) mod file_lock;
pub(crate) mod fill;
pub(crate) mod flap;
pub(crate) mod freeze;
mod freezer;
mod holding;
pub(crate) mod kill;
mod late;
pub(crate) mod limit;
pub(crate) mod limits;
mod lossy;
pub(crate) mod mysql;
mod nest;
#[cfg(test)]
mod odds;
pub(crate) mod oom;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod postgres;
mod processes;
pub(crate) mod redis;
pub(crate) mod reject;
pub(crate) mod relayed;
pub(crate) mod shaped;
mod site;
pub(crate) mod socket_kill;
pub(crate) mod spike;
mod split;
pub(crate) mod sqlite;
pub(crate) mod stress;
pub(crate) mod table;

use std::fmt::Debug;

use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

pub(crate) use site::{Cancel, LateLease, Site};

use crate::error::FaultError;
use crate::injector::Proof;
use crate::undo::Secrets;

/// A step of a fault's life that may wait.
pub(crate) type Step<'a, T> = BoxFuture<'a, Result<T, FaultError>>;

/// A way of doing a fault, with everything that was decided about it.
pub(crate) trait Means: Debug + Send + Sync {
    /// Looks at the world as it is, refuses what makes no sense, and starts what will hold the fault. Nothing is disturbed.
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared>;
}

/// A fault that can be applied now.
pub(crate) struct Prepared {
    /// How it will be taken back.
    pub(crate) undo: Undo,
    /// What that needs beyond the ledger.
    pub(crate) secrets: Secrets,
    /// The effect, not there yet.
    pub(crate) effect: Box<dyn Effect>,
}

impl Prepared {
    /// An effect whose undo needs no secret.
    pub(crate) fn new(undo: Undo, effect: impl Effect + 'static) -> Self {
        Self { undo, secrets: Secrets::default(), effect: Box::new(effect) }
    }
}

/// What a fault does, and holds while it lasts.
pub(crate) trait Effect: Send {
    /// Puts it in place. Runs to its end also when the fault is given up, but for what it passes to
    /// [`Site::unless_cancelled`]: whoever gives it up waits a moment, and otherwise takes it out once more after it has
    /// come back.
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()>;

    /// Looks for it from the victim's side (design law 5). May be dropped at any await.
    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof>;

    /// Lets go of what only this process holds; says whether there was anything. What stays nevertheless is seen by the
    /// undo that follows. Called for an effect that was half applied, too.
    fn release(self: Box<Self>) -> BoxFuture<'static, bool>;
}

pub(crate) fn seen(evidence: impl Into<String>) -> Proof {
    Proof { landed: true, evidence: evidence.into() }
}

pub(crate) fn unseen(evidence: impl Into<String>) -> Proof {
    Proof { landed: false, evidence: evidence.into() }
}

/// What could not be put in place, and why.
pub(crate) fn failed(why: impl Into<String>) -> FaultError {
    FaultError::Apply { why: why.into(), residue: None }
}
