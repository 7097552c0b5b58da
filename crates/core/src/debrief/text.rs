//! The debrief as plain text, for a terminal or a note.

use std::fmt::{self, Display, Formatter};

use crate::Timestamp;
use crate::event::SliceKind;
use crate::text::printable;

use super::{Debrief, Fault, LATE, Moment, Response};

/// Times of a debrief are within a day or two of each other: seconds and tenths are what is compared.
fn clock(at: Timestamp) -> String {
    let tenth = at.timestamp_subsec_millis() / 100;
    format!("{}.{tenth}Z", at.format("%H:%M:%S"))
}

/// A length of time in whole seconds and tenths.
fn length(from: Timestamp, to: Timestamp) -> String {
    let tenths = (to - from).num_milliseconds().max(0) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

impl Display for Debrief {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.exercise { "DRILL" } else { "INCIDENT" };
        writeln!(f, "DEBRIEF OF {kind}: {}", printable(&self.title))?;
        if let (Some(opened), Some(closed)) = (self.opened_at, self.closed_at) {
            let day = opened.format("%Y-%m-%d");
            writeln!(f, "  {day}, {} to {} ({})", clock(opened), clock(closed), length(opened, closed))?;
        }
        if let Some((verdict, because)) = &self.verdict {
            writeln!(f, "  verdict: {} ({})", verdict.word(), printable(because))?;
        }
        if !self.holes.is_empty() || !self.defences.is_empty() {
            writeln!(f, "\nHoles")?;
            for hole in &self.holes {
                let kind = match hole.kind {
                    SliceKind::ActiveFailure => "active failure",
                    SliceKind::LatentCondition => "latent condition",
                };
                writeln!(
                    f,
                    "  {}  {:<14} {kind}: {}",
                    clock(hole.opened_at),
                    hole.slice,
                    printable(&hole.hole)
                )?;
            }
            for slice in &self.defences {
                writeln!(f, "  {:<11}  {slice:<14} the defence held", "")?;
            }
        }
        writeln!(f, "\nWhat users saw")?;
        if self.losses.is_empty() {
            writeln!(f, "  steady state held throughout")?;
        }
        for loss in &self.losses {
            match loss.regained_at {
                Some(back) => writeln!(
                    f,
                    "  {}  {} lost, regained {} (after {})",
                    clock(loss.lost_at),
                    loss.probe,
                    clock(back),
                    length(loss.lost_at, back)
                )?,
                None => writeln!(f, "  {}  {} lost, not regained", clock(loss.lost_at), loss.probe)?,
            }
        }
        self.response.fmt(f)?;
        if !self.faults.is_empty() {
            writeln!(f, "\nFaults")?;
        }
        for fault in &self.faults {
            fault.fmt(f)?;
        }
        for checklist in &self.checklists {
            let opened =
                checklist.opened_at.map_or("never opened".to_owned(), |at| format!("opened {}", clock(at)));
            let done = checklist
                .completed_at
                .map_or("not completed".to_owned(), |at| format!("complete {}", clock(at)));
            let over = match checklist.overridden {
                0 => String::new(),
                n => format!(", {n} overridden"),
            };
            writeln!(f, "\nChecklist {}: {opened}, {done}{over}", checklist.name)?;
        }
        if self.recorded_late > 0 {
            writeln!(
                f,
                "\n{} events were recorded more than a minute after they happened",
                self.recorded_late
            )?;
        }
        Ok(())
    }
}

impl Display for Response {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(onset) = self.onset else { return Ok(()) };
        writeln!(f, "\nResponse (times since steady state was lost)")?;
        if let Some(at) = self.alerted_at {
            writeln!(f, "  {:>9}  alert", length(onset, at))?;
        }
        let line = |f: &mut Formatter<'_>, what: &str, moment: Option<&Moment>| match moment {
            Some(m) => {
                let late = m.recorded_at - m.at;
                let late = if late > LATE {
                    format!(" (recorded {} later)", length(m.at, m.recorded_at))
                } else {
                    String::new()
                };
                writeln!(f, "  {:>9}  {what}, by {}{late}", length(onset, m.at), printable(m.by.as_str()))
            }
            None => writeln!(f, "  {:>9}  {what}: never", "-"),
        };
        line(f, "first act", self.first_act.as_ref())?;
        if self.scored {
            line(f, "right target named", self.named_target.as_ref())?;
            line(f, "acted on the right target", self.acted_on_target.as_ref())?;
            if self.wrong_targets > 0 {
                writeln!(f, "  {:>9}  wrong target named", format!("{} times", self.wrong_targets))?;
            }
        }
        Ok(())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let applied = self.applied_at.map_or("not applied".to_owned(), clock);
        write!(f, "  {applied:<11}  {} on {}", self.kind, printable(&self.target))?;
        match &self.proof {
            Some((true, evidence)) => write!(f, "; landed: {}", printable(evidence))?,
            Some((false, evidence)) => write!(f, "; DID NOT LAND: {}", printable(evidence))?,
            None => {}
        }
        match (&self.undone, &self.residue) {
            (Some((at, because)), _) => writeln!(f, "; undone {} ({})", clock(*at), printable(because)),
            (None, Some((why, manual))) => {
                writeln!(f, "; RESIDUE: {}; run: {}", printable(why), printable(manual))
            }
            (None, None) => writeln!(f, "; still active"),
        }
    }
}
