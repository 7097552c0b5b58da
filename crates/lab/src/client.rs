//! Talking to a running lab through the control socket in its folder.
//!
//! Every request has a connection of its own, so requests may run side by side and a client that dies leaves nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadstick_core::lab::LabDescription;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::describe::{self, describe};
use crate::wire::{Answer, HostView, Request, Started, Status, Variables};
use crate::{LabError, folder};

/// Longest wait for an answer: above every wait of the supervisor's own, so that its reason arrives rather than ours.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a lab, for its owner and for every other process that may read its folder.
#[derive(Clone, Debug)]
pub struct LabClient {
    folder: PathBuf,
    lab: &'static LabDescription,
}

impl LabClient {
    /// Finds the lab that lives in this folder.
    ///
    /// # Errors
    /// [`LabError::NoLab`] when nothing answers there.
    pub async fn connect(folder: &Path) -> Result<Self, LabError> {
        // Asked as a shop; which lab it is, it says itself.
        let asking = Self { folder: folder.to_owned(), lab: &describe::SHOP };
        let status = asking.status().await.map_err(|error| match error {
            LabError::Ended => {
                LabError::NoLab { folder: folder.to_owned(), detail: "nobody listens".to_owned() }
            }
            other => other,
        })?;
        let unknown =
            || LabError::protocol("the lab", format!("it is a {:?}, which is not known here", status.lab));
        let lab = describe(&status.lab).ok_or_else(unknown)?;
        Ok(Self { folder: folder.to_owned(), lab })
    }

    pub(crate) fn of(folder: &Path, lab: &'static LabDescription) -> Self {
        Self { folder: folder.to_owned(), lab }
    }

    /// What this lab offers.
    #[must_use]
    pub fn description(&self) -> &'static LabDescription {
        self.lab
    }

    /// The lab's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything about the lab, now.
    ///
    /// # Errors
    /// [`LabError::Ended`] when the lab is gone.
    pub async fn status(&self) -> Result<Status, LabError> {
        match self.ask(&Request::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// What `{{names}}` mean now.
    ///
    /// # Errors
    /// [`LabError::Ended`] when the lab is gone.
    pub async fn variables(&self) -> Result<Variables, LabError> {
        Ok(self.status().await?.variables)
    }

    /// One host, now.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`], or [`LabError::Ended`].
    pub async fn host(&self, name: &str) -> Result<HostView, LabError> {
        describe::check_host(self.lab, name)?;
        self.status()
            .await?
            .hosts
            .remove(name)
            .ok_or_else(|| LabError::protocol("the lab", format!("no host {name}")))
    }

    /// Sets one setting. It is in force, and was read back, when this returns; `job.*` counts from the next run on.
    ///
    /// # Errors
    /// An unknown key, a value that is not admitted, or somebody who did not take it.
    pub async fn set(&self, key: &str, value: &str) -> Result<(), LabError> {
        describe::check_setting(self.lab, key, value)?;
        self.done(&Request::Set { key: key.to_owned(), value: value.to_owned() }).await
    }

    /// Starts a command. Returns when it has begun its work; `run("migrate")` may then be waiting for its lock.
    ///
    /// # Errors
    /// An unknown command or option, a run that has not ended yet, or one that ended before it began.
    pub async fn run(&self, command: &str, options: &BTreeMap<String, String>) -> Result<Started, LabError> {
        let options = describe::check_command(self.lab, command, options)?;
        match self.ask(&Request::Run { command: command.to_owned(), options }).await? {
            Answer::Started(started) => Ok(started),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the process on this host: SIGTERM, and SIGKILL a second later. It is gone when this returns.
    ///
    /// # Errors
    /// [`LabError::NothingRuns`] when there is none.
    pub async fn end(&self, host: &str) -> Result<(), LabError> {
        describe::check_host(self.lab, host)?;
        self.done(&Request::End { host: host.to_owned() }).await
    }

    /// Terminates one session on the primary by its backend pid. It is gone when this returns.
    ///
    /// # Errors
    /// [`LabError::NoServer`], or [`LabError::NoSession`].
    pub async fn terminate(&self, backend: i32) -> Result<(), LabError> {
        self.done(&Request::Terminate { backend }).await
    }

    /// Ends what commands started, with their database sessions, so that the shop can recover. Settings stay.
    ///
    /// # Errors
    /// Something that would not go.
    pub async fn reset(&self) -> Result<(), LabError> {
        self.done(&Request::Reset).await
    }

    /// Tells the lab to end; its owner learns it through [`crate::Lab::ended`]. Returns once the lab has agreed.
    ///
    /// # Errors
    /// [`LabError::Ended`] when it is gone already.
    pub async fn down(&self) -> Result<(), LabError> {
        self.done(&Request::Down).await
    }

    async fn done(&self, request: &Request) -> Result<(), LabError> {
        match self.ask(request).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, LabError> {
        let within_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| LabError::NoAnswer { who: "the lab".to_owned(), within_ms })?
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, LabError> {
        // A socket that is not there, refuses or breaks off means the same: the supervisor is gone.
        let ended = |_: std::io::Error| LabError::Ended;
        let mut stream = UnixStream::connect(folder::control_of(&self.folder)).await.map_err(ended)?;
        let mut line = serde_json::to_string(request).map_err(|e| LabError::protocol("this side", e))?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await.map_err(ended)?;
        let mut answer = String::new();
        if BufReader::new(stream).read_line(&mut answer).await.map_err(ended)? == 0 {
            return Err(LabError::Ended);
        }
        match serde_json::from_str(&answer).map_err(|e| LabError::protocol("the lab", e))? {
            Answer::Failed(error) => Err(error),
            other => Ok(other),
        }
    }
}

fn unexpected(answer: &Answer) -> LabError {
    LabError::protocol("the lab", format!("{answer:?}"))
}
