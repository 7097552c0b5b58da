//! Where requests are carried out, one at a time.

use std::time::Duration;

use deadstick_core::lab::LabDescription;
use tokio::sync::mpsc;

use super::Practice;
use super::control::Asked;
use crate::wire::{Answer, Request, Status};
use crate::{LabError, describe};

/// How long a lab that was told to end goes on, so that the answer to that gets out.
const LAST_WORD: Duration = Duration::from_millis(20);

/// A running practice system, and what of its status only changes when somebody says so.
pub(super) struct Desk<P> {
    pub(super) lab: &'static LabDescription,
    pub(super) practice: P,
    pub(super) status: Status,
}

impl<P: Practice> Desk<P> {
    /// Until a request says that the lab is to end.
    pub(super) async fn attend(mut self, mut asked: mpsc::Receiver<Asked>) {
        while let Some((request, reply)) = asked.recv().await {
            let down = matches!(request, Request::Down);
            let answer = self.answer(request).await.unwrap_or_else(Answer::Failed);
            // Whoever asked may have lost patience; what was asked is done all the same.
            reply.send(answer).ok();
            if down {
                tokio::time::sleep(LAST_WORD).await;
                return;
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Result<Answer, LabError> {
        match request {
            Request::Status => return Ok(Answer::Status(Box::new(self.status_now()))),
            Request::Set { key, value } => {
                describe::check_setting(self.lab, &key, &value)?;
                self.practice.set(&key, &value).await?;
                self.status.settings.insert(key, value);
            }
            Request::Run { command, options } => {
                let options = describe::check_command(self.lab, &command, &options)?;
                self.practice.runs().check_free(&command)?;
                let started = self.practice.run(&command, &options, &self.status.settings).await?;
                return Ok(Answer::Started(started));
            }
            Request::End { host } => {
                describe::check_host(self.lab, &host)?;
                self.practice.end(&host).await?;
            }
            Request::Terminate { backend } => self.practice.terminate(backend).await?,
            Request::Reset => self.practice.reset().await?,
            Request::Down => {}
        }
        Ok(Answer::Done)
    }

    fn status_now(&mut self) -> Status {
        let runs = self.practice.runs().view();
        let (hosts, variables) = (self.practice.hosts(), self.practice.variables());
        Status { hosts, variables, runs, ..self.status.clone() }
    }
}
