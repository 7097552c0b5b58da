//! `deadstick respond`: the responder's seat at an incident, on the screen or in plain lines.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use deadstick_core::event::{Body, IncidentSeverity};
use deadstick_lab::LabClient;
use deadstick_probes::Prober;
use deadstick_runner::session::{Sensing, Session, now};
use deadstick_runner::surroundings::{self, LabSurroundings, Surroundings};
use deadstick_runner::{incidents, signals};
use deadstick_tui::{Colour, Settings};
use tokio::sync::watch;

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure};
use crate::screen::Seat;
use crate::{plain, screen};

/// Whether there is a terminal on both sides that a screen can use.
pub(crate) fn on_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}

/// Takes the seat.
pub(crate) fn run(context: &Context, args: &args::Respond) -> Answer {
    context.runtime()?.block_on(async {
        let me = context.me();
        let session = match &args.new {
            Some(title) => open(context, title, IncidentSeverity::Sev2).await?,
            None => Session::join(&context.incident(args.incident.as_deref())?, &me).await?,
        };
        let surroundings = surroundings_of(session.dir()).await;
        let prober = Prober::new().map_err(Failure::internal)?;
        let sensing = Sensing::start(session.clone(), prober, surroundings.clone());
        let (_stop, signal) = signals::until_stopped().map_err(Failure::internal)?;
        let (_tell, banner) = watch::channel(None);
        let resume = format!("deadstick respond {}", session.id());
        let seat =
            Seat { session, surroundings, program: context.program()?, me, resume, banner, stop: signal };
        let farewell = seat_at(context, seat, args.plain).await?;
        drop(sensing);
        context.note(&farewell);
        Ok(DONE)
    })
}

/// Opens an incident of one's own.
pub(crate) async fn open(
    context: &Context,
    title: &str,
    severity: IncidentSeverity,
) -> Result<Session, Failure> {
    if title.trim().is_empty() {
        return Err(Failure::usage("an incident needs a title").hint("say in a few words what is wrong"));
    }
    let state = context.state()?;
    let dir = state.incident(&incidents::new_id(now(), title)).map_err(Failure::internal)?;
    let opening = Body::IncidentOpened { title: title.to_owned(), severity, exercise: false, playbook: None };
    Ok(Session::begin(&dir, context.me(), opening).await?)
}

/// The lab that an incident's drill runs on, if it still does.
pub(crate) async fn surroundings_of(incident: &Path) -> Arc<dyn Surroundings> {
    match surroundings::lab_folder_of(incident) {
        Some(folder) => match LabClient::connect(&folder).await {
            Ok(lab) => LabSurroundings::of(lab),
            Err(_) => LabSurroundings::none(),
        },
        None => LabSurroundings::none(),
    }
}

/// Responds until the responder leaves; the farewell to print.
pub(crate) async fn seat_at(context: &Context, seat: Seat, plainly: bool) -> Result<String, Failure> {
    let mut settings = Settings::new(seat.me.clone());
    settings.colour = if context.colour(&std::io::stdout()) { Colour::Always } else { Colour::Never };
    if plainly || !on_terminal() {
        plain::respond(context, seat, settings).await
    } else {
        screen::respond(seat, settings).await
    }
}
