//! The loop of the plain mode: lines in, lines out, nothing ever taken back from the screen.
//!
//! Owns reading lines and printing what the tui's plain mode says, for pipes, screen readers and dumb terminals.

use std::io;

use deadstick_runner::session::now;
use deadstick_tui::plain::Plain;
use deadstick_tui::{Effect, Msg, Settings};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::exit::Failure;
use crate::screen::{Seat, do_act};

/// Talks until the responder leaves or the input ends; the farewell to print.
pub(crate) async fn respond(
    context: &Context,
    seat: Seat,
    mut settings: Settings,
) -> Result<String, Failure> {
    settings.resume.clone_from(&seat.resume);
    let mut plain = Plain::new(settings);
    say(context, &plain.greet());
    let mut lines = typed();
    let mut records = seat.session.records();
    let mut changes = seat.session.changes();
    changes.mark_changed();
    let mut senses = seat.session.senses();
    let (mut banner, mut stop) = (seat.banner.clone(), seat.stop.clone());
    banner.mark_changed();
    loop {
        tokio::select! {
            biased;
            Some(new) = records.recv() => say(context, &plain.records(&new)),
            Ok(()) = changes.changed() => {
                let incident = changes.borrow_and_update().clone();
                say(context, &plain.incident(incident, now()));
            }
            Ok(()) = senses.changed() => plain.senses(senses.borrow_and_update().clone()),
            Ok(()) = banner.changed() => {
                let line = banner.borrow_and_update().clone();
                say(context, line.as_slice());
            }
            Ok(()) = stop.changed() => {
                if let Some(why) = stop.borrow_and_update().clone() {
                    return Ok(format!("{why}; come back with: {}", seat.resume));
                }
            }
            line = lines.recv() => {
                let Some(line) = line else { return Ok(format!("come back with: {}", seat.resume)) };
                let line = line.map_err(|error| Failure::internal(format!("stdin cannot be read: {error}")))?;
                match plain.parse(&line, now()) {
                    Err(hint) => say(context, &[hint.to_string()]),
                    Ok(effects) => {
                        let carried = carry_out(context, &seat, &mut plain, effects).await;
                        if let Some(farewell) = carried.farewell {
                            return Ok(farewell);
                        }
                    }
                }
            }
        }
    }
}

/// The lines of stdin, from a thread of its own: a read cannot be called off, and nobody who ends this process should
/// have to wait for one more line.
fn typed() -> mpsc::UnboundedReceiver<io::Result<String>> {
    let (sink, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines() {
            if sink.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// What came of some effects.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// What to print when one of them was to leave.
    pub(crate) farewell: Option<String>,
    /// An act was refused, or failed.
    pub(crate) refused: bool,
}

/// Carries out effects in order.
pub(crate) async fn carry_out(
    context: &Context,
    seat: &Seat,
    plain: &mut Plain,
    effects: Vec<Effect>,
) -> Carried {
    let mut carried = Carried::default();
    for effect in effects {
        match effect {
            Effect::Act(act) => {
                for message in do_act(seat, act).await {
                    match message {
                        Msg::Ran { item, what } => say(context, &plain.ran(&item, &what)),
                        Msg::Refused { act, refusal } => {
                            carried.refused = true;
                            say(context, &plain.refused(&act, &refusal));
                        }
                        Msg::Failed(why) => {
                            carried.refused = true;
                            say(context, &[why]);
                        }
                        _ => {}
                    }
                }
            }
            Effect::Print(lines) => say(context, &lines),
            Effect::Quit { farewell } => {
                carried.farewell = Some(farewell);
                return carried;
            }
            // Without a screen there is nothing to give back: the shell's own Ctrl-Z does.
            Effect::Suspend => {}
        }
    }
    carried
}

fn say(context: &Context, lines: &[String]) {
    for line in lines {
        context.say(line);
    }
}
