//! The life of a fault that a process of ours holds: the process takes hold, is looked for from outside, and lets go.
//!
//! Leaves what is held to [`crate::holder`], and how it is seen to each means.

use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;

use super::{Effect, Prepared, Site, Step, failed};
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::undo::Secrets;

/// How it is seen that a fault landed.
pub(crate) trait Look: Send {
    /// Looks for it from the victim's side, as [`Effect::prove`] does; the process that holds it is given.
    fn look<'a>(&'a mut self, holder: &'a Holder, site: &'a Site) -> Step<'a, Proof>;
}

impl Prepared {
    /// An effect that a process holds.
    pub(crate) fn held(undo: Undo, secrets: Secrets, holder: Holder, look: impl Look + 'static) -> Self {
        Self { undo, secrets, effect: Box::new(Holding { look, holder }) }
    }
}

struct Holding<L> {
    look: L,
    holder: Holder,
}

impl<L: Look> Effect for Holding<L> {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move { site.unless_cancelled(self.holder.take_hold()).await?.map_err(failed) })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        self.look.look(&self.holder, site)
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        let Self { holder, .. } = *self;
        Box::pin(async move {
            holder.let_go().await;
            true
        })
    }
}
