//! `deadstick inject`: one fault by hand.
//!
//! Owns the way from what was typed to a fault that is held in the foreground, and `--dry-run`. `detached` holds it in
//! the background, `lines` says what happens. Leaves finding targets and holding faults to the runner.

mod detached;
mod lines;
mod password;

use std::collections::BTreeSet;

use deadstick_core::fault::{Fault, FaultKind, Target, catalogue};
use deadstick_core::ledger::any_undo;
use deadstick_core::privilege::{Privilege, Privileges};
use deadstick_core::text::printable;
use deadstick_faults::privileges::{self, Heirs};
use deadstick_faults::{Fact, HostFacts, Plan, asks, check_dsn, doctor};
use deadstick_runner::injection::{self, Ended, Order, Outcome, Settings};
use deadstick_runner::session::Session;
use deadstick_runner::targets::{self, Found, TargetError};
use deadstick_runner::{incidents, policy, signals};
use deadstick_timeline::Ledger;

use crate::args;
use crate::context::Context;
use crate::exit::{ABORTED, Answer, DONE, Failure, INVALID, REFUSED, RESIDUE};

pub(crate) use detached::run as run_detached;
use lines::Lines;

/// Carries it out.
pub(crate) fn run(context: &Context, args: &args::Inject) -> Answer {
    let found = find(args)?;
    let judged = judge(context, args, &found);
    if args.dry_run {
        return dry_run(context, args, found, judged);
    }
    for note in &found.notes {
        context.note(note);
    }
    judged?;
    let Found { fault, target, .. } = found;
    targets::may_touch(&fault, &target)?;
    let order = Order::new(fault, target, args.lease);
    let ledgers = context.state()?.ledgers();
    // With all privileges, and on threads that end here: what earlier runs left may need any of them.
    context.runtime()?.block_on(context.recover(&ledgers))?;
    let incident = incident(context, args.incident.as_deref())?;
    if args.detach {
        return context.runtime()?.block_on(detached::start(context, order, incident));
    }
    hold_alone(context, order, incident.as_deref())
}

/// Holds it to its end, in a process that does nothing else.
fn hold_alone(context: &Context, order: Order, incident: Option<&str>) -> Answer {
    give_up_privileges(context, order.fault.kind(), incident)?;
    context.do_alone(async {
        let lines = Lines::new(context, order.lease);
        let outcome = hold(context, order, incident, &lines).await?;
        finish(context, &outcome)
    })
}

/// Keeps of this process's privileges what its one fault needs, from its guardian and holders on to its undo.
fn give_up_privileges(context: &Context, kind: FaultKind, incident: Option<&str>) -> Result<(), Failure> {
    let state = context.state()?;
    let mut wanted: Privileges = catalogue::of(kind).privileges.iter().copied().collect();
    let incident = incident.map(|id| state.incident(id).map_err(Failure::internal)).transpose()?;
    let written = std::iter::once(state.ledgers()).chain(incident);
    // What belongs to somebody else is written, and started, by this privilege alone.
    if written.into_iter().any(|path| !privileges::may_write_without(&path))
        || !privileges::may_start_without(&context.program()?)
    {
        wanted.insert(Privilege::DacOverride);
    }
    let kept = privileges::keep(&wanted, Heirs::Ours);
    if context.verbose() {
        context.note(&format!("privileges of this process: {kept}"));
        context.note(&format!("privileges of its guardian: {}", privileges::trial(&any_undo())));
    }
    Ok(())
}

/// The fault, and its target as it is now.
fn find(args: &args::Inject) -> Result<Found, Failure> {
    let kind = args.kind;
    let more = |failure: Failure| match failure.hint {
        Some(_) => failure,
        None => failure.hint(format!("see `deadstick inject {kind} --help`")),
    };
    let (parameters, mut notes) = targets::names::resolve(kind, args.parameters.clone())?;
    let pairs = parameters.iter().map(|(name, value)| (*name, value.as_str()));
    let fault = Fault::read(kind, pairs).map_err(|error| more(Failure::usage(error)))?;
    let target = match &args.target {
        Target::Dsn(dsn) => {
            // As it was typed: what is said of it counts its characters.
            check_dsn(dsn).map_err(|error| more(Failure::usage(error)))?;
            Target::Dsn(password::complete(dsn, |name| std::env::var(name).ok()))
        }
        other => other.clone(),
    };
    let mut found = targets::find(fault, &target, args.witness)?;
    notes.append(&mut found.notes);
    Ok(Found { notes, ..found })
}

/// Asks the policy, and whether somebody would saw off the branch they sit on.
fn judge(context: &Context, args: &args::Inject, found: &Found) -> Result<(), Failure> {
    let policy = policy::read(args.policy.as_deref())?;
    let Found { fault, target, .. } = found;
    let ledgers = context.state_as_it_is()?.ledgers();
    Ok(policy::judge(&policy, fault, &args.target, target, args.lease, &ledgers)?)
}

/// The incident whose timeline records it: the one asked for, else the one that people respond to now.
fn incident(context: &Context, asked: Option<&str>) -> Result<Option<String>, Failure> {
    let state = context.state()?;
    if let Some(asked) = asked {
        return Ok(Some(incidents::find(&state, Some(asked))?));
    }
    // The ledger is the record; a timeline that nobody named and that cannot be read keeps nobody from injecting.
    Ok(incidents::current(&state).unwrap_or_else(|error| {
        context.warn(&format!("not recorded on the newest incident's timeline: {error}"));
        None
    }))
}

/// Puts it in place and holds it to its end.
async fn hold(
    context: &Context,
    order: Order,
    incident: Option<&str>,
    lines: &Lines,
) -> Result<Outcome, Failure> {
    let (_stop, stop) = signals::until_stopped().map_err(Failure::internal)?;
    let state = context.state()?;
    let session = match incident {
        Some(id) => {
            let dir = state.incident(id).map_err(Failure::internal)?;
            lines.remark(&format!("recorded on the timeline of {id}"));
            Some(Session::join(&dir, &context.me()).await?)
        }
        None => None,
    };
    let run = injection::new_run(order.fault.kind());
    let settings = Settings {
        program: context.program()?,
        ledger: Ledger::create(&state.ledgers(), &run)?,
        session,
        tell: lines.tell(),
        stop,
    };
    let outcome = injection::hold(order, settings).await;
    lines.end();
    Ok(outcome?)
}

/// Says what is left, and gives the ending its number.
fn finish(context: &Context, outcome: &Outcome) -> Answer {
    if let Some(why) = &outcome.unrecorded {
        context.warn(&format!("the incident's timeline lacks some of this: {why}"));
    }
    for line in &outcome.residue {
        context.warn(&format!("RESIDUE: {line}"));
    }
    if context.json() {
        context.machine(outcome)?;
    }
    Ok(match outcome.ended {
        _ if !outcome.residue.is_empty() => RESIDUE,
        Ended::LeaseOver => DONE,
        Ended::NotLanded => INVALID,
        Ended::Stopped | Ended::GuardianLost => ABORTED,
    })
}

/// Says what would be touched. Nothing is, and nothing is asked of anybody but this machine.
fn dry_run(context: &Context, args: &args::Inject, mut found: Found, judged: Result<(), Failure>) -> Answer {
    let allowed = targets::may_touch(&found.fault, &found.target).map_err(Failure::from);
    for refused in [judged, allowed].into_iter().filter_map(Result::err) {
        if refused.code != REFUSED {
            return Err(refused);
        }
        let hint = refused.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        found.notes.push(format!("it would be refused: {}{hint}", refused.message));
    }
    let facts = facts(&asks(&found.fault));
    let plan = deadstick_faults::plan(&found.fault, &found.target, args.lease, &facts)?;
    let Plan { fault, target, objects, lease, .. } = &plan;
    let value = serde_json::json!({
        "fault": fault,
        "target": target,
        "lease": lease,
        "notes": found.notes,
        "objects": objects
            .iter()
            .map(|object| serde_json::json!({ "what": object.what, "undo": object.undo }))
            .collect::<Vec<_>>(),
    });
    context.answer(&value, || {
        let mut text = format!("{} on {}, for at most {lease}, would touch:\n", fault.kind(), target.name);
        for object in objects {
            text.push_str(&format!(
                "  - {}\n    undo: {}\n",
                printable(&object.what),
                printable(&object.undo)
            ));
        }
        for note in &found.notes {
            text.push_str(&format!("note: {}\n", printable(note)));
        }
        text.push_str("Nothing was touched.");
        text
    })?;
    Ok(DONE)
}

/// What this host can do, as far as it is asked for. Who may not make network namespaces looks from inside a user namespace,
/// as far as there are any.
fn facts(asked: &BTreeSet<Fact>) -> HostFacts {
    if !asked.is_empty() && !deadstick_lab::may_make_namespaces() {
        // Without one, the plan takes the host for one that can do nothing, and says which part is missing.
        drop(deadstick_lab::enter_user_namespace());
    }
    HostFacts { relay: true, ..doctor::facts_about(asked) }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Unknown { what, hint } => Self::usage(what).hint(hint),
            TargetError::NotApart { what, hint } | TargetError::NotAllowed { what, hint } => {
                Self::new(REFUSED, what).hint(hint)
            }
            TargetError::Unreadable(_) => Self::internal(error),
        }
    }
}
