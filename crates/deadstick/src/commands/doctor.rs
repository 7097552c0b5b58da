//! `deadstick doctor`: what this host can do, and why not.

use deadstick_core::text::printable;
use deadstick_faults::doctor::Capability;

use crate::context::Context;
use crate::exit::{Answer, DONE};

/// Examines the host.
pub(crate) fn run(context: &Context) -> Answer {
    let capabilities = deadstick_faults::doctor::examine();
    let value: Vec<_> = capabilities
        .iter()
        .map(|capability| {
            serde_json::json!({
                "capability": capability.name,
                "needed-for": capability.needed_for,
                "present": capability.present.is_ok(),
                "because": capability.present.as_ref().err(),
                "probed-by": capability.probed_by,
                "fallback": capability.fallback,
            })
        })
        .collect();
    context.answer(&value, || {
        let mut text = String::new();
        for capability in &capabilities {
            let Capability { name, needed_for, present, probed_by, fallback } = capability;
            let mark = if present.is_ok() { "yes" } else { "NO " };
            text.push_str(&format!("{mark}  {name:<26} for {needed_for}\n"));
            match present {
                Ok(()) => text.push_str(&format!("{:33}seen by: {probed_by}\n", "")),
                Err(reason) => text.push_str(&format!(
                    "{:33}{}\n{:33}tried: {probed_by}\n{:33}instead: {fallback}\n",
                    "",
                    printable(reason),
                    "",
                    "",
                )),
            }
        }
        text
    })?;
    Ok(DONE)
}
