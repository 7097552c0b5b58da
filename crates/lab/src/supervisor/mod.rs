//! The supervisor: the process that a lab's owner starts, and all of the lab's other processes end with.
//!
//! Two processes where the kernel permits it. The *outer* one is what the owner knows; it makes a pid namespace (and one
//! for shared memory, of which PostgreSQL keeps a piece), starts the *inner* one in it and waits. The inner one is
//! the first process of that namespace and does the work. Either one's death ends everything: the outer one's by the
//! inner one's death signal, the inner one's by the kernel. Without that permission one process is both, and its
//! children carry the death signal themselves.

pub(crate) mod child;
pub(crate) mod children;
mod control;
mod desk;
pub(crate) mod doors;
pub(crate) mod network;
mod reaper;
pub(crate) mod runs;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use deadstick_core::lab::LabDescription;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stderr};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use self::children::Children;
use self::desk::Desk;
use self::reaper::Reaper;
use self::runs::Runs;
use crate::process::{Arguments, DONE, FAILED, Misuse};
use crate::wire::{HostView, Said, Started, Status, Tell, Variables};
use crate::{LabError, describe, folder, identity};

/// A practice system, as the supervisor runs it. Keys, values, names and options have been checked.
pub(crate) trait Practice: Sized {
    /// Starts everything that is there from the beginning.
    async fn start(children: Children, folder: &Path, progress: &dyn Fn(&str)) -> Result<Self, LabError>;
    fn runs(&mut self) -> &mut Runs;
    fn hosts(&self) -> BTreeMap<String, HostView>;
    fn variables(&self) -> Variables;
    /// Puts a setting in force and reads it back.
    async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError>;
    async fn run(
        &mut self,
        command: &str,
        options: &BTreeMap<String, String>,
        settings: &BTreeMap<String, String>,
    ) -> Result<Started, LabError>;
    async fn end(&mut self, host: &str) -> Result<(), LabError>;
    async fn terminate(&mut self, backend: i32) -> Result<(), LabError>;
    async fn reset(&mut self) -> Result<(), LabError>;
}

/// What the owner asked for.
struct Plan {
    lab: &'static LabDescription,
    id: String,
    folder: PathBuf,
}

impl Plan {
    fn read(arguments: &Arguments) -> Result<Self, Misuse> {
        let lab = describe::describe(arguments.text("lab")?).ok_or(Misuse)?;
        Ok(Self { lab, id: arguments.get("id")?, folder: arguments.path("folder")? })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// The part `supervisor`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    let plan = Plan::read(arguments)?;
    let own = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS;
    if unshare(own).is_err() {
        return Ok(work(&plan, false));
    }
    // Where even this is forbidden the lab works all the same; only a server killed while its data is made would leave a
    // piece of shared memory behind.
    own_shared_memory().ok();
    let watched = runtime().and_then(|runtime| runtime.block_on(watch_inner(&plan)));
    Ok(watched.unwrap_or_else(|error| {
        say(&Said::Failed(LabError::spawn("the supervisor", error)));
        FAILED
    }))
}

/// A place for POSIX shared memory that goes with the mount namespace. The servers are told not to use it, but the
/// program that makes their data cannot be told.
fn own_shared_memory() -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    mount(
        Some("deadstick"),
        "/dev/shm",
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
}

/// Starts the inner process, passes SIGTERM on to it, and ends when it ends.
async fn watch_inner(plan: &Plan) -> std::io::Result<u8> {
    let mut term = signal(SignalKind::terminate())?;
    let me = identity::mine()?.pid.to_string();
    let mut inner = tokio::process::Command::new(std::env::current_exe()?)
        .args([
            "lab-process",
            "inside",
            "--lab",
            plan.lab.name,
            "--id",
            &plan.id,
            "--parent",
            &me,
            "--folder",
        ])
        .arg(&plan.folder)
        .spawn()?;
    loop {
        tokio::select! {
            ended = inner.wait() => return Ok(ended?.code().and_then(|code| code.try_into().ok()).unwrap_or(FAILED)),
            Some(()) = term.recv() => {
                if let Some(pid) = inner.id().and_then(|pid| i32::try_from(pid).ok()) {
                    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
                }
            }
        }
    }
}

/// The part `inside`.
pub(crate) fn inside(arguments: &Arguments) -> Result<u8, Misuse> {
    let plan = Plan::read(arguments)?;
    let parent: u32 = arguments.get("parent")?;
    let tied = set_pdeathsig(Signal::SIGKILL).is_ok() && identity::parent().is_ok_and(|now| now == parent);
    Ok(if tied { work(&plan, true) } else { FAILED })
}

fn work(plan: &Plan, first: bool) -> u8 {
    let worked = set_child_subreaper(true)
        .and_then(|()| allow_many_files())
        .map_err(std::io::Error::from)
        .and_then(|()| runtime())
        .map_err(|e| LabError::spawn("the supervisor", e))
        .and_then(|runtime| match plan.lab.name {
            "shop" => runtime.block_on(supervise::<crate::shop::Shop>(plan, first)),
            _ => runtime.block_on(supervise::<crate::shop_postgres::ShopPostgres>(plan, first)),
        });
    match worked {
        Ok(()) => DONE,
        Err(error) => {
            say(&Said::Failed(error));
            FAILED
        }
    }
}

/// As many open files as permitted: every customer who waits holds one in the front and two in a door.
fn allow_many_files() -> nix::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)
}

/// Says something to the owner. When nobody listens the owner is gone, which standard input tells as well.
fn say(said: &Said) {
    if let Ok(mut line) = serde_json::to_string(said) {
        line.push('\n');
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).ok();
    }
}

/// Waits for the word, runs the lab, and takes everything away again.
async fn supervise<P: Practice>(plan: &Plan, first: bool) -> Result<(), LabError> {
    let broken = |e: std::io::Error| LabError::spawn("the supervisor", e);
    let mut term = signal(SignalKind::terminate()).map_err(broken)?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(broken)?;
    let mut tells = BufReader::new(pipe::Receiver::from_owned_fd(stdin).map_err(broken)?).lines();
    say(&Said::Idle);
    tokio::select! {
        tell = next_tell(&mut tells) => if !matches!(tell, Some(Tell::Go)) { return Ok(()) },
        _ = term.recv() => return Ok(()),
    }
    let reaper = Reaper::start(first).map_err(broken)?;
    let mark = folder::mark_of(&plan.id);
    folder::make(&plan.folder, &mark)?;
    // From here on there is something to take away, whichever way this goes.
    let outcome = tokio::select! {
        outcome = serve::<P>(plan, reaper.clone()) => outcome,
        () = owner_ends(&mut tells) => Ok(()),
        _ = term.recv() => Ok(()),
    };
    reaper.end_all();
    folder::remove(&plan.folder, &mark)?;
    outcome
}

async fn next_tell(tells: &mut Lines<BufReader<pipe::Receiver>>) -> Option<Tell> {
    serde_json::from_str(&tells.next_line().await.ok()??).ok()
}

/// Resolves when the owner says so, or is gone.
async fn owner_ends(tells: &mut Lines<BufReader<pipe::Receiver>>) {
    while let Some(Tell::Go) = next_tell(tells).await {}
}

/// Starts the shop and carries out requests, until one says that the lab is to end.
async fn serve<P: Practice>(plan: &Plan, reaper: Reaper) -> Result<(), LabError> {
    let logs = plan.folder.join("logs");
    std::fs::create_dir(&logs).map_err(|e| LabError::file("make", &logs, e))?;
    let lost = |e: std::io::Error| LabError::start("finding itself", e);
    let log = logs.join("supervisor.log");
    let label = format!("deadstick-lab-{}", plan.id);
    let complaints = std::fs::File::create(&log).and_then(|file| Ok(dup2_stderr(&file)?));
    complaints.map_err(|e| LabError::file("write", &log, e))?;
    let children = Children::new(label, logs, reaper).map_err(lost)?;
    let supervisor = identity::mine().map_err(lost)?;
    let progress = |words: &str| say(&Said::Progress(words.to_owned()));
    let practice = P::start(children, &plan.folder, &progress).await?;
    let asked = control::listen(&folder::control_of(&plan.folder))?;
    say(&Said::Ready);
    let status = Status {
        lab: plan.lab.name.to_owned(),
        id: plan.id.clone(),
        folder: plan.folder.clone(),
        supervisor,
        settings: describe::defaults(plan.lab),
        variables: Variables::new(),
        hosts: BTreeMap::new(),
        runs: Vec::new(),
    };
    Desk { lab: plan.lab, practice, status }.attend(asked).await;
    Ok(())
}
