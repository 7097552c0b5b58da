//! The guardian: a process of its own that undoes what its owner cannot any more.
//!
//! Owns the body of the hidden command `deadstick guardian`. The owner tells it every intent before the effect, and takes
//! each back after the undo. When the owner's end of the pipe closes, everything still armed is undone at once; when a
//! lease is over and the owner did nothing, that fault is. Of its privileges it keeps what an undo may need. It leaves the
//! ledger file to the store it is given.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use deadstick_core::ledger::{Entry, FaultId, Intent, any_undo};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use crate::kernel::{Kernel, Linux};
use crate::privileges::{self, Heirs};
use crate::process::{boottime_ms, has_ended, is_alive};
use crate::sequence::{self, Item};
use crate::store::{LedgerError, LedgerStore};
use crate::undo::{Apart, ONCE_IT_ANSWERS, Secrets, UndoFailure};

/// What the owner gets beyond the lease before the guardian steps in.
const GRACE_MS: u64 = 2_000;
/// How long until an undo that failed is tried again.
const AGAIN_MS: u64 = 10_000;

/// How long an undo may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where the owner is stuck already: there will be another one.
const HANGING: Duration = Duration::from_secs(3);
/// How often the end of an owner is looked for that hangs.
const LOOK: Duration = Duration::from_millis(100);

/// What the owner says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ToGuardian {
    /// Something may be applied from now on.
    Arm {
        /// Its name.
        id: FaultId,
        /// How it is undone.
        intent: Box<Intent>,
        /// What the ledger must not hold.
        password: Option<String>,
    },
    /// A call of the owner that applies or undoes it has not come back.
    Hangs {
        /// Its name.
        id: FaultId,
    },
    /// It is undone.
    Disarm {
        /// Its name.
        id: FaultId,
    },
}

/// What the guardian says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FromGuardian {
    /// It listens, and no signal of a terminal ends it any more.
    Ready,
    /// It will undo this one.
    Armed {
        /// Its name.
        id: FaultId,
    },
}

/// One thing to undo.
struct Armed {
    id: FaultId,
    intent: Intent,
    secrets: Secrets,
    act_at_ms: u64,
    /// It may still be put in place, by a call of the owner, until that has ended altogether.
    hangs: bool,
    undoing: Apart,
}

/// The body of `deadstick guardian --ledger FILE`: orders come on standard input. Not to be called inside a runtime, nor
/// after other threads were started. Returns 0, or 5 when something could not be undone.
#[must_use]
pub fn run(store: &Arc<dyn LedgerStore>) -> u8 {
    if leave_the_terminal().is_err() {
        return 1;
    }
    // Before there is a second thread. What the kernel refuses, `doctor` says; an undo never fails for it.
    drop(privileges::keep(&any_undo(), Heirs::Nobody));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return 1 };
    let inbox = listen();
    if answer(&FromGuardian::Ready).is_err() {
        return 1;
    }
    let mut watch = Watch { kernel: Arc::new(Linux), store, armed: Vec::new() };
    loop {
        match inbox.recv_timeout(watch.patience()) {
            Ok(order) => watch.obey(order),
            Err(RecvTimeoutError::Timeout) => runtime.block_on(watch.take_out_what_is_due()),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let left = runtime.block_on(watch.take_out_the_rest());
    // Whatever has not come back ends with this process.
    runtime.shutdown_background();
    if left == 0 { 0 } else { 5 }
}

/// What it watches over.
struct Watch<'a> {
    kernel: Arc<dyn Kernel>,
    store: &'a Arc<dyn LedgerStore>,
    armed: Vec<Armed>,
}

impl Watch<'_> {
    /// How long an order may be waited for. Never for long: what was suspended with the machine wakes late by its own clock.
    fn patience(&self) -> Duration {
        let next = self.armed.iter().map(|one| one.act_at_ms).min();
        Duration::from_millis(next.map_or(1_000, |at| at.saturating_sub(boottime_ms()).min(1_000)))
    }

    fn obey(&mut self, order: ToGuardian) {
        match order {
            ToGuardian::Arm { id, intent, password } => {
                let act_at_ms = intent.lease.ends_boottime_ms.saturating_add(GRACE_MS);
                self.armed.push(Armed {
                    id: id.clone(),
                    intent: *intent,
                    secrets: Secrets::with(password),
                    act_at_ms,
                    hangs: false,
                    undoing: Apart::default(),
                });
                // An owner that cannot be answered has died: its pipe says so next.
                drop(answer(&FromGuardian::Armed { id }));
            }
            ToGuardian::Hangs { id } => {
                self.armed.iter_mut().filter(|one| one.id == id).for_each(|one| one.hangs = true);
            }
            ToGuardian::Disarm { id } => self.armed.retain(|one| one.id != id),
        }
    }

    /// Undoes what its owner did not; what cannot be undone is tried again.
    async fn take_out_what_is_due(&mut self) {
        // An owner that was killed while it waits in the kernel keeps its end of the pipe open.
        for one in self.armed.iter_mut().filter(|one| !one.hangs && !is_alive(&one.intent.owner)) {
            (one.hangs, one.act_at_ms) = (true, 0);
        }
        let (over, rest): (Vec<_>, Vec<_>) =
            self.armed.drain(..).partition(|one| one.act_at_ms <= boottime_ms());
        self.armed = rest;
        let because = "its lease is over, or its owner dead, and its owner did nothing";
        let stuck = take_out(&self.kernel, self.store, over, because).await;
        self.armed.extend(stuck.into_iter().map(|one| Armed { act_at_ms: boottime_ms() + AGAIN_MS, ..one }));
    }

    /// Undoes everything, its owner being gone; how many could not be undone.
    async fn take_out_the_rest(self) -> usize {
        let Self { kernel, store, armed } = self;
        let mut left = take_out(&kernel, store, armed, "the owner is gone").await;
        // What the owner may still put in place is waited for, however long that takes: nobody else is there.
        while left.iter().any(|one| one.hangs) {
            let (late, rest): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|one| one.hangs && has_ended(&one.intent.owner));
            left = rest;
            let again = take_out(&kernel, store, late, "its owner has come to its end").await;
            // What is left of it now is not for the owner's sake.
            left.extend(again.into_iter().map(|one| Armed { hangs: one.undoing.hangs(), ..one }));
            tokio::time::sleep(LOOK).await;
        }
        left.len()
    }
}

/// Out of reach of Ctrl-C, a closed terminal and a polite request to end: only SIGKILL ends it early.
fn leave_the_terminal() -> nix::Result<()> {
    match nix::unistd::setsid() {
        // The leader of a group cannot leave it; started by the owner it never is one.
        Ok(_) | Err(nix::Error::EPERM) => {}
        Err(other) => return Err(other),
    }
    // Threads made from here on inherit it.
    let blocked: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP]
        .into_iter()
        .collect();
    blocked.thread_block()
}

fn listen() -> mpsc::Receiver<ToGuardian> {
    let (lines, inbox) = mpsc::channel();
    std::thread::spawn(move || {
        privileges::keep_none();
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            // A line cut short is the last one: the owner died while it wrote, before any effect.
            let Ok(order) = serde_json::from_str(&line) else { return };
            if lines.send(order).is_err() {
                return;
            }
        }
    });
    inbox
}

fn answer(what: &FromGuardian) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Undoes them and records it; gives back what could not be undone.
async fn take_out(
    kernel: &Arc<dyn Kernel>,
    store: &Arc<dyn LedgerStore>,
    all: Vec<Armed>,
    because: &str,
) -> Vec<Armed> {
    let items = all.into_iter().map(|one| Item {
        chain: one.intent.target.clone(),
        is_fault: one.intent.fault.is_some(),
        value: one,
    });
    let results = sequence::run(items.collect(), |mut one: Armed| async move {
        // Asked before it is undone: afterwards it may have been put in place once more.
        let may_come_back = one.hangs && !has_ended(&one.intent.owner);
        // The undo goes on whatever becomes of the record: an effect left in place is worse than a gap in the ledger.
        let begun = store.record(&one.id, &Entry::Undoing { because: because.to_owned() });
        if matches!(begun, Err(LedgerError::AlreadyUndone)) {
            return None;
        }
        let patience = if one.hangs { HANGING } else { PATIENCE };
        let last = match one.undoing.undo(kernel, &one.intent, &one.secrets, patience).await {
            Ok(_) if may_come_back => Entry::Residue {
                why: format!(
                    "process {} hangs in a call of the kernel that may still apply it",
                    one.intent.owner.pid
                ),
                manual: ONCE_IT_ANSWERS.to_owned(),
            },
            Ok(_) => Entry::Undone,
            Err(UndoFailure { why, manual }) => Entry::Residue { why, manual },
        };
        let recorded = store.record(&one.id, &last);
        (matches!(last, Entry::Residue { .. }) || recorded.is_err()).then_some(one)
    });
    results.await.into_iter().flatten().collect()
}
