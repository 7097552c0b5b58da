//! The kill matrix: SIGKILL of owner, guardian or both at every step of a fault's life, and the world as it was afterwards,
//! or after the next start. Which worlds there are is for the tests to say.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::{Entry, FaultState, Undo};
use deadstick_faults::kernel::{Linux, Processes};
use deadstick_faults::{FaultStep, LedgerStore, Secrets, process, undo};

use super::store::{self, FileStore};
use super::{Bench, Talker, eventually, program};

/// Whom SIGKILL meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    Owner,
    Guardian,
    Both,
}

/// What a run of one kind disturbs, and how it looks when nothing is.
pub(crate) trait World {
    fn fault(&self) -> Fault;
    fn target(&self) -> ResolvedTarget;
    fn is_as_before(&self) -> bool;
    /// What a recovery needs beyond the ledger.
    fn secrets(&self) -> Secrets {
        Secrets::default()
    }
}

/// What the next start of any command does: whatever the ledger has open is undone.
pub(crate) async fn recover(ledger: &Path) {
    recover_with(ledger, &Secrets::default()).await;
}

/// The same, with a password.
pub(crate) async fn recover_with(ledger: &Path, secrets: &Secrets) {
    let store = FileStore(ledger.to_owned());
    for (id, fault) in store::faults(ledger).into_iter().filter(|(_, fault)| fault.state.is_open()) {
        store.record(&id, &Entry::Undoing { because: "recovery".to_owned() }).expect("recorded");
        undo(&fault.intent, secrets).await.expect("undone");
        store.record(&id, &Entry::Undone).expect("recorded");
    }
}

/// One run: the owner stops at a step, somebody is killed, and nothing is left.
#[expect(clippy::print_stderr, reason = "the time is worth reading, and no bound for a loaded machine")]
pub(crate) async fn one(world: &dyn World, step: FaultStep, killed: Killed) {
    let bench = Bench::new();
    let ledger = bench.ledger();
    let mut owner = owner(&ledger, world, "60s", &format!("{step:?}"));
    let said = owner.hear().expect("it says who its guardian is");
    let pid = said.strip_prefix("guardian ").and_then(|pid| pid.parse().ok()).expect("a pid");
    let guardian = process::of(pid).expect("it runs");
    // Past the line about the proof, for the steps after it.
    loop {
        match owner.hear() {
            Some(line) if line.starts_with("at ") => break,
            Some(line) => assert!(!line.starts_with("error"), "{step:?}: {line}"),
            None => panic!("{step:?}: the owner ended before"),
        }
    }
    let label = format!("{step:?}, {killed:?} killed");
    let began = Instant::now();
    if killed != Killed::Owner {
        let sent = deadstick_faults::kernel::Sent::End(deadstick_core::fault::Signal::Kill);
        Linux.signal(&guardian, sent).expect("ours");
    }
    if killed == Killed::Guardian {
        // The owner lives: it sees the loss and takes everything out itself.
        owner.tell("go");
        while let Some(line) = owner.hear() {
            assert!(!line.starts_with("residue") || line == "residue 0", "{label}: {line}");
        }
        owner.child.wait().expect("reaped");
    } else {
        owner.kill();
    }
    if killed == Killed::Both {
        recover_with(&ledger, &world.secrets()).await;
    }
    eventually(&format!("{label}: the world is as before"), || world.is_as_before()).await;
    eprintln!("{label}: clean after {} ms", began.elapsed().as_millis());
    eventually(&format!("{label}: the guardian has ended"), || !process::is_alive(&guardian)).await;
    if step == FaultStep::Recorded {
        // The one moment at which the ledger knows more than the guardian; nothing was applied yet.
        recover_with(&ledger, &world.secrets()).await;
    }
    for (id, fault) in store::faults(&ledger) {
        assert_eq!(fault.state, FaultState::Undone, "{label}: {id}: {:?}", fault.words);
        if let Undo::EndHolder { process: holder, .. } | Undo::EndPause { process: holder, .. } =
            &fault.intent.undo
        {
            assert!(!process::is_alive(holder), "{label}: the holder has ended");
        }
    }
    // The next start finds nothing to do, and changes nothing.
    recover_with(&ledger, &world.secrets()).await;
    assert!(world.is_as_before(), "{label}");
}

/// The helper program as the owner of a world's fault; it stops at this step.
pub(crate) fn owner(ledger: &Path, world: &dyn World, lease: &str, step: &str) -> Talker {
    let json = |value: serde_json::Result<String>| value.expect("it is plain data");
    let mut command = Command::new(program());
    command.arg("owner").arg(ledger);
    // Never recorded with the target, since it may hold a password.
    command.envs(world.target().dsn.map(|dsn| ("FAULTS_DSN", dsn)));
    command
        .arg(json(serde_json::to_string(&world.fault())))
        .arg(json(serde_json::to_string(&world.target())));
    Talker::start(command.args([lease, step]))
}

/// A run for each step.
pub(crate) async fn every_step(world: &dyn World, killed: Killed) {
    for step in FaultStep::ALL {
        one(world, step, killed).await;
    }
}
