//! `deadstick faults` and `restore`: what is in place, and taking it out.

use deadstick_core::ledger::FaultState;
use deadstick_core::text::printable;
use deadstick_runner::recovery;

use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, RESIDUE};

/// Lists what is, or may be, injected.
pub(crate) fn list(context: &Context) -> Answer {
    let open = recovery::open_faults(&context.state()?.ledgers()).map_err(Failure::internal)?;
    context.answer(&open, || {
        if open.is_empty() {
            return "nothing is injected".to_owned();
        }
        let mut text = String::new();
        for fault in &open {
            let guarded = if fault.guarded { "guarded" } else { "UNGUARDED: run `deadstick restore`" };
            let ends = fault.ends.format("%F %TZ");
            let (target, state) = (printable(&fault.target), fault.state.word());
            let what = match fault.kind {
                Some(kind) => format!("{kind} on {target}: {state}"),
                // A lab: nobody looks for the effect of one, so how far it has come says nothing more.
                None if fault.state <= FaultState::NotProved => format!("{target}: in place"),
                None => format!("{target}: {state}"),
            };
            text.push_str(&format!("{}  {what}, until {ends}, {guarded}\n", fault.id));
            if let Some(manual) = &fault.manual {
                text.push_str(&format!("    run: {}\n", printable(manual)));
            }
        }
        text
    })?;
    Ok(DONE)
}

/// Undoes whatever dead runs have left.
pub(crate) fn restore(context: &Context) -> Answer {
    let ledgers = context.state()?.ledgers();
    let recovered = context.runtime()?.block_on(recovery::replay(&ledgers)).map_err(Failure::internal)?;
    context.answer(&recovered, || {
        let mut lines = Vec::new();
        lines.extend(recovered.undone.iter().map(|what| format!("undone: {what}")));
        lines.extend(recovered.residue.iter().map(|what| format!("RESIDUE: {what}")));
        lines.extend(
            recovered.running.iter().map(|run| format!("left alone, its owner or guardian lives: {run}")),
        );
        if lines.is_empty() { "nothing was left to undo".to_owned() } else { lines.join("\n") }
    })?;
    Ok(if recovered.residue.is_empty() { DONE } else { RESIDUE })
}
