//! Ending single faults by their names, whoever holds them.
//!
//! Owns the choice: a living owner of one fault is asked to let go, a guardian at work is waited for, and what both have
//! left is replayed. A run that holds more than one thing (a drill, a lab) is not ended behind its back. Leaves the replay
//! to [`crate::recovery`] and signals by identity to the faults crate.

use std::path::Path;
use std::time::Duration;

use deadstick_core::fault::Signal;
use deadstick_core::ledger::FaultId;
use deadstick_faults::kernel::{Delivery, KernelError, Linux, Processes, Sent};
use deadstick_faults::process;
use deadstick_timeline::{Ledger, LedgerError, LedgerFault, LedgerFile};
use tokio::time::{Instant, sleep};

use crate::injection;
use crate::recovery::{self, Recovered};

/// How long an owner that was asked, and its guardian, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the ledger is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Why a fault was not ended.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The ledgers cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No open fault is called that.
    #[error("no fault in place is called `{0}`; see `deadstick faults`")]
    Unknown(String),
    /// Several are called that.
    #[error("`{0}` may be any of these: {1}")]
    Ambiguous(String, String),
    /// It is part of something larger that goes on.
    #[error(
        "{fault} belongs to the run {run}, which holds more than it; to end that run: kill -TERM {owner}"
    )]
    PartOfRun {
        /// The fault.
        fault: FaultId,
        /// The run.
        run: String,
        /// The pid of the run's process.
        owner: u32,
    },
    /// Its owner cannot be asked.
    #[error("the owner of {fault}, process {owner}, cannot be asked to let go: {source}")]
    Owner {
        /// The fault.
        fault: FaultId,
        /// The owner's pid.
        owner: u32,
        /// The kernel's answer.
        source: KernelError,
    },
    /// It did not go in time.
    #[error("{fault} is still in place {} s after its owner, process {owner}, was asked; to end the owner: kill -KILL {owner}", PATIENCE.as_secs())]
    Stays {
        /// The fault.
        fault: FaultId,
        /// The owner's pid.
        owner: u32,
    },
}

/// Ends one fault, named by its id, or the beginning or the end of it. What could not be undone is said in what comes back.
///
/// # Errors
/// It was not ended, and why.
pub async fn end(ledgers: &Path, asked: &str) -> Result<Recovered, ReleaseError> {
    let mut recovered = Recovered::default();
    let (file, fault) = find(ledgers, asked)?;
    let (id, owner) = (fault.id.clone(), fault.intent.owner.clone());
    if process::is_alive(&owner) {
        if !injection::is_single(&file.run) {
            return Err(ReleaseError::PartOfRun { fault: id, run: file.run, owner: owner.pid });
        }
        match Linux.signal(&owner, Sent::End(Signal::Term)) {
            Ok(Delivery::Sent | Delivery::Gone) => {}
            Err(source) => return Err(ReleaseError::Owner { fault: id, owner: owner.pid, source }),
        }
    }
    let what = fault.intent.fault.as_ref().map_or_else(
        || fault.intent.target.clone(),
        |fault_kind| format!("{} on {} ({id})", fault_kind.kind(), fault.intent.target),
    );
    let until = Instant::now() + PATIENCE;
    loop {
        let files = Ledger::scan(ledgers)?;
        let Some(file) = files.into_iter().find(|one| one.open_faults().any(|open| open.id == id)) else {
            if recovered.undone.is_empty() {
                recovered.undone.push(what);
            }
            return Ok(recovered);
        };
        if !file.in_use {
            recovery::replay_one(&file, &mut recovered).await;
            if !recovered.residue.is_empty() {
                return Ok(recovered);
            }
        } else if Instant::now() > until {
            return Err(ReleaseError::Stays { fault: id, owner: owner.pid });
        }
        sleep(LOOK).await;
    }
}

/// The one open fault that is meant.
fn find(ledgers: &Path, asked: &str) -> Result<(LedgerFile, LedgerFault), ReleaseError> {
    let mut found = Vec::new();
    for file in Ledger::scan(ledgers)? {
        let fits = |id: &FaultId| id.starts_with(asked) || id.ends_with(asked);
        found.extend(file.open_faults().map(|fault| fault.id.clone()).filter(fits));
        let exact = file.open_faults().find(|fault| fault.id == asked).cloned();
        if let Some(fault) = exact {
            return Ok((file, fault));
        }
    }
    match found.as_slice() {
        [] => Err(ReleaseError::Unknown(asked.to_owned())),
        [one] => find(ledgers, one),
        several => Err(ReleaseError::Ambiguous(asked.to_owned(), several.join(", "))),
    }
}
