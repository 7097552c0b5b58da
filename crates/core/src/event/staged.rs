//! What a drill has staged, kept from its responders while it lasts.
//!
//! Owns the decision whether a drill still lasts, and what is held back then: they are to find it out. The screen decides
//! line by line as they come; this is for whoever writes a whole timeline.

use super::{Body, Record};

/// Whether a drill on this timeline has begun and has no verdict yet. Records are in the log's order.
fn lasts(records: &[Record]) -> bool {
    records.iter().fold(false, |lasts, record| match record.event.body {
        Body::DrillStarted { .. } => true,
        Body::DrillVerdict { .. } => false,
        _ => lasts,
    })
}

/// Takes out what only the facilitator may see while a drill lasts; how many records that were.
pub fn hold_back(records: &mut Vec<Record>) -> usize {
    if !lasts(records) {
        return 0;
    }
    let before = records.len();
    records.retain(|record| !record.event.body.is_facilitators());
    before - records.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::event::{Actor, Event, Hlc, IncidentSeverity, Verdict};

    fn records(bodies: Vec<Body>) -> Vec<Record> {
        let record = |(seq, body)| Record {
            id: format!("{seq}"),
            writer: "w".to_owned(),
            seq,
            hlc: Hlc { ms: seq, count: 0 },
            event: Event::now(Timestamp::UNIX_EPOCH, Actor::tool(), body),
        };
        (1..).zip(bodies).map(record).collect()
    }

    #[test]
    fn what_was_staged_is_held_back_until_the_verdict() {
        let name = || "leaky-abstractions".parse().expect("a name");
        let opened = || Body::IncidentOpened {
            title: "Something".to_owned(),
            severity: IncidentSeverity::Sev3,
            exercise: true,
            playbook: None,
        };
        let step = || Body::DrillStep { what: "the job is killed".to_owned() };
        let note = || Body::Note { text: "it hangs".to_owned() };
        let residue =
            || Body::FaultResidue { id: "1".to_owned(), why: "gone".to_owned(), manual: "rm".to_owned() };
        let started = Body::DrillStarted {
            playbook: name(),
            title: "A dead job keeps its lock".to_owned(),
            digest: String::new(),
            seed: 1,
            open: Vec::new(),
            closed: Vec::new(),
        };
        let mut during = records(vec![opened(), started.clone(), step(), note(), residue()]);
        assert_eq!(hold_back(&mut during), 2);
        let bodies: Vec<_> = during.iter().map(|record| &record.event.body).collect();
        // What must be removed by hand is everybody's business.
        assert_eq!(bodies, [&opened(), &note(), &residue()]);

        let verdict = Body::DrillVerdict { verdict: Verdict::Outage, because: "it was lost".to_owned() };
        let after = records(vec![opened(), started.clone(), step(), verdict.clone(), note()]);
        let mut all = after.clone();
        assert_eq!((hold_back(&mut all), all), (0, after));
        // A second one begins: the first was told, and is kept back with it.
        let mut again = records(vec![started.clone(), verdict, started, step()]);
        assert_eq!(hold_back(&mut again), 3);
        // What was injected by hand, on the timeline of an incident that is no drill, is no secret.
        assert_eq!(hold_back(&mut records(vec![opened(), step()])), 0);
    }
}
