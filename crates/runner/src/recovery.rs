//! What earlier runs left behind, found and undone (design law 2, the third net).
//!
//! Owns the replay of ledgers whose owner and guardian are both dead, and the list of what is in place. Runs at the start
//! of every command that injects, and at boot. Leaves ending what lives to [`crate::release`], and how a single fault is
//! undone to the faults crate.

use std::path::Path;
use std::time::Duration;

use deadstick_core::Timestamp;
use deadstick_core::fault::FaultKind;
use deadstick_core::ledger::{Entry, FaultState};
use deadstick_faults::{LedgerStore, Secrets, process};
use deadstick_timeline::{Ledger, LedgerError, LedgerFault, LedgerFile};
use serde::Serialize;

use crate::ledger::SharedLedger;

/// Something that is, or may be, in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OpenFault {
    /// Its name.
    pub id: String,
    /// The run it belongs to.
    pub run: String,
    /// What it is; none for what is no fault, such as a lab.
    pub kind: Option<FaultKind>,
    /// On whom.
    pub target: String,
    /// How far it has come.
    pub state: FaultState,
    /// Since when it may be in place.
    pub since: Timestamp,
    /// When its lease ends.
    pub ends: Timestamp,
    /// The pid of the process that holds it.
    pub owner: u32,
    /// Whether that process lives.
    pub owned: bool,
    /// Whether its owner or its guardian lives.
    pub guarded: bool,
    /// For residue: the command that removes it.
    pub manual: Option<String>,
}

impl OpenFault {
    fn of(file: &LedgerFile, fault: &LedgerFault) -> Self {
        let manual = match &fault.last {
            Entry::Residue { manual, .. } => Some(manual.clone()),
            _ => None,
        };
        Self {
            id: fault.id.clone(),
            run: file.run.clone(),
            kind: fault.intent.fault.as_ref().map(deadstick_core::fault::Fault::kind),
            target: fault.intent.target.clone(),
            state: fault.state,
            since: fault.intent.lease.begins(),
            ends: fault.intent.lease.ends,
            owner: fault.intent.owner.pid,
            owned: process::is_alive(&fault.intent.owner),
            guarded: file.in_use,
            manual,
        }
    }
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recovered {
    /// What was undone, in words.
    pub undone: Vec<String>,
    /// What could not be: why, and the command that removes it. Blocks the next run.
    pub residue: Vec<String>,
    /// Runs that are still going on, and were left alone.
    pub running: Vec<String>,
}

/// Everything that is, or may be, in place on this host.
///
/// # Errors
/// The ledgers cannot be listed.
pub fn open_faults(ledgers: &Path) -> Result<Vec<OpenFault>, LedgerError> {
    let files = Ledger::scan(ledgers)?;
    Ok(files
        .iter()
        .flat_map(|file| file.open_faults().map(|fault| OpenFault::of(file, fault)).collect::<Vec<_>>())
        .collect())
}

/// Ledgers that cannot be read to their end: faults may be in place that nobody knows of.
///
/// # Errors
/// The ledgers cannot be listed.
pub fn damaged(ledgers: &Path) -> Result<Vec<String>, LedgerError> {
    let files = Ledger::scan(ledgers)?;
    Ok(files.iter().filter_map(|file| file.damage.as_ref()).map(ToString::to_string).collect())
}

/// Undoes whatever dead runs have left, newest first within each.
///
/// # Errors
/// The ledgers cannot be listed.
pub async fn replay(ledgers: &Path) -> Result<Recovered, LedgerError> {
    let mut recovered = Recovered::default();
    for file in Ledger::scan(ledgers)? {
        replay_one(&file, &mut recovered).await;
    }
    Ok(recovered)
}

/// Undoes what one dead run has left.
pub(crate) async fn replay_one(file: &LedgerFile, recovered: &mut Recovered) {
    if let Some(damage) = &file.damage {
        return recovered.residue.push(damage.to_string());
    }
    match Ledger::claim(&file.path) {
        Ok(Some(claimed)) => undo_all(claimed, recovered).await,
        Ok(None) => {}
        Err(LedgerError::InUse(_)) => recovered.running.push(file.run.clone()),
        Err(error) => recovered.residue.push(error.to_string()),
    }
}

/// The same, and again every second while something is left and the patience lasts. Says all that was undone, and what is
/// left at the end.
///
/// # Errors
/// As [`replay`].
pub async fn replay_for(ledgers: &Path, patience: Duration) -> Result<Recovered, LedgerError> {
    let began = tokio::time::Instant::now();
    let mut undone = Vec::new();
    loop {
        let mut recovered = replay(ledgers).await?;
        undone.append(&mut recovered.undone);
        if recovered.residue.is_empty() || began.elapsed() >= patience {
            return Ok(Recovered { undone, ..recovered });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn undo_all(ledger: Ledger, recovered: &mut Recovered) {
    let faults = match ledger.open_faults() {
        Ok(faults) => faults,
        Err(error) => return recovered.residue.push(error.to_string()),
    };
    let ledger = SharedLedger::new(ledger);
    let secrets = Secrets::from_environment();
    for fault in faults.iter().rev() {
        let what = match &fault.intent.fault {
            Some(kind) => format!("{} on {} ({})", kind.kind(), fault.intent.target, fault.id),
            None => fault.intent.target.clone(),
        };
        let because = "its owner and its guardian are dead".to_owned();
        if let Err(error) = ledger.record(&fault.id, &Entry::Undoing { because }) {
            recovered.residue.push(format!("{what}: {error}"));
            continue;
        }
        let (entry, outcome) = match deadstick_faults::undo(&fault.intent, &secrets).await {
            Ok(_) => (Entry::Undone, Ok(())),
            Err(failure) => {
                let line = format!("{what}: {}; run: {}", failure.why, failure.manual);
                (Entry::Residue { why: failure.why, manual: failure.manual }, Err(line))
            }
        };
        match (ledger.record(&fault.id, &entry), outcome) {
            (Ok(()), Ok(())) => recovered.undone.push(what),
            (Ok(()), Err(line)) => recovered.residue.push(line),
            (Err(error), _) => recovered.residue.push(format!("{what}: {error}")),
        }
    }
    if let Err(error) = ledger.retire() {
        recovered.residue.push(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use deadstick_core::identity::ProcessIdentity;
    use deadstick_core::ledger::{Intent, Lease, Undo};
    use deadstick_core::units::HumanDuration;
    use deadstick_faults::kernel::{Linux, Processes, Sent};
    use deadstick_faults::process::Life;

    use super::*;

    struct Victim(Child);

    impl Drop for Victim {
        fn drop(&mut self) {
            self.0.kill().expect("ours");
            self.0.wait().expect("reaped");
        }
    }

    /// A ledger whose owner is dead, with one pause on it.
    fn left_behind(ledgers: &Path, process: ProcessIdentity) {
        let ledger = Ledger::create(ledgers, "left").expect("a ledger");
        let gone = ProcessIdentity { start_ticks: process.start_ticks + 1, ..process.clone() };
        let now = crate::session::now();
        let length = HumanDuration::secs(60);
        let intent = Intent {
            fault: deadstick_core::fault::Fault::read(FaultKind::Pause, []).ok(),
            target: "victim".to_owned(),
            undo: Undo::Resume { process },
            lease: Lease { length, ends: now, ends_boottime_ms: 0 },
            owner: gone,
        };
        let id = "0190-left".to_owned();
        ledger.record(&id, &Entry::Applying(Box::new(intent)), now).expect("written");
        ledger.record(&id, &Entry::Applied, now).expect("written");
    }

    #[tokio::test]
    async fn after_another_boot_nobody_is_signalled_and_the_ledger_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let victim = Victim(Command::new("sleep").arg("600").spawn().expect("it starts"));
        let now = process::of(victim.0.id()).expect("it runs");
        Linux.signal(&now, Sent::Stop).expect("ours");
        while process::life(&now).expect("readable") != Life::Stopped {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The same pid and even the same start time, but in another boot: somebody else.
        left_behind(folder.path(), ProcessIdentity { boot: "another".to_owned(), ..now.clone() });
        let recovered = replay_for(folder.path(), Duration::from_secs(5)).await.expect("read");
        assert_eq!((recovered.undone.len(), recovered.residue.len()), (1, 0), "{recovered:?}");
        assert_eq!(process::life(&now).expect("readable"), Life::Stopped, "not ours to resume");
        assert_eq!(open_faults(folder.path()).expect("read"), []);
        // In this boot it is.
        left_behind(folder.path(), now.clone());
        replay(folder.path()).await.expect("read");
        assert_eq!(process::life(&now).expect("readable"), Life::Running);
    }
}
