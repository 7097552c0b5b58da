//! The holder: a child process that holds what only a process can hold (a lock, sessions of a database, a port, memory,
//! space on a disk, the processor), and lets go when its owner does.
//!
//! Owns the body of the hidden command `deadstick hold` and the words the two exchange, one JSON object a line. It ends,
//! and with it what it holds, when its input ends (the owner let go or died), or when the lease is over. A parent-death
//! signal is deliberately not used on it: it fires when the *thread* that started the process ends, and runtimes end
//! threads. Of its privileges it keeps what its order needs, and nothing once it holds what it was asked to.

mod crowd;
pub(crate) mod file_lock;
mod fill;
mod hog;
pub(crate) mod link;
mod mysql;
mod port;
mod postgres;
pub(crate) mod redis;
mod sqlite;
pub(crate) mod stress;
mod way;

use std::io::{self, BufRead, Write};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deadstick_core::dsn::DsnError;
use deadstick_core::fault::{FileLockCall, LockMode, RedisCommands};
use deadstick_core::identity::NetworkIdentity;
use deadstick_core::ledger::SessionIdentity;
use deadstick_core::privilege::{Privilege, Privileges};
use deadstick_core::text::redact_dsn;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::kernel::Place;
use crate::means::postgres::held::Held;
use crate::privileges::{self, Heirs};
use crate::process;
use way::Way;

/// What is to be held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) what: What,
    /// The session's name on the server.
    pub(crate) application: String,
    /// When it ends by itself (`CLOCK_BOOTTIME`).
    pub(crate) ends_boottime_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Postgres { dsn: String, held: Held },
    Crowd { dsn: String, leave: u32 },
    Mysql { dsn: String, table: String, mode: LockMode },
    Redis { dsn: String, commands: RedisCommands },
    Sqlite { path: PathBuf, mode: LockMode },
    Port { network: NetworkIdentity, place: Place },
    Hog { folder: PathBuf },
    FileLock { path: PathBuf, by: FileLockCall, mode: LockMode },
    Fill { file: PathBuf, reserve: u64 },
    Write { folder: PathBuf },
    Stress { work: stress::Work, folders: Vec<PathBuf> },
}

impl What {
    /// Whether what it takes is taken more than once: new sessions, a file's journals, a second write.
    const fn is_needed_to_the_end(&self) -> bool {
        matches!(self, Self::Crowd { .. } | Self::Sqlite { .. } | Self::Write { .. })
    }

    /// Where it is, in words that hold no password, and what to look at when it cannot be held.
    pub(crate) fn place(&self) -> (Option<String>, &'static str) {
        match self {
            Self::Postgres { dsn, .. }
            | Self::Crowd { dsn, .. }
            | Self::Mysql { dsn, .. }
            | Self::Redis { dsn, .. } => (
                Some(redact_dsn(dsn)),
                "see that the server runs there, has what is named, and lets the DSN's user do this",
            ),
            Self::Sqlite { path, .. } => (
                Some(path.display().to_string()),
                "name the file of an SQLite database that may be written to",
            ),
            Self::FileLock { .. } | Self::Fill { .. } | Self::Write { .. } => {
                (None, "name another one, or run it as a user who may")
            }
            Self::Port { .. } => (None, "name another port or address"),
            Self::Hog { .. } | Self::Stress { .. } => (None, "see `deadstick doctor`"),
        }
    }

    /// What a holder needs until it holds this: to enter a network, or to reach what belongs to others.
    fn privileges(&self, way: &Way) -> Privileges {
        let to_write = |path: &Path| (!privileges::may_write_without(path)).then_some(Privilege::DacOverride);
        match self {
            Self::Postgres { .. } | Self::Crowd { .. } | Self::Mysql { .. } | Self::Redis { .. } => {
                way.is_by_file().then_some(Privilege::DacOverride).into_iter().collect()
            }
            Self::Port { .. } => {
                [Privilege::SysAdmin, Privilege::SysPtrace, Privilege::NetBindService].into()
            }
            Self::FileLock { path, .. } => to_write(path).into_iter().collect(),
            Self::Fill { file: path, .. } | Self::Write { folder: path } => {
                to_write(path).into_iter().collect()
            }
            Self::Hog { folder } => to_write(&folder.join("cgroup.procs")).into_iter().collect(),
            Self::Stress { folders, .. } => {
                folders.iter().filter_map(|folder| to_write(&folder.join("cgroup.procs"))).collect()
            }
            // Beside the file lie its journals, which SQLite gives to the file's owner when root makes them.
            Self::Sqlite { path, .. } => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                let theirs = std::fs::metadata(path).is_ok_and(|about| about.st_uid() != geteuid().as_raw());
                let owner = theirs.then_some(Privilege::Chown);
                to_write(path).into_iter().chain(to_write(folder)).chain(owner).collect()
            }
        }
    }
}

/// What the holder says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Everything is prepared, nothing is held yet.
    Ready { session: Option<SessionIdentity> },
    /// It is held.
    Held,
    /// It cannot be done.
    Failed { why: String },
}

/// The body of `deadstick hold`: takes its order from standard input. Not to be called inside a runtime.
#[must_use]
pub fn main() -> u8 {
    let mut first = String::new();
    let order = io::stdin().lock().read_line(&mut first).ok().and_then(|_| serde_json::from_str(&first).ok());
    let Some(order): Option<Order> = order else { return 2 };
    // Before there is a second thread. What the kernel refuses, `doctor` says.
    let way = Way::of(&order.what);
    let needed = way.as_ref().map_or_else(|_| Privileges::new(), |way| order.what.privileges(way));
    // Who holds something needs nothing any more, and gives up the rest then: see `say_held`.
    let heirs =
        if needed.is_empty() || order.what.is_needed_to_the_end() { Heirs::Nobody } else { Heirs::Ours };
    drop(privileges::keep(&needed, heirs));
    let (lines, mut inbox) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        privileges::keep_none();
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return 1 };
    let code = runtime.block_on(async {
        let over = Duration::from_millis(order.ends_boottime_ms.saturating_sub(process::boottime_ms()));
        tokio::select! {
            held = hold(&order, way, &mut inbox) => match held {
                Ok(()) => 0,
                Err(why) => u8::from(say(&Said::Failed { why }).is_err()) + 1,
            },
            () = tokio::time::sleep(over) => 0,
        }
    });
    // A thread may still wait for a lock: the end of the process is what ends it.
    runtime.shutdown_background();
    code
}

async fn hold(
    order: &Order,
    way: Result<Way, DsnError>,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let way = way.map_err(|error| error.to_string())?;
    match &order.what {
        What::Postgres { held, .. } => postgres::hold(order, way.postgres()?, held, inbox).await,
        What::Crowd { leave, .. } => crowd::hold(order, way.postgres()?, *leave, inbox).await,
        What::Mysql { table, mode, .. } => mysql::hold(order, &way.other()?, table, *mode, inbox).await,
        What::Redis { commands, .. } => redis::hold(order, &way.other()?, *commands, inbox).await,
        What::FileLock { path, by, mode } => file_lock::hold(order, path, *by, *mode, inbox).await,
        What::Fill { file, reserve } => fill::hold(file, *reserve, inbox).await,
        What::Write { folder } => fill::write(folder, inbox).await,
        What::Stress { work, folders } => stress::hold(order, *work, folders, inbox).await,
        What::Hog { folder } => hog::hold(order, folder, inbox).await,
        What::Sqlite { path, mode } => sqlite::hold(order, path, *mode, inbox).await,
        What::Port { network, place } => port::hold(network, place, inbox).await,
    }
}

/// Says that it is held, by a process that needs nothing any more.
fn say_held() -> Result<(), String> {
    privileges::keep_none();
    say(&Said::Held).map_err(|error| error.to_string())
}

fn say(said: &Said) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, said)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Says that all is prepared, and waits for the word to go. Whether it came.
async fn go(
    session: Option<SessionIdentity>,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<bool, String> {
    say(&Said::Ready { session }).map_err(|error| error.to_string())?;
    Ok(inbox.recv().await.is_some())
}

/// How long acquiring may take: the lease, but no longer than this.
fn patience(order: &Order) -> Duration {
    left(order).min(Duration::from_secs(10))
}

/// What is left of the lease.
fn left(order: &Order) -> Duration {
    Duration::from_millis(order.ends_boottime_ms.saturating_sub(process::boottime_ms()))
}
