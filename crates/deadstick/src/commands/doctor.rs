//! `deadstick doctor`: what this host can do, and why not.

use deadstick_core::text::printable;

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
            let (mark, why) = match &capability.present {
                Ok(()) => ("yes", String::new()),
                Err(reason) => ("NO ", format!(": {}", printable(reason))),
            };
            text.push_str(&format!("{mark}  {:<28} {}{why}\n", capability.name, capability.probed_by));
            if capability.present.is_err() {
                text.push_str(&format!("     {:<28} instead: {}\n", "", capability.fallback));
            }
        }
        text
    })?;
    Ok(DONE)
}
