//! The loop around the responder's screen.
//!
//! Owns turning keys, records and time into the tui's messages, and carrying out its effects. Leaves what is shown to the
//! tui crate and what is allowed to the incident engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use deadstick_core::event::Actor;
use deadstick_core::incident::Act;
use deadstick_runner::responder::perform;
use deadstick_runner::session::{Session, SessionError, now};
use deadstick_runner::surroundings::Surroundings;
use deadstick_tui::{Effect, Model, Msg, Ran, Settings, update, view};
use futures_util::StreamExt;
use nix::libc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::exit::Failure;
use crate::terminal::Screen;

/// What a responder works with.
#[derive(Clone)]
pub(crate) struct Seat {
    /// The incident.
    pub(crate) session: Session,
    /// The system it is about.
    pub(crate) surroundings: Arc<dyn Surroundings>,
    /// This binary.
    pub(crate) program: PathBuf,
    /// Who responds.
    pub(crate) me: Actor,
    /// The command that comes back here.
    pub(crate) resume: String,
    /// A lasting line about the drill, if there is one.
    pub(crate) banner: watch::Receiver<Option<String>>,
    /// A text here ends the screen.
    pub(crate) stop: watch::Receiver<Option<String>>,
}

/// Shows the screen until the responder leaves it; the farewell to print.
pub(crate) async fn respond(seat: Seat, mut settings: Settings) -> Result<String, Failure> {
    settings.resume.clone_from(&seat.resume);
    let terminal =
        |error: std::io::Error| Failure::internal(format!("the terminal does not play along: {error}"));
    let mut screen = Screen::enter().map_err(terminal)?;
    let mut model = Model::new(settings, now());
    let (inbox, mut messages) = mpsc::unbounded_channel();
    let size = screen.terminal.size().map_err(terminal)?;
    update(&mut model, Msg::Resize(size.width, size.height));
    screen.terminal.draw(|frame| view(frame, &model)).map_err(terminal)?;

    let mut keys = EventStream::new();
    let mut records = seat.session.records();
    let mut changes = seat.session.changes();
    changes.mark_changed();
    let mut senses = seat.session.senses();
    let (mut banner, mut stop) = (seat.banner.clone(), seat.stop.clone());
    banner.mark_changed();
    let mut suspended = signal(SignalKind::from_raw(libc::SIGTSTP)).map_err(terminal)?;
    loop {
        let wake = (model.next_wake() - now()).to_std().unwrap_or(Duration::ZERO);
        let message = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(event)) => {
                    update(&mut model, Msg::Tick(now()));
                    match message_of(event) {
                        Some(message) => message,
                        None => continue,
                    }
                }
                Some(Err(error)) => return Err(terminal(error)),
                // The terminal is gone; the incident is not.
                None => return Ok(format!("the terminal is gone; come back with: {}", seat.resume)),
            },
            Some(new) = records.recv() => Msg::Records(new),
            Ok(()) = changes.changed() => Msg::Incident(changes.borrow_and_update().clone()),
            Ok(()) = senses.changed() => Msg::Senses(senses.borrow_and_update().clone()),
            Ok(()) = banner.changed() => Msg::Drill(banner.borrow_and_update().clone()),
            Some(message) = messages.recv() => message,
            Ok(()) = stop.changed() => match stop.borrow_and_update().clone() {
                Some(why) => return Ok(format!("{why}; come back with: {}", seat.resume)),
                None => continue,
            },
            Some(()) = suspended.recv() => {
                screen.suspend().map_err(terminal)?;
                Msg::Tick(now())
            }
            () = tokio::time::sleep(wake) => Msg::Tick(now()),
        };
        for effect in update(&mut model, message) {
            match effect {
                Effect::Act(act) => spawn_act(&seat, act, inbox.clone()),
                Effect::Quit { farewell } => return Ok(farewell),
                Effect::Suspend => screen.suspend().map_err(terminal)?,
                // Only the plain mode prints.
                Effect::Print(_) => {}
            }
        }
        screen.terminal.draw(|frame| view(frame, &model)).map_err(terminal)?;
    }
}

fn message_of(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(width, height) => Some(Msg::Resize(width, height)),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}

/// Does an act beside the loop, so that drawing never waits; what became of it comes back as a message.
fn spawn_act(seat: &Seat, act: Act, inbox: mpsc::UnboundedSender<Msg>) {
    let seat = seat.clone();
    tokio::spawn(async move {
        for message in do_act(&seat, act).await {
            // A screen that was left meanwhile shows nothing more.
            drop(inbox.send(message));
        }
    });
}

/// Does an act; what there is to show of it beyond the records.
pub(crate) async fn do_act(seat: &Seat, act: Act) -> Vec<Msg> {
    let item = if let Act::Run { item, .. } = &act { Some(item.clone()) } else { None };
    let done = perform(&seat.session, &seat.surroundings, &seat.program, seat.me.clone(), act.clone()).await;
    match (done, item) {
        (Ok(Some(ran)), Some(item)) => {
            let mut messages = vec![Msg::Ran { item: item.clone(), what: Ran::Started(ran.command) }];
            let lines = ran.output.lines().map(|line| Ran::Line(line.to_owned()));
            messages.extend(lines.map(|what| Msg::Ran { item: item.clone(), what }));
            messages.push(Msg::Ran { item, what: Ran::Ended(ran.exit) });
            messages
        }
        (Ok(_), _) => Vec::new(),
        (Err(SessionError::Refused(refusal)), _) => vec![Msg::Refused { act, refusal }],
        (Err(error), _) => vec![Msg::Failed(error.to_string())],
    }
}
