//! `deadstick incident`: incidents from the command line, act by act.

use deadstick_core::event::IncidentSeverity;
use deadstick_core::incident::Act;
use deadstick_runner::session::{Session, now};
use deadstick_runner::{incidents, library, signals};
use deadstick_tui::plain::Plain;
use deadstick_tui::{Effect, Settings};
use tokio::sync::watch;

use super::respond;
use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO};
use crate::plain::carry_out;
use crate::screen::Seat;

/// Carries out one of the subcommands.
pub(crate) fn run(context: &Context, args: args::Incident) -> Answer {
    match args {
        args::Incident::Open { title, severity } => {
            let severity = match severity {
                1 => IncidentSeverity::Sev1,
                2 => IncidentSeverity::Sev2,
                3 => IncidentSeverity::Sev3,
                _ => IncidentSeverity::Sev4,
            };
            let session = context.runtime()?.block_on(respond::open(context, &title, severity))?;
            context.answer(&serde_json::json!({ "incident": session.id() }), || session.id())?;
            Ok(DONE)
        }
        args::Incident::List => {
            let all = incidents::list(&context.state()?)?;
            context.answer(&all, || {
                let line = |one: &incidents::Listed| {
                    let state = if one.closed_at.is_some() { "closed" } else { "open" };
                    format!("{:<48} {state:<7} {:>5} events  {}", one.id, one.events, one.title)
                };
                if all.is_empty() {
                    "there is no incident yet".to_owned()
                } else {
                    all.iter().map(line).collect::<Vec<_>>().join("\n")
                }
            })?;
            Ok(DONE)
        }
        args::Incident::Show { incident } => {
            let words = vec!["status".to_owned()];
            act(context, incident.as_deref(), &words)
        }
        args::Incident::Alert { checklist, incident } => {
            let read = library::checklist(&checklist)?;
            let dir = context.incident(incident.as_deref())?;
            context.runtime()?.block_on(async {
                let session = Session::join(&dir, &context.me()).await?;
                session.alert(context.me(), read).await
            })?;
            Ok(DONE)
        }
        args::Incident::Act { incident, words } => act(context, incident.as_deref(), &words),
        args::Incident::Close { summary, incident, confirm } => {
            let dir = context.incident(incident.as_deref())?;
            context.runtime()?.block_on(async {
                let session = Session::join(&dir, &context.me()).await?;
                session.act(context.me(), Act::Close { summary, confirm }).await
            })?;
            Ok(DONE)
        }
    }
}

/// One line of the plain mode, as a command. What it would ask to be confirmed is confirmed: whoever types a whole
/// command has decided.
fn act(context: &Context, incident: Option<&str>, words: &[String]) -> Answer {
    let dir = context.incident(incident)?;
    context.runtime()?.block_on(async {
        let me = context.me();
        let session = Session::join(&dir, &me).await?;
        let (_stop, signal) = signals::until_stopped().map_err(Failure::internal)?;
        let mut plain = Plain::new(Settings::new(me.clone()));
        // So that numbers mean what a person sees who asks for the status.
        drop(plain.incident(session.incident(), now()));
        let mut effects = plain.parse(&words.join(" "), now()).map_err(|hint| Failure::new(NO, hint))?;
        let asks = !effects.iter().any(|effect| matches!(effect, Effect::Act(_)))
            && matches!(words.first().map(String::as_str), Some("close" | "run"));
        if asks {
            effects.extend(plain.parse("yes", now()).map_err(|hint| Failure::new(NO, hint))?);
        }
        let surroundings = respond::surroundings_of(session.dir()).await;
        let (_tell, banner) = watch::channel(None);
        let resume = format!("deadstick respond {}", session.id());
        let seat =
            Seat { session, surroundings, program: context.program()?, me, resume, banner, stop: signal };
        let carried = carry_out(context, &seat, &mut plain, effects).await;
        Ok(if carried.refused { NO } else { DONE })
    })
}
