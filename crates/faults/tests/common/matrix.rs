//! The kill matrix: SIGKILL of owner, guardian or both at every step of a fault's life, and the world as it was afterwards,
//! or after the next start. Which worlds there are is for [`super::worlds`] to say.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::{Entry, FaultState, Undo};
use deadstick_faults::kernel::{Linux, Processes};
use deadstick_faults::{FaultStep, LedgerStore, Secrets, process, undo};

use super::snapshot::{Snapshot, groups_named, started_with};
use super::store::{self, FileStore};
use super::{Bench, Talker, eventually, program};

/// The name of a variable by which everything that an owner has started is known, and by whose value whose it is.
const MADE_FOR: &str = "DEADSTICK_MADE_FOR";

/// How long a world may take to be as before.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom SIGKILL meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    Owner,
    Guardian,
    Both,
}

impl Killed {
    const ALL: [Self; 3] = [Self::Owner, Self::Guardian, Self::Both];
}

/// What a run of one kind disturbs, and how it looks when nothing is.
pub(crate) trait World {
    fn fault(&self) -> Fault;
    fn target(&self) -> ResolvedTarget;
    /// Whether what the fault disturbs works.
    fn works(&self) -> bool;
    /// Makes anew what the last run has used up.
    fn renew(&self) {}
    /// Everything that could be left behind.
    fn look(&self) -> Snapshot {
        Snapshot::of(&self.target())
    }
    /// Whether the fault can be seen while it lasts.
    fn shows(&self) -> bool {
        true
    }
    /// What a recovery needs beyond the ledger.
    fn secrets(&self) -> Secrets {
        Secrets::default()
    }
    /// What the owner is told to take the host for.
    fn without_netem(&self) -> bool {
        false
    }
}

/// How a world is before anything is done to it.
pub(crate) struct Before(Snapshot);

impl Before {
    /// Once what was done for the world itself has settled.
    pub(crate) async fn of(world: &dyn World) -> Self {
        let mut seen = world.look();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let again = world.look();
            if again == seen && world.works() {
                return Self(seen);
            }
            seen = again;
        }
        panic!("it does not settle, or does not work: {seen:?}");
    }

    /// Whether it is so now, too; and if not, why.
    pub(crate) fn is_back(&self, world: &dyn World) -> Result<(), String> {
        let now = world.look();
        if now != self.0 {
            return Err(self.0.difference(&now));
        }
        if world.works() { Ok(()) } else { Err("it does not work".to_owned()) }
    }

    /// Waits for it.
    pub(crate) async fn comes_back(&self, label: &str, world: &dyn World) {
        let began = Instant::now();
        while let Err(why) = self.is_back(world) {
            assert!(began.elapsed() < PATIENCE, "{label}: the world is not as before: {why}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What the next start of any command does: whatever the ledger has open is undone.
pub(crate) async fn recover(ledger: &Path, secrets: &Secrets) {
    let store = FileStore(ledger.to_owned());
    for (id, fault) in store::faults(ledger).into_iter().filter(|(_, fault)| fault.state.is_open()) {
        store.record(&id, &Entry::Undoing { because: "recovery".to_owned() }).expect("recorded");
        undo(&fault.intent, secrets).await.expect("undone");
        store.record(&id, &Entry::Undone).expect("recorded");
    }
}

/// Nothing of this run is there any more, wherever on the machine: no process, no control group, no file but the ledger.
pub(crate) async fn no_trace_of(label: &str, bench: &Bench) {
    let ledger = bench.ledger();
    let word = made_for(&ledger);
    eventually(&format!("{label}: every process has ended: {:?}", started_with(&word)), || {
        started_with(&word).is_empty()
    })
    .await;
    let ids: Vec<_> = store::faults(&ledger).keys().map(ToString::to_string).collect();
    if !ids.is_empty() {
        assert_eq!(groups_named(&ids), Vec::<String>::new(), "{label}");
    }
    let files = std::fs::read_dir(bench.folder.path()).expect("readable").flatten();
    let others: Vec<_> = files.map(|entry| entry.path()).filter(|path| *path != ledger).collect();
    assert!(others.is_empty(), "{label}: {others:?}");
}

/// One run: the owner stops at a step, somebody is killed, and nothing is left.
#[expect(clippy::print_stderr, reason = "the time is worth reading, and no bound for a loaded machine")]
pub(crate) async fn one(world: &dyn World, before: &Before, step: FaultStep, killed: Killed) {
    world.renew();
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
            Some(line) => assert!(line == "landed true", "{step:?}: {line}"),
            None => panic!("{step:?}: the owner ended before"),
        }
    }
    let label = format!("{step:?}, {killed:?} killed");
    // What could not be seen now could not be seen to be left, either.
    if step == FaultStep::Examined && world.shows() {
        before.is_back(world).expect_err("the fault is in place, and nothing of it is to be seen");
    }
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
        recover(&ledger, &world.secrets()).await;
    }
    before.comes_back(&label, world).await;
    eprintln!("{label}: clean after {} ms", began.elapsed().as_millis());
    eventually(&format!("{label}: the guardian has ended"), || !process::is_alive(&guardian)).await;
    if step == FaultStep::Recorded {
        // The one moment at which the ledger knows more than the guardian; nothing was applied yet.
        recover(&ledger, &world.secrets()).await;
        before.comes_back(&label, world).await;
    }
    // So that the next start finds nothing to do.
    for (id, fault) in store::faults(&ledger) {
        assert_eq!(fault.state, FaultState::Undone, "{label}: {id}: {:?}", fault.words);
        if let Undo::EndHolder { process: holder, .. } | Undo::EndPause { process: holder, .. } =
            &fault.intent.undo
        {
            assert!(!process::is_alive(holder), "{label}: the holder has ended");
        }
    }
    no_trace_of(&label, &bench).await;
}

fn made_for(ledger: &Path) -> String {
    format!("{MADE_FOR}={}", ledger.display())
}

/// The helper program as the owner of a world's fault; it stops at this step.
pub(crate) fn owner(ledger: &Path, world: &dyn World, lease: &str, step: &str) -> Talker {
    let json = |value: serde_json::Result<String>| value.expect("it is plain data");
    let mut command = Command::new(program());
    command.arg("owner").arg(ledger).env(MADE_FOR, ledger);
    if world.without_netem() {
        command.env("FAULTS_WITHOUT", "netem");
    }
    // Never recorded with the target, since it may hold a password.
    command.envs(world.target().dsn.map(|dsn| ("FAULTS_DSN", dsn)));
    command
        .arg(json(serde_json::to_string(&world.fault())))
        .arg(json(serde_json::to_string(&world.target())));
    Talker::start(command.args([lease, step]))
}

/// A run for each step.
pub(crate) async fn every_step(world: Option<Box<dyn World>>, killed: Killed) {
    // Without its server there is no world; where that may be, it has been said.
    let Some(world) = world else { return };
    let before = Before::of(world.as_ref()).await;
    for step in FaultStep::ALL {
        one(world.as_ref(), &before, step, killed).await;
    }
}

/// Where time is short: a run for each step at which the fault is about to come, in place or about to go, in which one
/// after the other is killed; and one for each of them while it is in place.
pub(crate) async fn some_of_each(world: Option<Box<dyn World>>) {
    let Some(world) = world else { return };
    let before = Before::of(world.as_ref()).await;
    let steps =
        FaultStep::ALL.into_iter().filter(|step| (FaultStep::Armed..=FaultStep::Retracted).contains(step));
    for (number, step) in steps.enumerate() {
        let next = Killed::ALL[number % Killed::ALL.len()];
        for killed in Killed::ALL {
            if killed == next || step == FaultStep::EffectRecorded {
                one(world.as_ref(), &before, step, killed).await;
            }
        }
    }
}

/// The tests of a list of worlds: three of each, in which owner, guardian or both are killed.
macro_rules! matrix {
    ($($name:ident: $make:path, $words:literal;)*) => {$(
        mod $name {
            use $crate::common::matrix::{Killed, every_step};
            #[tokio::test]
            async fn owner_killed() { every_step($make($words), Killed::Owner).await; }
            #[tokio::test]
            async fn guardian_killed() { every_step($make($words), Killed::Guardian).await; }
            #[tokio::test]
            async fn both_killed() { every_step($make($words), Killed::Both).await; }
        }
    )*};
}

/// The tests of a list of worlds: one of each, with some of the matrix.
macro_rules! part_of_the_matrix {
    ($($name:ident: $make:path, $words:literal;)*) => {$(
        #[tokio::test]
        async fn $name() { $crate::common::matrix::some_of_each($make($words)).await; }
    )*};
}

// A test program that has no list leaves none of them unused.
matrix! {}
part_of_the_matrix! {}
