//! Starting and ending a lab: the owner's side.
//!
//! The start is in two steps, because what undoes it must be on record before anything is done: [`Lab::prepare`]
//! starts a supervisor that only waits; [`Prepared::start`] tells it to go. Whatever becomes of the owner, the
//! supervisor sees its standard input end, and ends everything.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::lab::LabDescription;
use deadstick_core::ledger::Undo;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::wire::{Said, Tell};
use crate::{LabClient, LabError, folder, identity};

/// How long the idle supervisor may take to say that it is there.
const IDLE_WITHIN: Duration = Duration::from_secs(10);
/// How long the whole start may take on a machine that is busy with other things.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long an orderly end may take before the supervisor is killed.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How to start a lab.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that answers to the hidden command `lab-process` with [`crate::process::main`].
    pub program: PathBuf,
    /// The folder in which the lab makes its own, such as [`std::env::temp_dir`].
    pub under: PathBuf,
}

/// A supervisor that waits, and has done nothing yet. Dropping it ends it.
#[derive(Debug)]
pub struct Prepared {
    lab: &'static LabDescription,
    id: String,
    folder: PathBuf,
    process: ProcessIdentity,
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

/// A running lab, held by its owner: it ends when this is dropped or the owner dies.
#[derive(Debug)]
pub struct Lab {
    client: LabClient,
    id: String,
    process: ProcessIdentity,
    stdin: ChildStdin,
    ended: watch::Receiver<bool>,
    kill: watch::Sender<bool>,
}

impl Lab {
    /// Starts an idle supervisor for this kind of lab. Nothing else exists yet, not even the folder.
    ///
    /// # Errors
    /// [`LabError::Spawn`] when the program cannot be started or does not know its part.
    pub async fn prepare(lab: &'static LabDescription, options: &Options) -> Result<Prepared, LabError> {
        let id = format!("{:08x}", rand::random::<u32>());
        let folder = folder::path_of(&options.under, &id);
        let program = options.program.display();
        let mut child = Command::new(&options.program)
            .args(["lab-process", "supervisor", "--lab", lab.name, "--id", &id, "--folder"])
            .arg(&folder)
            // Ctrl-C is the owner's: it decides what is undone when.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| LabError::spawn(&program, e))?;
        let process = child
            .id()
            .ok_or_else(|| std::io::Error::other("it has no pid"))
            .and_then(identity::of)
            .map_err(|e| LabError::spawn(&program, e))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LabError::spawn(&program, "its pipes are missing"));
        };
        let mut said = BufReader::new(stdout).lines();
        match timeout(IDLE_WITHIN, hear(&mut said)).await {
            Ok(Ok(Said::Idle)) => Ok(Prepared { lab, id, folder, process, child, stdin, said }),
            Ok(Ok(Said::Failed(error)) | Err(error)) => Err(error),
            Ok(Ok(other)) => Err(LabError::protocol("the supervisor", format!("{other:?}"))),
            Err(_) => Err(LabError::spawn(&program, "the supervisor says nothing")),
        }
    }

    /// The way to ask and tell the lab things. Every method of it is reachable from `Lab` through this.
    #[must_use]
    pub fn client(&self) -> &LabClient {
        &self.client
    }

    /// The lab's own name on this machine.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The process whose end ends the lab.
    #[must_use]
    pub fn supervisor(&self) -> &ProcessIdentity {
        &self.process
    }

    /// How the lab is undone; the same as [`Prepared::undo`].
    #[must_use]
    pub fn undo(&self) -> Undo {
        undo(&self.process, self.client.folder(), &self.id)
    }

    /// Resolves when the lab has ended, for whatever reason.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            // An error means that the task that waits for the child is gone, and with it the runtime: ended too.
            ended.wait_for(|ended| *ended).await.ok();
        }
    }

    /// Ends the lab: every process, namespace and file of it is gone when this returns.
    ///
    /// # Errors
    /// [`LabError::LeftBehind`] with what would not go.
    pub async fn stop(mut self) -> Result<(), LabError> {
        // A supervisor that no longer reads is on its way out, or will be killed below.
        let told = tell(&mut self.stdin, Tell::Down).await;
        if told.is_err() || timeout(END_WITHIN, self.ended()).await.is_err() {
            self.kill.send_replace(true);
            if timeout(END_WITHIN, self.ended()).await.is_err() {
                return Err(LabError::LeftBehind { left: format!("process {}", self.process.pid) });
            }
        }
        remove_folder(self.client.folder(), &self.id).await
    }
}

impl Prepared {
    /// How this lab is undone; valid from now until after its end, whatever happens in between. To be on record before
    /// [`Prepared::start`].
    #[must_use]
    pub fn undo(&self) -> Undo {
        undo(&self.process, &self.folder, &self.id)
    }

    /// The folder that the start will make.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process whose end ends the lab.
    #[must_use]
    pub fn supervisor(&self) -> &ProcessIdentity {
        &self.process
    }

    /// Starts the lab, and says in words what it is doing. When it fails, or is dropped half-way, nothing is left.
    ///
    /// # Errors
    /// What is missing, forbidden or broken.
    pub async fn start(mut self, progress: impl FnMut(&str)) -> Result<Lab, LabError> {
        let outcome = match timeout(START_WITHIN, self.go(progress)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(LabError::start("waiting for the shop", format!("not ready within {START_WITHIN:?}")))
            }
        };
        let Self { lab, id, folder, process, mut child, stdin, said } = self;
        if let Err(error) = outcome {
            drop(stdin);
            if timeout(END_WITHIN, child.wait()).await.is_err() {
                child
                    .kill()
                    .await
                    .map_err(|e| LabError::LeftBehind { left: format!("process {}: {e}", process.pid) })?;
            }
            remove_folder(&folder, &id).await?;
            return Err(error);
        }
        let (ended_sender, ended) = watch::channel(false);
        let (kill, mut killed) = watch::channel(false);
        tokio::spawn(async move {
            // Held open so that a late word of the supervisor does not end it with SIGPIPE.
            let _open = said;
            let waited = tokio::select! {
                waited = child.wait() => waited.map(drop),
                // The sender is dropped with the lab: then only waiting is left to do.
                Ok(()) = async { killed.wait_for(|kill| *kill).await.map(drop) } => child.kill().await,
            };
            ended_sender.send_replace(waited.is_ok());
        });
        Ok(Lab { client: LabClient::of(&folder, lab), id, process, stdin, ended, kill })
    }

    async fn go(&mut self, mut progress: impl FnMut(&str)) -> Result<(), LabError> {
        tell(&mut self.stdin, Tell::Go).await?;
        loop {
            match hear(&mut self.said).await? {
                Said::Progress(words) => progress(&words),
                Said::Ready => return Ok(()),
                Said::Failed(error) => return Err(error),
                Said::Idle => return Err(LabError::protocol("the supervisor", "idle after go")),
            }
        }
    }
}

fn undo(process: &ProcessIdentity, path: &Path, id: &str) -> Undo {
    let end = Undo::EndLab { process: process.clone() };
    let remove = Undo::RemoveFolder { path: path.to_owned(), mark: folder::mark_of(id) };
    Undo::All { steps: vec![end, remove] }
}

async fn tell(stdin: &mut ChildStdin, what: Tell) -> Result<(), LabError> {
    let mut line = serde_json::to_string(&what).map_err(|e| LabError::protocol("this side", e))?;
    line.push('\n');
    stdin.write_all(line.as_bytes()).await.map_err(|_| LabError::Ended)?;
    stdin.flush().await.map_err(|_| LabError::Ended)
}

async fn hear(said: &mut Lines<BufReader<ChildStdout>>) -> Result<Said, LabError> {
    let line = said.next_line().await.map_err(|e| LabError::protocol("the supervisor", e))?;
    serde_json::from_str(&line.ok_or(LabError::Ended)?).map_err(|e| LabError::protocol("the supervisor", e))
}

/// Removes what a supervisor that did not end in order left. Processes that were killed may take a moment to let go of
/// their files, and one that was writing may have added one meanwhile.
async fn remove_folder(path: &Path, id: &str) -> Result<(), LabError> {
    let mark = folder::mark_of(id);
    let mut tries = 0;
    loop {
        match folder::remove(path, &mark) {
            Ok(()) => return Ok(()),
            Err(error) if tries == 10 => return Err(error),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
