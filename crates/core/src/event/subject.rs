//! What an event is about, for whoever sorts or folds events.

use super::{Body, ItemId};
use crate::units::Name;

impl Body {
    /// The checklist, of an event about one as a whole.
    #[must_use]
    pub const fn checklist(&self) -> Option<&Name> {
        match self {
            Self::ChecklistQueued { checklist, .. }
            | Self::ChecklistInhibited { checklist, .. }
            | Self::ChecklistReleased { checklist }
            | Self::ChecklistOpened { checklist, .. }
            | Self::ChecklistHeld { checklist, .. }
            | Self::ChecklistCompleteExceptDeferred { checklist }
            | Self::ChecklistComplete { checklist, .. }
            | Self::ChecklistOverridden { checklist, .. }
            | Self::ChecklistReset { checklist, .. }
            | Self::ChecklistAbandoned { checklist, .. } => Some(checklist),
            _ => None,
        }
    }

    /// The item, of an event about one.
    #[must_use]
    pub const fn item(&self) -> Option<&ItemId> {
        match self {
            Self::ItemConfirmed { item, .. }
            | Self::ItemReopened { item, .. }
            | Self::ItemSensed { item, .. }
            | Self::ItemRegressed { item, .. }
            | Self::ItemOverridden { item, .. }
            | Self::ItemOverrideCleared { item }
            | Self::ConditionAnswered { item, .. }
            | Self::ConditionSensed { item, .. }
            | Self::TimerStarted { item, .. }
            | Self::TimerElapsed { item, .. }
            | Self::ItemDeferred { item, .. }
            | Self::ItemDeferredDue { item, .. }
            | Self::ItemNotDeferrable { item, .. }
            | Self::ItemDeferralCancelled { item, .. }
            | Self::ItemDeferredDone { item, .. }
            | Self::ItemRan { item, .. } => Some(item),
            _ => None,
        }
    }
}
