//! The ledger on a disk that fails, and two processes at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use deadstick_core::Timestamp;
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Entry, FaultState, Intent, Lease, Undo};
use deadstick_core::units::HumanDuration;

use super::entry::{EntryLine, settle};
use super::{File, Ledger, LedgerError, fs};
use crate::storage::fake::{Faulty, Trouble};
use crate::storage::open_append;

fn now() -> Timestamp {
    chrono::DateTime::from_timestamp(1_760_000_000, 0).expect("a time")
}

fn applying() -> Entry {
    Entry::Applying(Box::new(Intent {
        fault: None,
        target: "the shop's job".to_owned(),
        undo: Undo::Nothing { because: "a test".to_owned() },
        lease: Lease { length: HumanDuration::secs(5), ends: now(), ends_boottime_ms: 5000 },
        owner: ProcessIdentity { pid: 1, start_ticks: 2, boot: "b".to_owned() },
    }))
}

fn undoing() -> Entry {
    Entry::Undoing { because: "asked".to_owned() }
}

fn residue() -> Entry {
    Entry::Residue { why: "stuck".to_owned(), manual: "true".to_owned() }
}

fn on_faulty_disk(ledger: &Ledger) -> Arc<Trouble> {
    let trouble = Arc::new(Trouble::default());
    let file: File = open_append(ledger.path()).expect("opens");
    ledger.inner.lock().expect("no panic").storage = Box::new(Faulty { file, trouble: Arc::clone(&trouble) });
    trouble
}

#[test]
fn a_full_disk_means_no_fault_and_the_next_line_ends_the_torn_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = Ledger::create(dir.path(), "run").expect("creates");
    let guardian = Ledger::join(ledger.path()).expect("joins");
    let trouble = on_faulty_disk(&ledger);
    let one = "one".to_owned();
    ledger.record(&one, &applying(), now()).expect("records");
    trouble.room.store(50, SeqCst);
    let two = "two".to_owned();
    let failed = ledger.record(&two, &applying(), now());
    assert!(matches!(failed, Err(LedgerError::Io { .. })), "{failed:?}");
    trouble.room.store(-1, SeqCst);
    // No new fault, but what is in place can still be taken out and written down, by either process.
    assert!(matches!(ledger.record(&two, &applying(), now()), Err(LedgerError::NotDurable(_))));
    guardian.record(&one, &undoing(), now()).expect("records behind the torn line");
    ledger.record(&one, &Entry::Undone, now()).expect("records");
    let faults = guardian.faults().expect("reads");
    assert_eq!(faults.len(), 1, "what was never acknowledged is not there");
    assert_eq!(faults[0].state, FaultState::Undone);
}

#[test]
fn a_failed_sync_means_no_fault() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = Ledger::create(dir.path(), "run").expect("creates");
    let trouble = on_faulty_disk(&ledger);
    trouble.sync_fails.store(true, SeqCst);
    let id = "one".to_owned();
    assert!(ledger.record(&id, &applying(), now()).is_err());
    trouble.sync_fails.store(false, SeqCst);
    assert!(matches!(ledger.record(&"two".to_owned(), &applying(), now()), Err(LedgerError::NotDurable(_))));
    // The line may have reached the disk: it counts as applied until it is undone.
    assert_eq!(ledger.open_faults().expect("reads").len(), 1);
    ledger.record(&id, &undoing(), now()).expect("records");
    ledger.record(&id, &Entry::Undone, now()).expect("records");
    assert!(ledger.open_faults().expect("reads").is_empty());
}

#[test]
fn two_processes_that_undo_at_once_are_understood() {
    use FaultState as S;
    let (owner, guardian) = (10, 20);
    let run = |entries: &[(u32, Entry)]| {
        let mut state = settle(None, None, owner, &applying());
        let mut last = owner;
        for (by, entry) in entries {
            state = state.and_then(|state| settle(Some(state), Some(last), *by, entry));
            last = *by;
        }
        state
    };
    let (o, g) = (owner, guardian);
    assert_eq!(run(&[(o, undoing()), (g, undoing()), (o, Entry::Undone), (g, Entry::Undone)]), Ok(S::Undone));
    assert_eq!(run(&[(o, undoing()), (o, Entry::Undone), (g, undoing())]), Ok(S::Undone));
    assert_eq!(run(&[(o, undoing()), (g, undoing()), (g, residue()), (o, Entry::Undone)]), Ok(S::Undone));
    assert_eq!(run(&[(o, undoing()), (g, undoing()), (o, Entry::Undone), (g, residue())]), Ok(S::Residue));
    assert_eq!(run(&[(g, undoing()), (o, Entry::Applied)]), Ok(S::Undoing));
    assert_eq!(
        run(&[(g, undoing()), (g, Entry::Undone), (o, Entry::Applied)]),
        Ok(S::Applied),
        "back in place"
    );
    // One process that contradicts itself is no race.
    assert!(run(&[(o, undoing()), (o, Entry::Undone), (o, Entry::Undone)]).is_err());
    assert!(run(&[(g, applying())]).is_err());
}

#[test]
fn every_flipped_bit_of_a_line_is_seen() {
    let entry = EntryLine { v: 1, fault: "f".to_owned(), at: now(), by: 7, entry: applying(), torn: false };
    let line = entry.encode().expect("encodes");
    let line = &line[..line.len() - 1];
    assert!(EntryLine::decode(line).is_ok_and(|inner| inner.is_ok()));
    for at in 0..line.len() {
        for bit in 0..8 {
            let mut line = line.to_vec();
            line[at] ^= 1 << bit;
            assert!(EntryLine::decode(&line).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_damaged_line_is_named_and_the_way_on_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = Ledger::create(dir.path(), "run").expect("creates");
    let path = ledger.path().to_owned();
    for id in ["one", "two", "three"] {
        ledger.record(&id.to_owned(), &applying(), now()).expect("records");
    }
    drop(ledger);
    let mut bytes = fs::read(&path).expect("reads");
    let second = bytes.iter().position(|b| *b == b'\n').expect("a line") + 1;
    bytes[second + 20] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    let error = Ledger::claim(&path).err().expect("damaged").to_string();
    let name = path.display().to_string();
    assert!(error.starts_with(&format!("{name}:2: ")) && error.contains("mv "), "{error}");
    let scanned = Ledger::scan(dir.path()).expect("scans");
    assert!(scanned[0].damage.is_some());
    assert_eq!(scanned[0].open_faults().count(), 1, "what stands before the damage is known");

    // The last line too, when its end of line is there: then it was whole once.
    bytes[second + 20] ^= 1;
    let last = bytes.len() - 30;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    assert!(matches!(Ledger::claim(&path), Err(LedgerError::Damaged { line: 3, .. })));
}
