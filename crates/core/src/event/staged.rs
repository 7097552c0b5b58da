//! What a drill has staged, kept from its responders while it lasts.
//!
//! Owns which drill of a timeline has no verdict yet, and what is held back then: responders are to find it out. Whether
//! that drill still runs is its writer's to show. The screen decides line by line as they come; this is for whoever writes a
//! whole timeline.

use super::{Body, Record};

/// The writer of a drill that has begun and has no verdict yet. Records are in the log's order.
pub fn writer_of_open_drill(records: &[Record]) -> Option<&str> {
    records.iter().fold(None, |open, record| match record.event.body {
        Body::DrillStarted { .. } => Some(record.writer.as_str()),
        Body::DrillVerdict { .. } => None,
        _ => open,
    })
}

/// Takes out what only the facilitator may see while a drill lasts; how many records that were.
pub fn hold_back(records: &mut Vec<Record>) -> usize {
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
        let open = |bodies| writer_of_open_drill(&records(bodies)).map(str::to_owned);
        let here = Some("w".to_owned());
        assert_eq!(open(vec![opened(), started.clone(), step(), note()]), here);
        assert_eq!(open(vec![opened(), started.clone(), step(), verdict.clone(), note()]), None);
        // A second one begins: the first was told, and is kept back with it.
        assert_eq!(open(vec![started.clone(), verdict, started, step()]), here);
        // What was injected by hand, on the timeline of an incident that is no drill, is no secret.
        assert_eq!(open(vec![opened(), step()]), None);
    }
}
