//! A ledger in one file of JSON lines, shared by processes under a lock; refuses entries that are out of order.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use deadstick_core::ledger::{Entry, FaultId, FaultState, Intent, next};
use deadstick_faults::{LedgerError, LedgerStore};

pub(crate) struct FileStore(pub(crate) PathBuf);

impl LedgerStore for FileStore {
    fn record(&self, id: &FaultId, entry: &Entry) -> Result<(), LedgerError> {
        let failed = |error: std::io::Error| LedgerError::NotDurable(Box::new(error));
        // Only what begins makes a ledger: one who comes late must not make it anew where it has been removed.
        let begins = matches!(entry, Entry::Applying(_));
        let mut file =
            OpenOptions::new().create(begins).append(true).read(true).open(&self.0).map_err(failed)?;
        // Released when the file is closed, also by SIGKILL.
        file.lock().map_err(failed)?;
        let state = read(&mut file).get(id).map(|fault| fault.state);
        if state == Some(FaultState::Undone) {
            return Err(LedgerError::AlreadyUndone);
        }
        next(state, entry).map_err(|error| LedgerError::NotDurable(Box::new(error)))?;
        let line =
            serde_json::to_string(&(id, entry)).map_err(|error| LedgerError::NotDurable(Box::new(error)))?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
        file.sync_data().map_err(failed)
    }
}

/// One fault as the ledger has it.
pub(crate) struct Fault {
    pub(crate) state: FaultState,
    pub(crate) intent: Intent,
    pub(crate) words: Vec<&'static str>,
}

pub(crate) fn faults(path: &Path) -> BTreeMap<FaultId, Fault> {
    File::open(path).map(|mut file| read(&mut file)).unwrap_or_default()
}

fn read(file: &mut File) -> BTreeMap<FaultId, Fault> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_string(&mut text))
        .expect("the ledger is readable");
    let mut faults: BTreeMap<FaultId, Fault> = BTreeMap::new();
    for line in text.lines() {
        let (id, entry): (FaultId, Entry) = serde_json::from_str(line).expect("a whole line");
        let state = next(faults.get(&id).map(|fault| fault.state), &entry).expect("in order");
        let word = entry.word();
        match entry {
            Entry::Applying(intent) => {
                faults.insert(id, Fault { state, intent: *intent, words: vec![word] });
            }
            _ => {
                if let Some(fault) = faults.get_mut(&id) {
                    fault.state = state;
                    fault.words.push(word);
                }
            }
        }
    }
    faults
}
