//! Records faults in a ledger until it is killed, and says each entry only once it is acknowledged.
//!
//! `inject FILE`: the tests' victim. It creates the ledger that the file's name says, and holds it while it lives.

use std::io::Write;
use std::path::PathBuf;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Entry, Intent, Lease, Undo};
use deadstick_core::units::HumanDuration;
use deadstick_timeline::Ledger;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: inject FILE")?);
    let (dir, run) = path.parent().zip(path.file_stem()).ok_or("no file")?;
    let ledger = Ledger::create(dir, &run.to_string_lossy())?;
    let mut out = std::io::stdout();
    for number in 0_u64.. {
        let now = std::time::SystemTime::now().into();
        let id = format!("fault-{number}");
        let intent = Intent {
            fault: None,
            target: "nothing".to_owned(),
            undo: Undo::Nothing { because: "a test".to_owned() },
            lease: Lease { length: HumanDuration::secs(60), ends: now, ends_boottime_ms: 60_000 },
            owner: ProcessIdentity { pid: std::process::id(), start_ticks: 0, boot: String::new() },
        };
        let entries = [
            Entry::Applying(Box::new(intent)),
            Entry::Applied,
            Entry::Undoing { because: "asked".to_owned() },
            Entry::Undone,
        ];
        // Every other fault is left in place.
        let entries = if number % 2 == 0 { &entries[..] } else { &entries[..2] };
        for entry in entries {
            let state = ledger.record(&id, entry, now)?;
            writeln!(out, "{id} {}", state.word())?;
        }
    }
    Ok(())
}
