//! What a ledger file says: reading it from where one left off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deadstick_core::ledger::{Entry, FaultId, FaultState, Intent};

use super::entry::{EntryLine, settle};
use super::error::{DamagedLine, LedgerError};

/// One fault as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFault {
    /// Its name.
    pub id: FaultId,
    /// What was to be applied, and how it is taken back out.
    pub intent: Intent,
    /// How far it has come.
    pub state: FaultState,
    /// Its newest entry.
    pub last: Entry,
}

/// A fault, and who wrote its newest entry.
#[derive(Debug)]
struct Tracked {
    fault: LedgerFault,
    by: u32,
    /// Its place in the order of appliance.
    order: usize,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct View {
    faults: BTreeMap<FaultId, Tracked>,
    /// Bytes that were read: always whole lines.
    pub(super) offset: u64,
    lines: usize,
    /// A line that can only be let go if the next one says that it was torn.
    suspect: Option<(usize, DamagedLine)>,
}

impl View {
    /// Reads the whole lines of some more bytes.
    pub(super) fn read(&mut self, path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
        for (_, line) in crate::log::segment::lines(bytes).0 {
            self.lines += 1;
            if !line.is_empty() {
                self.line(path, line)?;
            }
            self.offset += line.len() as u64 + 1;
        }
        Ok(())
    }

    fn line(&mut self, path: &Path, line: &[u8]) -> Result<(), LedgerError> {
        let damaged = |line, why| LedgerError::Damaged { file: path.to_owned(), line, why };
        let entry = match EntryLine::decode(line) {
            Ok(Ok(entry)) => entry,
            Ok(Err(version)) => {
                return Err(LedgerError::Newer { file: path.to_owned(), line: self.lines, version });
            }
            Err(why) => {
                let suspect = self.suspect.replace((self.lines, why));
                return suspect.map_or(Ok(()), |(line, why)| Err(damaged(line, why)));
            }
        };
        if let Some((line, why)) = self.suspect.take().filter(|_| !entry.torn) {
            return Err(damaged(line, why));
        }
        let known = self.faults.get_mut(&entry.fault);
        let (state, by) = known.as_ref().map_or((None, None), |k| (Some(k.fault.state), Some(k.by)));
        let state = settle(state, by, entry.by, &entry.entry)
            .map_err(|refused| damaged(self.lines, DamagedLine::Order(refused)))?;
        match (known, &entry.entry) {
            (Some(known), _) => {
                known.fault.state = state;
                known.fault.last = entry.entry;
                known.by = entry.by;
            }
            (None, Entry::Applying(intent)) => {
                let intent = (**intent).clone();
                let fault = LedgerFault { id: entry.fault.clone(), intent, state, last: entry.entry };
                let order = self.faults.len();
                self.faults.insert(entry.fault, Tracked { fault, by: entry.by, order });
            }
            // `settle` lets nothing but `applying` follow nothing.
            (None, _) => {}
        }
        Ok(())
    }

    /// After the last line: a damaged line that nothing follows is damage as well, for its end of line was written.
    pub(super) fn finish(&self, path: &Path) -> Result<(), LedgerError> {
        match &self.suspect {
            None => Ok(()),
            Some((line, why)) => {
                Err(LedgerError::Damaged { file: path.to_owned(), line: *line, why: why.clone() })
            }
        }
    }

    pub(super) fn state(&self, fault: &str) -> Option<FaultState> {
        self.faults.get(fault).map(|t| t.fault.state)
    }

    /// Who wrote the newest entry of a fault.
    pub(super) fn last_by(&self, fault: &str) -> Option<u32> {
        self.faults.get(fault).map(|t| t.by)
    }

    /// Every fault, in the order in which they were applied.
    pub(super) fn faults(&self) -> Vec<LedgerFault> {
        let mut all: Vec<_> = self.faults.values().collect();
        all.sort_by_key(|t| t.order);
        all.into_iter().map(|t| t.fault.clone()).collect()
    }
}

/// A ledger file as it lies there.
#[derive(Debug)]
pub struct LedgerFile {
    /// Where.
    pub path: PathBuf,
    /// The run it is named after.
    pub run: String,
    /// Its owner, its guardian or a recovery is alive.
    pub in_use: bool,
    /// Every fault that could be read, in the order in which they were applied.
    pub faults: Vec<LedgerFault>,
    /// Why it could not be read to its end.
    pub damage: Option<LedgerError>,
}

impl LedgerFile {
    /// What may still have to be undone.
    pub fn open_faults(&self) -> impl Iterator<Item = &LedgerFault> {
        self.faults.iter().filter(|f| f.state.is_open())
    }
}
