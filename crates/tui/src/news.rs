//! Messages that come by themselves: they wait on their line and take nothing away.
//!
//! Owns banners (what changed and asks for attention), passing notices and failures, and which of them shows. Leaves
//! the cursor, the focus and half-typed text alone: there is no way from here to any of them.

use std::collections::VecDeque;

use chrono::TimeDelta;
use deadstick_core::Timestamp;
use deadstick_core::event::AlertLevel;
use deadstick_core::incident::view::{ChecklistState, Marker};

use crate::snapshot::{Snapshot, Subject, rows, subject};

/// How loud something is; never the only sign of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    Warning,
    Caution,
    Good,
    Quiet,
    #[default]
    Plain,
}

impl From<AlertLevel> for Tone {
    fn from(level: AlertLevel) -> Self {
        match level {
            AlertLevel::Warning => Self::Warning,
            AlertLevel::Caution => Self::Caution,
            AlertLevel::Advisory | AlertLevel::Normal => Self::Plain,
        }
    }
}

/// The word for a level, as loud as it is.
pub(crate) const fn level_word(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Warning => "WARNING",
        AlertLevel::Caution => "CAUTION",
        AlertLevel::Advisory => "ADVISORY",
        AlertLevel::Normal => "normal",
    }
}

/// Something that asks for attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Banner {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// What it is about: looking at that takes the banner away.
    about: Option<Subject>,
}

/// How long a passing notice stays.
const PASSING: TimeDelta = TimeDelta::seconds(10);
/// More banners than this are not kept: the queue has them all.
const KEPT: usize = 32;

/// Everything that waits to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    failed: Option<String>,
    banners: VecDeque<Banner>,
    notice: Option<(String, Timestamp)>,
}

impl News {
    pub(crate) fn fail(&mut self, text: String) {
        self.failed = Some(text);
    }

    pub(crate) fn notice(&mut self, text: impl Into<String>, now: Timestamp) {
        self.notice = Some((text.into(), now + PASSING));
    }

    pub(crate) fn add(&mut self, banners: Vec<Banner>) {
        self.banners.extend(banners);
        while self.banners.len() > KEPT {
            self.banners.pop_front();
        }
    }

    /// Lets passing notices pass.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.notice.take_if(|(_, until)| *until <= now);
    }

    /// The answer to an earlier key is no answer to the next act.
    pub(crate) fn moved_on(&mut self) {
        self.notice = None;
    }

    /// Takes away what is about a checklist that is now looked at.
    pub(crate) fn seen(&mut self, about: &Subject) {
        self.banners.retain(|banner| banner.about.as_ref() != Some(about));
    }

    /// Takes the message that shows away; false when there is none.
    pub(crate) fn dismiss(&mut self) -> bool {
        self.notice.take().is_some() || self.failed.take().is_some() || self.banners.pop_back().is_some()
    }

    /// The answer to what was just pressed.
    pub(crate) fn answer(&self) -> Option<&str> {
        self.notice.as_ref().map(|(text, _)| text.as_str())
    }

    /// What came in: what failed, then the newest banner with how many wait.
    pub(crate) fn line(&self) -> Option<(String, Tone)> {
        if let Some(text) = &self.failed {
            return Some((text.clone(), Tone::Warning));
        }
        let banner = self.banners.back()?;
        let more = match self.banners.len() {
            1 => String::new(),
            n => format!("  (+{} more, Esc)", n - 1),
        };
        Some((format!("{}{more}", banner.text), banner.tone))
    }
}

/// What became different in a way that asks for attention.
pub(crate) fn changes(old: &Snapshot, new: &Snapshot, me: &str) -> Vec<Banner> {
    let mut banners = Vec::new();
    for row in &new.queue {
        let about = subject(row);
        let known = old.queue.iter().any(|o| subject(o) == about && o.alert_active == row.alert_active);
        let asks = matches!(row.state, Some(ChecklistState::Queued) | None) && row.alert_active;
        if !known && asks {
            let text = format!("New {}: {}", level_word(row.level), row.title);
            banners.push(Banner { text, tone: row.level.into(), about });
        }
    }
    for row in new.lists.iter().flat_map(rows).filter(|row| row.marker == Marker::Regressed) {
        if old.row(&row.id).is_some_and(|o| o.marker != Marker::Regressed) {
            let text = format!("No longer true: {}", row.text);
            banners.push(Banner { text, tone: Tone::Caution, about: None });
        }
    }
    if new.bar.pending != old.bar.pending {
        match &new.bar.pending {
            Some(offer) if offer.to == me && !offer.accepted => {
                let text = format!("{} offers you control. They must know: {}", offer.from, offer.brief);
                banners.push(Banner { text, tone: Tone::Caution, about: None });
            }
            Some(offer) if offer.from == me && offer.accepted => {
                let text = format!("{} says \"I have control\"; hand it over now", offer.to);
                banners.push(Banner { text, tone: Tone::Caution, about: None });
            }
            _ => {}
        }
    }
    if new.bar.holder != old.bar.holder {
        match &new.bar.holder {
            Some(holder) if holder == me && old.bar.holder.is_some() => {
                banners.push(Banner { text: "You have control".to_owned(), tone: Tone::Good, about: None });
            }
            Some(holder) if old.bar.holder.as_deref() == Some(me) => {
                let text = format!("{holder} has control");
                banners.push(Banner { text, tone: Tone::Caution, about: None });
            }
            _ => {}
        }
    }
    banners
}
