//! How the responder takes part in a drill: not at all, by a script, or as a person at the screen or in plain lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::event::{Actor, Verdict};
use deadstick_runner::drill::{DrillError, Report};
use deadstick_runner::responder::Script;
use deadstick_runner::session::Session;
use deadstick_runner::surroundings::Surroundings;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::WATCH;
use crate::args;
use crate::commands::respond;
use crate::context::Context;
use crate::exit::Failure;
use crate::screen::Seat;

/// How long a responder who has left is waited for: everything is being undone meanwhile.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Who responds.
pub(super) enum Part {
    /// Nobody.
    Nobody,
    /// A script.
    Script(Script),
    /// A person.
    Person,
}

impl Part {
    /// A script where one is given, else a person, if there is one.
    pub(super) fn of(args: &args::Drill, script: Option<Script>) -> Self {
        match script {
            Some(script) => Self::Script(script),
            None if args.headless || !(respond::on_terminal() || args.plain) => Self::Nobody,
            None => Self::Person,
        }
    }
}

/// A drill under way, and what a responder shares with it.
pub(super) struct UnderWay {
    /// What becomes of it.
    pub(super) drill: JoinHandle<Result<Report, DrillError>>,
    /// A text here stops it.
    pub(super) stop: watch::Sender<Option<String>>,
    /// Its incident, by id.
    pub(super) incident: String,
    /// The same, to be worked.
    pub(super) session: Session,
    /// The system it is about.
    pub(super) surroundings: Arc<dyn Surroundings>,
    /// This binary.
    pub(super) program: PathBuf,
    /// Who responds.
    pub(super) me: Actor,
    /// Where a lasting line about it is written.
    pub(super) tell_banner: watch::Sender<Option<String>>,
    /// Where that is read.
    pub(super) banner: watch::Receiver<Option<String>>,
}

impl UnderWay {
    /// Has the responder take part until it is over.
    pub(super) async fn respond(self, context: &Context, part: Part, plain: bool) -> Result<Report, Failure> {
        match part {
            Part::Nobody => over(self.drill.await),
            Part::Script(script) => self.by_script(context, script).await,
            Part::Person => self.by_person(context, plain).await,
        }
    }

    /// A script that fails, or leaves the incident open, stops the drill.
    async fn by_script(mut self, context: &Context, script: Script) -> Result<Report, Failure> {
        let play = tokio::spawn(script.play(self.session.clone(), self.surroundings, self.program));
        let failed = tokio::select! {
            report = &mut self.drill => return over(report),
            played = play => match played {
                Ok(Ok(())) if self.session.incident().bar().closed_at.is_some() => None,
                Ok(Ok(())) => Some("it ended without closing the incident".to_owned()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(format!("the script broke: {error}")),
            },
        };
        if let Some(why) = failed {
            context.warn(&format!("the responder's script: {why}"));
            self.stop.send_replace(Some(format!("the responder's script: {why}")));
        }
        over(self.drill.await)
    }

    /// A person who leaves stops the drill; one whose drill is over is told so, and leaves when it suits.
    async fn by_person(self, context: &Context, plain: bool) -> Result<Report, Failure> {
        let Self { mut drill, stop, incident, session, surroundings, program, me, tell_banner, banner } =
            self;
        let (end_screen, screen_end) = watch::channel(None);
        let calm = tokio::spawn(until_alert(session.clone(), tell_banner.clone()));
        let resume = format!("deadstick respond {incident}");
        let seat = Seat { session, surroundings, program, me, resume, banner, stop: screen_end };
        let person = respond::seat_at(context, seat, plain);
        tokio::pin!(person);
        let (report, farewell) = tokio::select! {
            report = &mut drill => {
                let report = over(report)?;
                if report.verdict == Verdict::Aborted {
                    // Whoever stopped it wants out; a screen that lingers would be in the way.
                    end_screen.send_replace(Some(report.because.clone()));
                }
                let verdict = report.verdict.word();
                let leave = format!("The drill is over: {verdict}. Leave (q, or quit) for the debrief.");
                tell_banner.send_replace(Some(leave));
                (report, person.await?)
            }
            farewell = &mut person => {
                let farewell = farewell?;
                context.note("Everything is being taken back out…");
                stop.send_replace(Some("the responder left".to_owned()));
                (over(drill.await)?, farewell)
            }
        };
        calm.abort();
        tokio::time::sleep(LAST_WORDS).await;
        context.note(&farewell);
        Ok(report)
    }
}

fn over(joined: Result<Result<Report, DrillError>, tokio::task::JoinError>) -> Result<Report, Failure> {
    Ok(joined.map_err(|error| Failure::internal(format!("the drill broke: {error}")))??)
}

/// Takes the request to wait away once there is something to do.
async fn until_alert(session: Session, banner: watch::Sender<Option<String>>) {
    let mut changes = session.changes();
    // The session outlives whoever waits for it; without it there is nothing to take away.
    if changes.wait_for(|incident| !incident.queue().is_empty()).await.is_ok() {
        banner.send_if_modified(|line| line.take_if(|line| line == WATCH).is_some());
    }
}
