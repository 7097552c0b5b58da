//! `deadstick faults --watch`: what is in place, and each change of it, until Ctrl-C.
//!
//! Owns the comparison of one look with the next. Leaves the words for a fault to [`super::faults`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use deadstick_runner::recovery::{self, OpenFault};
use deadstick_runner::{session, signals};
use serde::Serialize;

use super::faults::describe;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, RESIDUE};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(500);

/// What became of a fault between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    New,
    Changed,
    Gone,
}

impl Change {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// What is in place, by id.
type Look = BTreeMap<String, OpenFault>;

/// Follows what is, or may be, injected.
pub(crate) fn watch(context: &Context) -> Answer {
    let ledgers = context.state()?.ledgers();
    context.runtime()?.block_on(async {
        let (_stop, mut stop) = signals::until_stopped().map_err(Failure::internal)?;
        let (mut known, mut damaged) = (Look::new(), BTreeSet::new());
        if !context.json() {
            context.note("what is injected, and each change of it, until Ctrl-C");
        }
        loop {
            let (now, damages) = look(&ledgers)?;
            for one in damages.difference(&damaged) {
                context.warn(&format!("DAMAGED: {one}"));
            }
            for (change, fault) in changes(&known, &now) {
                if tell(context, change, fault)?.is_err() {
                    // Nobody reads on.
                    return Ok(ending(&damages));
                }
            }
            (known, damaged) = (now, damages);
            tokio::select! {
                _ = signals::stopped(&mut stop) => return Ok(ending(&damaged)),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    })
}

fn ending(damaged: &BTreeSet<String>) -> u8 {
    if damaged.is_empty() { DONE } else { RESIDUE }
}

fn look(ledgers: &Path) -> Result<(Look, BTreeSet<String>), Failure> {
    let open = recovery::open_faults(ledgers).map_err(Failure::internal)?;
    let damaged = recovery::damaged(ledgers).map_err(Failure::internal)?;
    Ok((open.into_iter().map(|fault| (fault.id.clone(), fault)).collect(), damaged.into_iter().collect()))
}

/// What is different, in the order of ids, which is the order of their beginnings; what has gone comes first.
fn changes<'a>(known: &'a Look, now: &'a Look) -> Vec<(Change, &'a OpenFault)> {
    let gone = known.values().filter(|fault| !now.contains_key(&fault.id)).map(|fault| (Change::Gone, fault));
    let others = now.values().filter_map(|fault| match known.get(&fault.id) {
        None => Some((Change::New, fault)),
        Some(before) if before != fault => Some((Change::Changed, fault)),
        Some(_) => None,
    });
    gone.chain(others).collect()
}

/// Says it at once; the inner error is a reader who went away.
fn tell(context: &Context, change: Change, fault: &OpenFault) -> Result<std::io::Result<()>, Failure> {
    let time = session::now();
    let line = if context.json() {
        let value = serde_json::json!({ "time": time, "change": change, "fault": fault });
        serde_json::to_string(&value).map_err(Failure::internal)?
    } else {
        format!("{}  {}: {}", time.format("%TZ"), change.word(), describe(fault).trim_end())
    };
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{line}").and_then(|()| out.flush()))
}
