//! What a drill would do, told without doing it.

use std::collections::BTreeSet;

use deadstick_core::event::SliceKind;
use deadstick_core::playbook::{Playbook, Step};
use deadstick_core::units::Name;

use crate::context::Context;
use crate::exit::{Answer, DONE};

/// Each slice, open or closed, with its steps.
pub(super) fn show(context: &Context, playbook: &Playbook, open: &BTreeSet<Name>) -> Answer {
    let slices: Vec<_> = playbook
        .slices
        .iter()
        .map(|slice| {
            let is_open = open.contains(&slice.name);
            serde_json::json!({
                "slice": slice.name,
                "open": is_open,
                "kind": slice.kind(),
                "at": slice.at.map(|at| humantime::format_duration(at).to_string()),
                "what": if is_open { &slice.hole } else { &slice.defence },
                "steps": if is_open { &slice.open } else { &slice.closed }.iter().map(describe_step).collect::<Vec<_>>(),
            })
        })
        .collect();
    let value = serde_json::json!({ "playbook": playbook.name, "lab": playbook.lab.name, "slices": slices });
    context.answer(&value, || {
        let mut text = format!(
            "{}: {}\nlab {}: {}\n",
            playbook.name, playbook.title, playbook.lab.name, playbook.lab.about
        );
        for slice in &playbook.slices {
            let is_open = open.contains(&slice.name);
            let when = match (slice.kind(), slice.at) {
                (SliceKind::ActiveFailure, Some(at)) => format!("at {}", humantime::format_duration(at)),
                _ => "from the beginning".to_owned(),
            };
            let (state, what, steps) = if is_open {
                ("OPEN", &slice.hole, &slice.open)
            } else {
                ("closed", &slice.defence, &slice.closed)
            };
            text.push_str(&format!("\n{} ({state}, {when}): {what}\n", slice.name));
            for step in steps {
                text.push_str(&format!("  - {}\n", describe_step(step)));
            }
        }
        text.push_str(
            "\nEvery fault is undone when the drill ends, when its lease ends, and when this process dies.",
        );
        text
    })?;
    Ok(DONE)
}

fn describe_step(step: &Step) -> String {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    };
    match step {
        Step::Set(settings) => format!("set {}", pairs(settings)),
        Step::Run { command, options } if options.is_empty() => format!("run {command}"),
        Step::Run { command, options } => format!("run {command} with {}", pairs(options)),
        Step::Wait(wait) => format!("wait {}", humantime::format_duration(*wait)),
        Step::Toxic(toxic) => format!("put the toxic {toxic}"),
        Step::Inject(fault) => format!("inject {} on {}", fault.fault.kind, fault.host),
    }
}
