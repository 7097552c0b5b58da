//! How the timeline names an item of a checklist.

use serde::{Deserialize, Serialize};

use crate::units::Name;

/// An item of a checklist: `CHECKLIST/ITEM`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId {
    /// Which checklist.
    pub checklist: Name,
    /// Which item: its `id`, or its number path such as `3` or `2-no-1`.
    pub item: String,
}

/// A text that names no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no item; write CHECKLIST/ITEM, such as database-lock-pileup/head")]
pub struct ItemIdError(String);

impl std::str::FromStr for ItemId {
    type Err = ItemIdError;
    fn from_str(text: &str) -> Result<Self, ItemIdError> {
        text.split_once('/')
            .filter(|(_, item)| !item.is_empty())
            .and_then(|(checklist, item)| {
                Some(Self { checklist: checklist.parse().ok()?, item: item.to_owned() })
            })
            .ok_or_else(|| ItemIdError(text.to_owned()))
    }
}

impl std::fmt::Display for ItemId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.checklist, self.item)
    }
}
