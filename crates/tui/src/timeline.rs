//! The timeline as it is read: ordered, filtered, followed.
//!
//! Owns the entries, which of them are visible, and the reader's place among them, which new entries never move.
//! Leaves the sentences to [`deadstick_core::event`] and drawing to the view.

use std::ops::Range;

use deadstick_core::Timestamp;
use deadstick_core::event::{AlertLevel, Body, Hlc, Record, describe};

use crate::news::Tone;

/// One entry, ready to be read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) occurred: Timestamp,
    pub(crate) recorded: Timestamp,
    pub(crate) by: String,
    pub(crate) what: String,
    pub(crate) tone: Tone,
    /// Only the facilitator sees it before the verdict.
    staged: bool,
    /// What a filter looks at: actor and sentence in lower case.
    sought: String,
    order: (Hlc, String, u64),
}

impl Entry {
    pub(crate) fn new(record: &Record) -> Self {
        let event = &record.event;
        let what = describe(&event.body);
        let (hlc, writer, seq) = record.order();
        Self {
            occurred: event.occurred,
            recorded: event.recorded,
            by: event.by.as_str().to_owned(),
            sought: format!("{} {what}", event.by).to_lowercase(),
            what,
            tone: tone(&event.body),
            staged: event.body.is_facilitators(),
            order: (hlc, writer.to_owned(), seq),
        }
    }

    /// Whether it was recorded so much later that it is worth saying.
    pub(crate) fn back_dated(&self) -> bool {
        (self.recorded - self.occurred).num_seconds() >= 1
    }

    /// Whether only the facilitator sees it before the verdict.
    pub(crate) const fn staged(&self) -> bool {
        self.staged
    }

    fn place(&self) -> (Timestamp, &(Hlc, String, u64)) {
        (self.occurred, &self.order)
    }
}

/// How loud an event is.
fn tone(body: &Body) -> Tone {
    match body {
        Body::AlertRaised { level: AlertLevel::Warning, .. }
        | Body::SteadyStateLost { .. }
        | Body::FaultResidue { .. }
        | Body::DrillAbort { .. } => Tone::Warning,
        Body::AlertRaised { level: AlertLevel::Caution, .. }
        | Body::ItemRegressed { .. }
        | Body::ItemOverridden { .. }
        | Body::ChecklistOverridden { .. }
        | Body::ChecklistAbandoned { .. } => Tone::Caution,
        _ => Tone::Plain,
    }
}

/// More records than this at once are sorted in together rather than one by one.
const BULK: usize = 64;

/// The entries with the reader's place among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    entries: Vec<Entry>,
    /// Indices of the entries that are shown.
    visible: Vec<usize>,
    filter: String,
    /// Whether staged entries are shown.
    revealed: bool,
    /// The reader's place in `visible`; none while the newest entries are followed.
    place: Option<Reading>,
}

/// Where somebody reads, as positions in what is visible.
#[derive(Clone, Copy, Debug)]
struct Reading {
    selected: usize,
    top: usize,
}

impl Timeline {
    pub(crate) fn new(facilitator: bool) -> Self {
        Self { revealed: facilitator, ..Self::default() }
    }

    /// Takes new records in, wherever they belong. A verdict reveals what was staged.
    pub(crate) fn extend(&mut self, records: &[Record]) {
        let reader = self.place.and_then(|p| Some((self.order_at(p.selected)?, self.order_at(p.top)?)));
        let reveals =
            !self.revealed && records.iter().any(|r| matches!(r.event.body, Body::DrillVerdict { .. }));
        self.revealed |= reveals;
        if reveals || records.len() > BULK {
            self.entries.extend(records.iter().map(Entry::new));
            self.entries.sort_by(|a, b| a.place().cmp(&b.place()));
            self.rebuild();
        } else {
            records.iter().map(Entry::new).for_each(|entry| self.insert(entry));
        }
        self.place = reader
            .map(|(selected, top)| Reading { selected: self.position(&selected), top: self.position(&top) });
    }

    /// Puts one entry where it belongs. At the end, the usual case, this moves nothing.
    fn insert(&mut self, entry: Entry) {
        let at = match self.entries.last() {
            Some(last) if entry.place() < last.place() => {
                self.entries.partition_point(|known| known.place() <= entry.place())
            }
            _ => self.entries.len(),
        };
        let from = self.visible.partition_point(|n| *n < at);
        self.visible[from..].iter_mut().for_each(|n| *n += 1);
        if self.shows(&entry) {
            self.visible.insert(from, at);
        }
        self.entries.insert(at, entry);
    }

    /// Shows only entries that contain the text, in any case. The reader stays at the same entry if it still shows.
    pub(crate) fn filter(&mut self, text: &str) {
        let reader = self.place.and_then(|p| self.order_at(p.selected));
        text.trim().to_lowercase().clone_into(&mut self.filter);
        self.rebuild();
        self.place = reader.map(|order| {
            let selected = self.position(&order);
            Reading { selected, top: selected }
        });
    }

    pub(crate) fn filtered_by(&self) -> &str {
        &self.filter
    }

    fn shows(&self, entry: &Entry) -> bool {
        (self.revealed || !entry.staged) && (self.filter.is_empty() || entry.sought.contains(&self.filter))
    }

    fn rebuild(&mut self) {
        self.visible = (0..self.entries.len()).filter(|n| self.shows(&self.entries[*n])).collect();
    }

    fn order_at(&self, visible: usize) -> Option<(Timestamp, (Hlc, String, u64))> {
        let entry = self.entries.get(*self.visible.get(visible)?)?;
        Some((entry.occurred, entry.order.clone()))
    }

    /// The visible position of an entry, or of the next one when it is not visible.
    fn position(&self, (occurred, order): &(Timestamp, (Hlc, String, u64))) -> usize {
        let at = self.visible.partition_point(|n| self.entries[*n].place() < (*occurred, order));
        at.min(self.visible.len().saturating_sub(1))
    }

    /// How many entries are visible, and how many there are that this person may see.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let all = if self.filter.is_empty() {
            self.visible.len()
        } else {
            self.entries.iter().filter(|e| self.revealed || !e.staged).count()
        };
        (self.visible.len(), all)
    }

    pub(crate) const fn follows(&self) -> bool {
        self.place.is_none()
    }

    pub(crate) const fn follow(&mut self) {
        self.place = None;
    }

    /// The position of the selected entry; the newest while following.
    pub(crate) fn selected(&self) -> usize {
        let last = self.visible.len().saturating_sub(1);
        self.place.map_or(last, |p| p.selected.min(last))
    }

    pub(crate) fn selected_entry(&self) -> Option<&Entry> {
        self.entry(self.selected())
    }

    pub(crate) fn entry(&self, visible: usize) -> Option<&Entry> {
        self.visible.get(visible).and_then(|n| self.entries.get(*n))
    }

    /// What stands in a window of so many lines.
    pub(crate) fn window(&self, height: usize) -> Range<usize> {
        let len = self.visible.len();
        let newest = len.saturating_sub(height);
        let top = self.place.map_or(newest, |p| {
            p.top.min(newest).min(p.selected).max((p.selected + 1).saturating_sub(height))
        });
        top..len.min(top + height)
    }

    /// Moves the reader by so many entries in a window of so many lines; from then on nothing is followed, until the
    /// newest entry is reached going down.
    pub(crate) fn step(&mut self, by: isize, height: usize) {
        let last = self.visible.len().saturating_sub(1);
        let top = self.window(height).start;
        let selected = self.selected().saturating_add_signed(by).min(last);
        if by > 0 && selected == last {
            self.place = None;
            return;
        }
        self.place = Some(Reading { selected, top });
        if let Some(place) = &mut self.place {
            place.top = top.min(selected).max((selected + 1).saturating_sub(height.max(1)));
        }
    }

    /// Goes to the oldest entry.
    pub(crate) const fn first(&mut self) {
        self.place = Some(Reading { selected: 0, top: 0 });
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use deadstick_core::event::{Actor, Event};
    use proptest::prelude::*;

    use super::*;

    fn record(seq: u64, minute: i64, text: &str) -> Record {
        let at = Timestamp::UNIX_EPOCH + TimeDelta::minutes(minute);
        let body = match text {
            "verdict" => Body::DrillVerdict {
                verdict: deadstick_core::event::Verdict::Outage,
                because: "lost".to_owned(),
            },
            "staged" => Body::DrillStep { what: "staged".to_owned() },
            _ => Body::Note { text: text.to_owned() },
        };
        let event = Event::now(at, Actor::person("ana"), body);
        Record { id: format!("r{seq}"), writer: "w".to_owned(), seq, hlc: Hlc { ms: seq, count: 0 }, event }
    }

    proptest! {
        /// Whatever comes in whatever order and batches, what is shown is what sorting and filtering everything shows,
        /// and the reader's entry stays the reader's entry.
        #[test]
        fn taking_records_in_one_by_one_equals_sorting_them(
            kinds in prop::collection::vec((0_i64..20, prop::sample::select(vec!["red", "blue", "staged", "verdict"])), 1..200),
            batch in prop::sample::select(vec![1_usize, 3, 80]),
            filter in prop::sample::select(vec!["", "red", "e"]),
            reads_at in prop::option::of(0_usize..10),
        ) {
            let records: Vec<_> =
                kinds.iter().zip(1..).map(|((minute, kind), seq)| record(seq, *minute, kind)).collect();
            let mut timeline = Timeline::new(false);
            timeline.filter(filter);
            let mut reader = None;
            for records in records.chunks(batch) {
                timeline.extend(records);
                if let (None, Some(up)) = (&reader, reads_at) && timeline.counts().0 > up {
                    timeline.step(-isize::try_from(up).expect("small"), 4);
                    reader = timeline.selected_entry().map(|entry| entry.order.clone());
                }
            }
            let revealed = kinds.iter().any(|(_, kind)| *kind == "verdict");
            let mut expected: Vec<Entry> = records.iter().map(Entry::new).collect();
            expected.sort_by(|a, b| a.place().cmp(&b.place()));
            expected.retain(|e| (revealed || !e.staged) && e.sought.contains(filter));
            let shown: Vec<_> = (0..timeline.counts().0).filter_map(|n| timeline.entry(n)).collect();
            prop_assert_eq!(shown.iter().map(|e| &e.order).collect::<Vec<_>>(), expected.iter().map(|e| &e.order).collect::<Vec<_>>());
            if let (Some(reader), false) = (reader, timeline.follows()) {
                prop_assert_eq!(timeline.selected_entry().map(|entry| &entry.order), Some(&reader));
            }
            let window = timeline.window(4);
            prop_assert!(window.len() <= 4 && window.end <= timeline.counts().0);
        }
    }
}
