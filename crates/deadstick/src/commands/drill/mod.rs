//! `deadstick drill`: stages a playbook, with a responder at the screen, in plain lines, by a script, or with nobody.

mod dry_run;
mod part;

use std::collections::BTreeSet;
use std::sync::Arc;

use deadstick_core::debrief::Debrief;
use deadstick_core::drill::Order;
use deadstick_core::event::Verdict;
use deadstick_core::fault::catalogue;
use deadstick_core::ledger::any_undo;
use deadstick_core::playbook::Playbook;
use deadstick_core::source::did_you_mean;
use deadstick_core::units::Name;
use deadstick_faults::privileges::{self, Heirs};
use deadstick_probes::Prober;
use deadstick_runner::drill::{self, Progress, Report, Settings};
use deadstick_runner::library::{self, Read};
use deadstick_runner::responder::Script;
use deadstick_runner::session::{Sensing, Session, now};
use deadstick_runner::surroundings::LabSurroundings;
use deadstick_runner::{incidents, signals};
use deadstick_timeline::Ledger;
use tokio::sync::watch;

use self::part::{Part, UnderWay};
use crate::args::{self, Expect};
use crate::context::{self, Context};
use crate::exit::{self, Answer, DONE, Failure};

/// What a responder who is new to this sees until there is something to do.
const WATCH: &str = "The practice system is up and all is well. Wait: an alert comes in soon.";

/// Stages it.
pub(crate) fn run(context: &Context, args: &args::Drill) -> Answer {
    let playbook = library::playbook(&args.playbook)?;
    let script = args.responder.as_deref().map(read_script).transpose()?;
    let open = holes(&playbook.value, args)?;
    if args.dry_run {
        return dry_run::show(context, &playbook.value, &open);
    }
    deadstick_lab::examine(playbook.value.lab)?;
    // Namespaces of our own, before there is a second thread.
    if std::ptr::eq(playbook.value.lab, &raw const deadstick_lab::SHOP_POSTGRES)
        && !deadstick_lab::may_make_namespaces()
    {
        deadstick_lab::enter_user_namespace()?;
    }
    give_up_privileges(context, &playbook.value);
    context.do_alone(stage(context, args, playbook, script, open))
}

/// Keeps of this process's privileges what the playbook's faults need, and what undoing whatever earlier runs left does.
/// The lab and the programs that people name start with what their user has.
fn give_up_privileges(context: &Context, playbook: &Playbook) {
    let kinds = playbook.faults();
    let faults = kinds.iter().flat_map(|kind| catalogue::of(*kind).privileges).copied();
    let kept = privileges::keep(&any_undo().into_iter().chain(faults).collect(), Heirs::Anybody);
    if context.verbose() {
        context.note(&format!("privileges of this process: {kept}"));
    }
}

fn read_script(path: &str) -> Result<Script, Failure> {
    // A script is always a file; nothing of the kind ships.
    let path = if path.contains('/') { path.to_owned() } else { format!("./{path}") };
    let source = library::find("responder script", &[], &path)?;
    Ok(Script::read(&source)?)
}

/// The holes to be opened.
fn holes(playbook: &Playbook, args: &args::Drill) -> Result<BTreeSet<Name>, Failure> {
    let all: BTreeSet<Name> = playbook.slices.iter().map(|s| s.name.clone()).collect();
    for name in args.close.iter().chain(args.only.iter().flatten()) {
        if !all.contains(name) {
            return Err(Failure::usage(format!("the playbook {} has no slice `{name}`", playbook.name))
                .hint(did_you_mean(name.as_str(), all.iter().map(Name::as_str))));
        }
    }
    Ok(match &args.only {
        Some(only) => only.iter().cloned().collect(),
        None => all.into_iter().filter(|name| !args.close.contains(name)).collect(),
    })
}

async fn stage(
    context: &Context,
    args: &args::Drill,
    playbook: Read<Playbook>,
    script: Option<Script>,
    open: BTreeSet<Name>,
) -> Answer {
    let (stop, signal) = signals::until_stopped().map_err(Failure::internal)?;
    let state = context.state()?;
    context.recover(&state.ledgers()).await?;
    let me = context.me();
    let part = Part::of(args, script);
    let id = incidents::new_id(now(), playbook.value.name.as_str());
    let dir = state.incident(&id).map_err(Failure::internal)?;
    let session = Session::begin(&dir, me.clone(), drill::opening(&playbook.value)).await?;
    let prober = Prober::new().map_err(Failure::internal)?;
    let (lab, lab_watch) = watch::channel(None);
    let surroundings = LabSurroundings::new(lab_watch);
    let sensing = Sensing::start(session.clone(), prober.clone(), surroundings.clone());
    let (tell_banner, banner) = watch::channel(Some("The practice system is coming up…".to_owned()));
    let is_person = matches!(part, Part::Person);
    let progress = progress(context, is_person, tell_banner.clone());
    progress(&format!("          incident {id}"));
    let order = Order {
        open,
        respond: !matches!(part, Part::Nobody),
        seed: args.seed.unwrap_or_else(|| u64::from(now().timestamp_subsec_nanos())),
        digest: library::digest(&playbook.source),
    };
    let program = context.program()?;
    let settings = Settings {
        playbook,
        order,
        session: session.clone(),
        program: program.clone(),
        ledger: Ledger::create(&state.ledgers(), &id).map_err(Failure::internal)?,
        prober,
        progress: progress.clone(),
        stop: signal,
        lab,
        steps: None,
    };
    let drill = tokio::spawn(drill::run(settings));
    let under_way = UnderWay {
        drill,
        stop,
        incident: id,
        session: session.clone(),
        surroundings,
        program,
        me,
        tell_banner,
        banner,
    };
    let report = under_way.respond(context, part, args.plain).await?;
    finish(context, args, &session, report, sensing).await
}

/// Where progress goes: nowhere while a screen is up but to its banner, to stderr for machines, else to stdout.
fn progress(context: &Context, on_screen: bool, banner: watch::Sender<Option<String>>) -> Progress {
    let (json, quiet) = (context.json(), context.quiet());
    Arc::new(move |line: &str| {
        if on_screen {
            // A responder sees the lab come up, not what is being staged.
            if line == drill::LAB_IS_UP {
                banner.send_replace(Some(WATCH.to_owned()));
            } else if let Some(line) = line.strip_prefix("          lab: ") {
                banner.send_replace(Some(format!("the practice system comes up: {line}")));
            }
        } else if !quiet {
            context::line(line, json);
        }
    })
}

async fn finish(
    context: &Context,
    args: &args::Drill,
    session: &Session,
    report: Report,
    sensing: Sensing,
) -> Answer {
    drop(sensing);
    let debrief = Debrief::of(&incidents::records(session.dir())?);
    if !context.json() {
        context.say(&format!("\n{debrief}"));
        context.say(&format!("timeline: deadstick timeline export {} --format markdown", report.incident));
    }
    for line in &report.residue {
        context.warn(&format!("RESIDUE: {line}"));
    }
    if context.json() {
        context.machine(&report)?;
    }
    let expected = match args.expect {
        None => true,
        Some(Expect::Outage) => report.verdict == Verdict::Outage,
        Some(Expect::NoOutage) => report.verdict == Verdict::NoOutage,
    };
    Ok(match report.verdict {
        _ if !report.residue.is_empty() => exit::RESIDUE,
        Verdict::Invalid => exit::INVALID,
        Verdict::GateFailed => exit::GATE_FAILED,
        Verdict::Aborted => exit::ABORTED,
        Verdict::Outage | Verdict::NoOutage if expected => DONE,
        Verdict::Outage | Verdict::NoOutage => exit::NO,
    })
}
