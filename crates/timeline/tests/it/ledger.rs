//! The ledger through its public face: who may append, who may recover, what is kept.

use super::common::{at, memory_dir};
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Entry, FaultState, Intent, Lease, Undo};
use deadstick_core::units::HumanDuration;
use deadstick_timeline::{Ledger, LedgerError, StateDir, StateEnv};

fn applying(target: &str) -> Entry {
    Entry::Applying(Box::new(Intent {
        fault: None,
        target: target.to_owned(),
        undo: Undo::Nothing { because: "a test".to_owned() },
        lease: Lease { length: HumanDuration::secs(5), ends: at(5000), ends_boottime_ms: 5000 },
        owner: ProcessIdentity { pid: 1, start_ticks: 2, boot: "b".to_owned() },
    }))
}

fn undoing() -> Entry {
    Entry::Undoing { because: "asked".to_owned() }
}

#[test]
fn owner_and_guardian_append_to_one_file_and_see_each_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let owner = Ledger::create(dir.path(), "run-1").expect("creates");
    assert!(matches!(Ledger::create(dir.path(), "run-1"), Err(LedgerError::Io { .. })), "one run per name");
    assert!(matches!(Ledger::create(dir.path(), "../x"), Err(LedgerError::Name(_))));
    let guardian = Ledger::join(owner.path()).expect("joins");
    let (a, b) = ("a".to_owned(), "b".to_owned());
    owner.record(&b, &applying("first"), at(0)).expect("records");
    owner.record(&a, &applying("second"), at(1)).expect("records");
    assert_eq!(guardian.record(&a, &undoing(), at(2)).expect("records"), FaultState::Undoing);
    assert!(matches!(owner.record(&a, &Entry::Applied, at(3)), Err(LedgerError::OutOfOrder { .. })));
    owner.record(&a, &Entry::Undone, at(4)).expect("records");
    let open = guardian.open_faults().expect("reads");
    assert_eq!(open.iter().map(|f| &f.id).collect::<Vec<_>>(), [&b]);
    assert_eq!(open[0].intent.target, "first");
    let all: Vec<_> = owner.faults().expect("reads").into_iter().map(|f| f.id).collect();
    assert_eq!(all, [b, a], "in the order in which they were applied");
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("lists").collect();
    assert_eq!(left.len(), 1, "no other file: {left:?}");
}

#[test]
fn recovery_waits_for_owner_and_guardian_and_has_it_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let owner = Ledger::create(dir.path(), "run-1").expect("creates");
    let path = owner.path().to_owned();
    let guardian = Ledger::join(&path).expect("joins");
    owner.record(&"a".to_owned(), &applying("x"), at(0)).expect("records");
    assert!(matches!(Ledger::claim(&path), Err(LedgerError::InUse(_))));
    drop(owner);
    assert!(matches!(Ledger::claim(&path), Err(LedgerError::InUse(_))), "the guardian lives");
    assert!(Ledger::scan(dir.path()).expect("scans")[0].in_use);
    drop(guardian);
    assert!(!Ledger::scan(dir.path()).expect("scans")[0].in_use);
    let recovery = Ledger::claim(&path).expect("claims").expect("is there");
    assert!(matches!(Ledger::join(&path), Err(LedgerError::InUse(_))), "too late to guard");
    assert_eq!(recovery.open_faults().expect("reads").len(), 1);
}

#[test]
fn a_cut_at_any_byte_loses_only_what_was_not_acknowledged() {
    let dir = memory_dir();
    let owner = Ledger::create(dir.path(), "run").expect("creates");
    let path = owner.path().to_owned();
    for id in ["a", "b", "c"] {
        owner.record(&id.to_owned(), &applying(id), at(0)).expect("records");
    }
    drop(owner);
    let whole = std::fs::read(&path).expect("reads");
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("writes");
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let ledger = Ledger::claim(&path).expect("claims").expect("is there");
        assert_eq!(ledger.open_faults().expect("reads").len(), lines, "cut at {cut}");
        ledger.record(&"new".to_owned(), &applying("new"), at(1)).expect("records");
        drop(ledger);
        let ledger = Ledger::claim(&path).expect("claims").expect("is there");
        // A line that lacked only its end counts once the next one has ended it: it may have been applied.
        let ended = usize::from(whole.get(cut) == Some(&b'\n'));
        assert_eq!(ledger.open_faults().expect("reads").len(), lines + ended + 1, "cut at {cut}");
    }
}

#[test]
fn finished_ledgers_are_kept_but_not_for_ever() {
    let dir = tempfile::tempdir().expect("a directory");
    for run in 0..23 {
        let ledger = Ledger::create(dir.path(), &format!("run-{run}")).expect("creates");
        ledger.record(&"a".to_owned(), &applying("x"), at(0)).expect("records");
        assert!(matches!(ledger.retire(), Err(LedgerError::StillOpen { open: 1, .. })));
        ledger.record(&"a".to_owned(), &undoing(), at(0)).expect("records");
        ledger.record(&"a".to_owned(), &Entry::Undone, at(0)).expect("records");
        ledger.retire().expect("retires");
    }
    assert!(Ledger::scan(dir.path()).expect("scans").is_empty());
    assert_eq!(std::fs::read_dir(dir.path().join("done")).expect("lists").count(), 20);
    assert!(Ledger::scan(&dir.path().join("nowhere")).expect("none").is_empty());
}

#[test]
fn state_lies_where_it_is_looked_for() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let sub = |name: &str| dir.path().join(name);
    let env = StateEnv {
        deadstick_state: Some(sub("env").into()),
        xdg_state_home: Some(sub("xdg").into()),
        home: Some(sub("home").into()),
    };
    let find = |asked: Option<&str>, env: &StateEnv| {
        StateDir::find(asked.map(sub).as_deref(), env, false).expect("finds").path().to_owned()
    };
    assert_eq!(find(Some("asked"), &env), sub("asked"));
    assert_eq!(find(None, &env), sub("env"));
    let env = StateEnv { deadstick_state: Some("".into()), ..env };
    assert_eq!(find(None, &env), sub("xdg/deadstick"));
    let env = StateEnv { xdg_state_home: Some("relative".into()), ..env };
    let state = StateDir::find(None, &env, false).expect("finds");
    assert_eq!(state.path(), sub("home/.local/state/deadstick"));
    let mode = std::fs::metadata(state.path()).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(StateDir::find(None, &StateEnv::default(), false).is_err());
    let unmade = StateDir::locate(Some(&sub("unmade")), &env, false).expect("finds");
    assert!(unmade.path().ends_with("unmade") && !unmade.path().exists(), "{unmade:?}");

    assert!(state.incidents().expect("none yet").is_empty());
    for bad in ["", "..", ".hidden", "a/b", "a b"] {
        assert!(state.incident(bad).is_err(), "{bad:?}");
    }
    let incident = state.incident("2026-11-21-checkout").expect("a name");
    deadstick_timeline::Log::create(&incident, "alice", at(0)).expect("creates");
    assert_eq!(state.incidents().expect("one"), ["2026-11-21-checkout"]);
}
