//! Commands that were run: the last run of each.

use std::collections::BTreeMap;
use std::time::Duration;

use deadstick_core::identity::BackendIdentity;
use deadstick_core::text::printable;
use nix::sys::signal::Signal;
use tokio::time::timeout;

use super::child::Child;
use crate::LabError;
use crate::process::Event;
use crate::wire::{RunView, Started};

/// How long a command may take to begin its work: it may have to wait for a lock that others hold for a while.
const BEGIN_WITHIN: Duration = Duration::from_secs(15);

pub(crate) struct Run {
    host: &'static str,
    pub(crate) child: Child,
    pub(crate) session: Option<BackendIdentity>,
    said: Option<String>,
}

#[derive(Default)]
pub(crate) struct Runs(BTreeMap<&'static str, Run>);

impl Runs {
    /// Refuses while the command's last run has not ended.
    pub(crate) fn check_free(&self, command: &str) -> Result<(), LabError> {
        match self.running(command) {
            Some(run) => {
                Err(LabError::StillRunning { command: command.to_owned(), pid: run.child.process.pid })
            }
            None => Ok(()),
        }
    }

    /// Takes a child that was just started, and waits until it has begun. One that does not begin is ended.
    pub(crate) async fn begin(
        &mut self,
        command: &'static str,
        host: &'static str,
        child: Child,
    ) -> Result<Started, LabError> {
        let mut run = Run { host, child, session: None, said: None };
        let (session, said) = (&mut run.session, &mut run.said);
        let begun = run.child.hear(BEGIN_WITHIN, |event| {
            note(event, session, said);
            matches!(event, Event::Begun).then_some(())
        });
        if let Err(error) = begun.await {
            run.child.signal(Signal::SIGKILL);
            return Err(error);
        }
        let started = Started { process: run.child.process.clone(), session: run.session.clone() };
        self.0.insert(command, run);
        Ok(started)
    }

    /// The run of this command that has not ended.
    pub(crate) fn running(&self, command: &str) -> Option<&Run> {
        self.0.get(command).filter(|run| run.child.runs())
    }

    /// The session of this command's last run, ended or not: a server may keep it when its client is gone.
    pub(crate) fn session(&self, command: &str) -> Option<&BackendIdentity> {
        self.0.get(command)?.session.as_ref()
    }

    /// They have been ended.
    pub(crate) fn forget_sessions(&mut self) {
        for run in self.0.values_mut() {
            run.session = None;
        }
    }

    /// Kills what still runs.
    pub(crate) async fn kill(&self) -> Result<(), LabError> {
        for run in self.0.values() {
            run.child.signal(Signal::SIGKILL);
        }
        for run in self.0.values() {
            if timeout(Duration::from_secs(2), run.child.ended()).await.is_err() {
                return Err(LabError::LeftBehind { left: run.child.who.clone() });
            }
        }
        Ok(())
    }

    /// What is known now.
    pub(crate) fn view(&mut self) -> Vec<RunView> {
        let view = |(&command, run): (&&'static str, &mut Run)| {
            while let Ok(event) = run.child.events.try_recv() {
                note(&event, &mut run.session, &mut run.said);
            }
            RunView {
                command: command.to_owned(),
                host: run.host.to_owned(),
                process: run.child.process.clone(),
                session: run.session.clone(),
                state: run.child.state.borrow().clone(),
                said: run.said.clone(),
            }
        };
        self.0.iter_mut().map(view).collect()
    }
}

fn note(event: &Event, session: &mut Option<BackendIdentity>, said: &mut Option<String>) {
    match event {
        Event::Session(identity) => *session = Some(identity.clone()),
        Event::Note(text) | Event::Failed(text) => *said = Some(printable(text)),
        Event::Launched { .. } | Event::Ready { .. } | Event::Begun | Event::Taken { .. } => {}
    }
}
