//! A world that is as before when it looks the same and one question about it has the answer yes.

use deadstick_core::fault::{Fault, ResolvedTarget};

use crate::common::fault;
use crate::common::matrix::World;
use crate::common::snapshot::Snapshot;

/// It, with what it is about.
pub(crate) struct Same {
    words: &'static str,
    target: ResolvedTarget,
    works: Box<dyn Fn() -> bool>,
    without_netem: bool,
    also: Option<ResolvedTarget>,
    /// What ends with the world.
    _kept: Box<dyn std::any::Any>,
}

impl Same {
    pub(crate) fn new(
        words: &'static str,
        target: ResolvedTarget,
        kept: impl std::any::Any,
        works: impl Fn() -> bool + 'static,
    ) -> Self {
        let (works, kept) = (Box::new(works), Box::new(kept));
        Self { words, target, works, without_netem: false, also: None, _kept: kept }
    }

    /// On a host that is taken for one without netem.
    pub(crate) fn without_netem(self) -> Self {
        Self { without_netem: true, ..self }
    }

    /// Looks at somebody else, too.
    pub(crate) fn also(self, other: ResolvedTarget) -> Self {
        Self { also: Some(other), ..self }
    }

    pub(crate) fn boxed(self) -> Option<Box<dyn World>> {
        Some(Box::new(self))
    }
}

impl World for Same {
    fn fault(&self) -> Fault {
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        self.target.clone()
    }
    fn works(&self) -> bool {
        (self.works)()
    }
    fn look(&self) -> Snapshot {
        let mut seen = Snapshot::of(&self.target);
        if let Some(other) = &self.also {
            seen.add("beside it", format!("{:?}", Snapshot::of(other)));
        }
        seen
    }
    fn without_netem(&self) -> bool {
        self.without_netem
    }
}
