//! `deadstick faults` and `restore`: what is in place, and taking it out.

use std::path::Path;
use std::time::Duration;

use deadstick_core::ledger::FaultState;
use deadstick_core::text::printable;
use deadstick_runner::recovery::{self, OpenFault, Recovered};
use deadstick_runner::release::{self, ReleaseError};
use deadstick_runner::{injection, session};

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO, RESIDUE};

/// Lists what is, or may be, injected.
pub(crate) fn list(context: &Context) -> Answer {
    let ledgers = context.state()?.ledgers();
    let damaged = recovery::damaged(&ledgers).map_err(Failure::internal)?;
    let open = recovery::open_faults(&ledgers).map_err(Failure::internal)?;
    context.answer(&open, || match (open.is_empty(), damaged.is_empty()) {
        (true, true) => "nothing is injected".to_owned(),
        (true, false) => "nothing is injected as far as can be read".to_owned(),
        (false, _) => open.iter().map(describe).collect(),
    })?;
    for one in &damaged {
        context.warn(&format!("DAMAGED: {one}"));
    }
    Ok(if damaged.is_empty() { DONE } else { RESIDUE })
}

/// A fault in words, on two lines or three.
pub(crate) fn describe(fault: &OpenFault) -> String {
    let held = match (fault.owned, fault.guarded) {
        (true, _) => format!("held by process {}", fault.owner),
        (false, true) => "its owner is dead, its guardian undoes it".to_owned(),
        (false, false) => "UNGUARDED: run `deadstick restore`".to_owned(),
    };
    let (target, state) = (printable(&fault.target), fault.state.word());
    let what = match fault.kind {
        Some(kind) => format!("{kind} on {target}: {state}"),
        // A lab: nobody looks for the effect of one, so how far it has come says nothing more.
        None if fault.state <= FaultState::NotProved => format!("{target}: in place"),
        None => format!("{target}: {state}"),
    };
    let left = fault.ends - session::now();
    let ends = match left.to_std() {
        Ok(left) => format!("ends in {}", humantime::format_duration(Duration::from_secs(left.as_secs()))),
        Err(_) => "its lease is over".to_owned(),
    };
    let since = fault.since.format("%F %TZ");
    let mut text = format!("{}  {what}\n    since {since}, {ends}, {held}\n", fault.id);
    if let Some(manual) = &fault.manual {
        text.push_str(&format!("    run: {}\n", printable(manual)));
    }
    text
}

/// Ends the faults that are named; without names, undoes whatever dead runs have left.
pub(crate) fn restore(context: &Context, args: &args::Restore) -> Answer {
    if args.unit {
        return unit(context);
    }
    let ledgers = context.state()?.ledgers();
    let runtime = context.runtime()?;
    let recovered = runtime.block_on(async {
        if !args.faults.is_empty() {
            return end(&ledgers, &args.faults).await;
        }
        let patience = if args.boot { BOOT_PATIENCE } else { Duration::ZERO };
        let mut recovered = recovery::replay_for(&ledgers, patience).await.map_err(Failure::internal)?;
        if args.all {
            let ended = end(&ledgers, &held_by_hand(&ledgers)?).await?;
            recovered.running.retain(|run| !injection::is_single(run));
            recovered.undone.extend(ended.undone);
            recovered.residue.extend(ended.residue);
        }
        Ok(recovered)
    })?;
    context.answer(&recovered, || {
        let mut lines = Vec::new();
        lines.extend(recovered.undone.iter().map(|what| format!("undone: {}", printable(what))));
        lines.extend(recovered.residue.iter().map(|what| format!("RESIDUE: {}", printable(what))));
        lines.extend(
            recovered.running.iter().map(|run| format!("left alone, its owner or guardian lives: {run}")),
        );
        if lines.is_empty() { "nothing was left to undo".to_owned() } else { lines.join("\n") }
    })?;
    Ok(if recovered.residue.is_empty() { DONE } else { RESIDUE })
}

/// How long the servers of this machine may take to start.
const BOOT_PATIENCE: Duration = Duration::from_secs(60);

/// The unit that undoes at boot what the last one left.
fn unit(context: &Context) -> Answer {
    let program = quoted(&context.program()?);
    let state = std::path::absolute(context.state()?.path()).map_err(Failure::internal)?;
    let state = quoted(&state);
    let text = format!(
        "[Unit]
Description=Take out the faults that deadstick left before this boot
Wants=network-online.target
After=local-fs.target network-online.target

[Service]
Type=oneshot
ExecStart={program} --state {state} restore --boot

[Install]
WantedBy=multi-user.target
"
    );
    context.answer(&serde_json::json!({ "unit": text }), || text.trim_end().to_owned())?;
    Ok(DONE)
}

/// A path as one word of a unit's command line: systemd expands `%` and `$`, and reads quotes and backslashes.
fn quoted(path: &Path) -> String {
    let mut word = String::from("\"");
    for letter in path.display().to_string().chars() {
        match letter {
            '"' | '\\' => word.extend(['\\', letter]),
            '%' | '$' => word.extend([letter, letter]),
            _ => word.push(letter),
        }
    }
    word + "\""
}

async fn end(ledgers: &Path, faults: &[String]) -> Result<Recovered, Failure> {
    let mut all = Recovered::default();
    for asked in faults {
        let one = release::end(ledgers, asked).await?;
        all.undone.extend(one.undone);
        all.residue.extend(one.residue);
    }
    Ok(all)
}

/// The ids of what `deadstick inject` holds now.
fn held_by_hand(ledgers: &Path) -> Result<Vec<String>, Failure> {
    let open = recovery::open_faults(ledgers).map_err(Failure::internal)?;
    Ok(open.into_iter().filter(|fault| injection::is_single(&fault.run)).map(|fault| fault.id).collect())
}

impl From<ReleaseError> for Failure {
    fn from(error: ReleaseError) -> Self {
        let code = match &error {
            ReleaseError::Unknown(_) | ReleaseError::Ambiguous(..) => crate::exit::USAGE,
            ReleaseError::PartOfRun { .. } | ReleaseError::Owner { .. } => NO,
            ReleaseError::Stays { .. } => RESIDUE,
            ReleaseError::Ledger(_) => crate::exit::INTERNAL,
        };
        Self::new(code, error)
    }
}
