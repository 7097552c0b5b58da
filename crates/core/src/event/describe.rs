//! One sentence for everything that can happen, in plain words: what screens, plain mode and exports show.
//!
//! Owns the wording. The sentence follows the name of whoever did it ("alice *confirmed …*") and has no full stop. It is
//! plain printable text: foreign text in it is stripped of control sequences here, and quoting for Markdown, CSV or HTML
//! is left to whoever writes those.

use super::Body;
use super::fault_words::fault_words;
use crate::probe::Answer;
use crate::text::printable;

/// What happened, as the rest of a sentence that begins with who did it: one line of printable text, no full stop.
#[must_use]
pub fn describe(body: &Body) -> String {
    describe_with(body, &|id| format!("fault {}", short(id)))
}

/// The same, for somebody who has better names for faults than the end of their ids.
#[must_use]
pub fn describe_with(body: &Body, fault: &dyn Fn(&str) -> String) -> String {
    printable(&sentence(body, fault))
}

fn sentence(body: &Body, name: &dyn Fn(&str) -> String) -> String {
    match body {
        Body::IncidentOpened { title, severity, exercise, playbook } => {
            let what = if *exercise { "exercise" } else { "incident" };
            let of = playbook.as_ref().map_or(String::new(), |p| format!(" of playbook {p}"));
            format!("opened the {what}{of}: {title} ({})", severity.word())
        }
        Body::SeverityChanged { from, to } => {
            format!("changed the severity from {} to {}", from.word(), to.word())
        }
        Body::IncidentClosed { summary } => with("closed the incident", summary),
        Body::Note { text } => with("noted", text),

        Body::AlertRaised { alert, level, title, checklist } => {
            let calls =
                checklist.as_ref().map_or(String::new(), |c| format!(", which calls for checklist {c}"));
            format!("raised the {} {alert}: {title}{calls}", level.word())
        }
        Body::AlertCleared { alert } => format!("cleared the alert {alert}"),

        Body::ControlAssumed => "took control".to_owned(),
        Body::ControlOffered { to, brief } => with(&format!("offered control to {to}"), brief),
        Body::ControlAccepted { from } => format!("answered {from}: \"I have control\""),
        Body::ControlTransferred { to } => format!("handed control to {to}: \"You have control\""),
        Body::ControlDeclined { because } => with("ended the offer of control", because),

        Body::DrillStarted { playbook, title, open, closed, .. } => {
            let holes = match (open.len(), closed.len()) {
                (0, _) => "every hole closed".to_owned(),
                (_, 0) => "every hole open".to_owned(),
                _ => format!("open: {}; closed: {}", names(open), names(closed)),
            };
            format!("started the drill {playbook}: {title} ({holes})")
        }
        Body::DrillPhase { phase } => format!("began the phase {}", phase.word()),
        Body::HoleOpened { slice, kind, hole } => {
            format!("opened the hole in {slice} ({}): {hole}", kind.word())
        }
        Body::HoleClosed { slice, kind, defence } => {
            format!("kept {slice} whole ({}): {defence}", kind.word())
        }
        Body::DrillStep { what } => with("went on with the drill", what),
        Body::DrillGroundTruth { checklist, target, act } => {
            let target =
                target.as_ref().map_or(String::new(), |(item, value)| format!(", {item} is {value}"));
            let act = act.as_ref().map_or(String::new(), |act| format!(", and {act} acts on it"));
            format!("knows what would be right: checklist {checklist}{target}{act}")
        }
        Body::DrillAbort { because } => with("aborted the drill", because),
        Body::DrillVerdict { verdict, because } => {
            with(&format!("judged the drill: {}", verdict.word().replace('-', " ")), because)
        }

        Body::FaultApplying { id, fault, target, lease } => {
            format!("began {} on {}: {}, for at most {lease}", name(id), target.name, fault_words(fault))
        }
        Body::FaultApplied { id } => format!("put {} in place", name(id)),
        Body::FaultProved { id, evidence } => with(&format!("saw {} take effect", name(id)), evidence),
        Body::FaultNotProved { id, evidence } => with(&format!("saw no effect of {}", name(id)), evidence),
        Body::FaultUndone { id, because } => with(&format!("took {} out", name(id)), because),
        Body::FaultResidue { id, why, manual } => {
            format!("could not take {} out: {why}; by hand: {manual}", name(id))
        }

        Body::SteadyStateLost { probe, measured } => {
            with(&format!("saw steady state lost at {probe}"), measured)
        }
        Body::SteadyStateRegained { probe, measured, lost_for } => {
            with(&format!("saw steady state back at {probe} after {lost_for}"), measured)
        }
        Body::ProbeChanged { probe, from, to, detail } => {
            let from = from.map_or(String::new(), |from| format!(" from {}", from.word()));
            with(&format!("saw probe {probe} go{from} to {}", to.word()), detail)
        }

        Body::ChecklistQueued { checklist, title, level, version, .. } => {
            format!("queued the {} checklist {checklist} {version}: {title}", level.word())
        }
        Body::ChecklistInhibited { checklist, inhibited_by } => {
            format!("kept checklist {checklist} out of the queue while {inhibited_by} is active")
        }
        Body::ChecklistReleased { checklist } => format!("let checklist {checklist} back into the queue"),
        Body::ChecklistOpened { checklist, despite_inhibit } => {
            format!(
                "opened checklist {checklist}{}",
                if *despite_inhibit { ", although it is inhibited" } else { "" }
            )
        }
        Body::ChecklistHeld { checklist, resume_by, reason } => with(
            &format!("put checklist {checklist} aside until {} UTC", resume_by.format("%H:%M:%S")),
            reason,
        ),
        Body::ChecklistCompleteExceptDeferred { checklist } => {
            format!("completed checklist {checklist} except for deferred items")
        }
        Body::ChecklistComplete { checklist, done, overridden, inactive } => {
            format!(
                "completed checklist {checklist}: {done} done, {overridden} overridden, {inactive} not needed"
            )
        }
        Body::ChecklistOverridden { checklist, reason, unfinished } => {
            with(&format!("overrode checklist {checklist}{}", left(unfinished)), reason)
        }
        Body::ChecklistReset { checklist, reason, run } => {
            with(&format!("began checklist {checklist} anew, run {run}"), reason)
        }
        Body::ChecklistAbandoned { checklist, unfinished } => {
            format!("left checklist {checklist}{}", left(unfinished))
        }

        Body::ItemConfirmed { text, response, reading, with: second, .. } => {
            let reading = reading.as_ref().map_or(String::new(), |r| format!(" ({r})"));
            format!("confirmed {text}: {response}{reading}{}", together(second.as_deref()))
        }
        Body::ItemReopened { item, reason } => with(&format!("took back {item}"), reason),
        Body::ItemSensed { text, from, to, value, detail, .. } => {
            let change = match to {
                Answer::Satisfied => format!("sensed {text}: true"),
                Answer::Unsatisfied => format!("sensed {text}: not true"),
                Answer::Unknown => format!("can no longer sense {text}, which was {}", from.word()),
            };
            // The detail says in words what the value says; only without one the value speaks for itself.
            let why = if detail.is_empty() { value.as_deref().unwrap_or_default() } else { detail };
            aside(&change, why)
        }
        Body::ItemRegressed { text, detail, .. } => with(&format!("saw {text} lost again"), detail),
        Body::ItemOverridden { text, reason, sense, with: second, .. } => {
            let sense = sense.map_or(String::new(), |s| format!(" while its probe said {}", s.word()));
            with(&format!("overrode {text}{sense}{}", together(second.as_deref())), reason)
        }
        Body::ItemOverrideCleared { item } => format!("took back the override of {item}"),
        Body::ConditionAnswered { text, from, to, for_unknown, .. } => {
            let before = from.as_ref().map_or(String::new(), |from| format!(", before: {from}"));
            let unknown = if *for_unknown { ", for its probe does not answer" } else { "" };
            format!("answered {text}: {to}{before}{unknown}")
        }
        Body::ConditionSensed { text, to, detail, .. } => {
            aside(&format!("sensed {text}: {}", to.as_deref().unwrap_or("unknown")), detail)
        }
        Body::TimerStarted { text, until, .. } => {
            format!("began to wait until {} UTC: {text}", until.format("%H:%M:%S"))
        }
        Body::TimerElapsed { text, .. } => format!("saw the wait end: {text}"),
        Body::ItemDeferred { text, to, by, .. } => format!("left {text} for {to}, by {by}"),
        Body::ItemDeferredDue { text, to, .. } => format!("put what was left for {to} up: {text}"),
        Body::ItemNotDeferrable { text, to, .. } => {
            format!("could not leave {text} for {to}, which is complete")
        }
        Body::ItemDeferralCancelled { item, reason } => {
            with(&format!("called off the deferral of {item}"), reason)
        }
        Body::ItemDeferredDone { text, .. } => format!("did what was left: {text}"),
        Body::ItemRan { command, exit, output, .. } => {
            let end = exit.map_or("ended by a signal".to_owned(), |code| format!("exit {code}"));
            let output: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            with(&format!("ran {} ({end})", command.join(" ")), &output.join("; "))
        }

        Body::Other { kind, data } => other(kind, data),
    }
}

/// A kind of another version: its texts as they are; a payload that was taken away says so.
fn other(kind: &str, data: &serde_json::Value) -> String {
    match data {
        serde_json::Value::Object(fields) => match fields.get("redacted").and_then(|why| why.as_str()) {
            Some(why) => format!("{kind} (redacted: {why})"),
            None => with(&format!("recorded {kind}"), &data.to_string()),
        },
        serde_json::Value::Null => format!("recorded {kind}"),
        data => with(&format!("recorded {kind}"), &data.to_string()),
    }
}

/// `what: more`, or `what` when there is no more.
fn with(what: &str, more: &str) -> String {
    if more.is_empty() { what.to_owned() } else { format!("{what}: {more}") }
}

/// `what (more)`, or `what` when there is no more.
fn aside(what: &str, more: &str) -> String {
    if more.is_empty() { what.to_owned() } else { format!("{what} ({more})") }
}

/// The end of a fault's id: enough to tell the faults of one drill apart, and short enough for a sentence. The beginning
/// of an id is its time, which faults injected together share.
fn short(id: &str) -> &str {
    const LENGTH: usize = 6;
    id.char_indices().nth_back(LENGTH - 1).map_or(id, |(at, _)| &id[at..])
}

fn names(names: &[crate::units::Name]) -> String {
    names.iter().map(crate::units::Name::as_str).collect::<Vec<_>>().join(", ")
}

fn left(unfinished: &[String]) -> String {
    match unfinished.len() {
        0 => String::new(),
        1 => " with 1 item unfinished".to_owned(),
        n => format!(" with {n} items unfinished"),
    }
}

fn together(second: Option<&str>) -> String {
    second.map_or(String::new(), |name| format!(", together with {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ItemId;

    #[test]
    fn an_act_reads_as_a_sentence() {
        let item = ItemId { checklist: "locks".parse().expect("a name"), item: "head".to_owned() };
        let body = Body::ItemConfirmed {
            item,
            text: "Find the session at the head".to_owned(),
            response: "PID NAMED".to_owned(),
            reading: Some("4711".to_owned()),
            with: Some("bob".to_owned()),
        };
        assert_eq!(
            describe(&body),
            "confirmed Find the session at the head: PID NAMED (4711), together with bob"
        );
    }

    #[test]
    fn foreign_text_cannot_act_on_a_terminal_or_break_the_line() {
        let body = Body::Note { text: "a\u{1b}[2Jb\nc\u{202e}d".to_owned() };
        assert_eq!(describe(&body), "noted: a[2Jb cd");
    }

    #[test]
    fn unknown_and_redacted_kinds_are_shown() {
        let other = |data| Body::Other { kind: "radio.call".to_owned(), data };
        assert_eq!(describe(&other(serde_json::Value::Null)), "recorded radio.call");
        assert_eq!(describe(&other(serde_json::json!({"a": 1}))), "recorded radio.call: {\"a\":1}");
        assert_eq!(
            describe(&other(serde_json::json!({"redacted": "a secret"}))),
            "radio.call (redacted: a secret)"
        );
    }
}
