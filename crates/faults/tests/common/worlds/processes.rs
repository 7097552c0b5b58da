//! Processes, alone or in control groups made for them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget, Target};
use deadstick_core::identity::ProcessIdentity;
use deadstick_faults::process::{self, Life};

use super::same::Same;
use crate::common::group::{TestGroup, hierarchies};
use crate::common::matrix::World;
use crate::common::snapshot::Snapshot;
use crate::common::{Victim, fault};

/// Longer than it takes to find a process that has come back.
const FOUND: Duration = Duration::from_millis(700);

/// A name that no other world has.
fn name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("deadstick-matrix-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn runs(process: &ProcessIdentity) -> bool {
    process::life(process).expect("readable") == Life::Running
}

pub(crate) fn alone(words: &'static str) -> Option<Box<dyn World>> {
    let victim = Victim::new();
    let target = victim.target();
    let process = target.process.clone().expect("a process");
    Same::new(words, target, victim, move || runs(&process)).boxed()
}

fn in_a_group(
    words: &'static str,
    controller: &str,
    set_up: impl FnOnce(&TestGroup),
) -> Option<Box<dyn World>> {
    let hierarchy = hierarchies(&[controller]).into_iter().next().expect("the host has this controller");
    let (victim, group) = (Victim::new(), TestGroup::within(&hierarchy, name(controller)));
    group.take(victim.0.id());
    set_up(&group);
    let target = ResolvedTarget { cgroup: Some(group.path.clone()), ..victim.target() };
    let process = target.process.clone().expect("a process");
    // Nobody leaves the group before it goes.
    Same::new(words, target, (victim, group), move || runs(&process)).boxed()
}

pub(crate) fn in_a_freezer(words: &'static str) -> Option<Box<dyn World>> {
    in_a_group(words, "freezer", |_| {})
}

/// A limit of somebody else, which must come back.
pub(crate) fn in_a_group_with_a_limit(words: &'static str) -> Option<Box<dyn World>> {
    in_a_group(words, "cpu", |group| {
        if group.has("cpu.max") {
            group.write("cpu.max", "70000 100000");
        } else {
            group.write("cpu.cfs_quota_us", "70000");
        }
    })
}

/// Workers come to this group, and leave it.
pub(crate) fn stressed(words: &'static str) -> Option<Box<dyn World>> {
    let group = TestGroup::new(name("stress"), &["cpu"]);
    let target = ResolvedTarget {
        name: "group".to_owned(),
        cgroup: Some(group.path.clone()),
        ..ResolvedTarget::default()
    };
    Same::new(words, target, group, || true).boxed()
}

/// A process that is used up: whom a signal or the kernel has ended stays ended.
struct Mortal {
    words: &'static str,
    victim: Mutex<Victim>,
    group: Option<TestGroup>,
}

impl Mortal {
    fn new(words: &'static str, group: Option<TestGroup>) -> Self {
        let world = Self { words, victim: Mutex::new(Victim::new()), group };
        world.take();
        world
    }

    fn take(&self) {
        if let Some(group) = &self.group {
            group.take(self.victim.lock().expect("not poisoned").0.id());
        }
    }
}

pub(crate) fn mortal(words: &'static str) -> Option<Box<dyn World>> {
    Some(Box::new(Mortal::new(words, None)))
}

pub(crate) fn in_a_group_with_memory(words: &'static str) -> Option<Box<dyn World>> {
    let hierarchy = hierarchies(&["memory"]).into_iter().next().expect("the host has this controller");
    Some(Box::new(Mortal::new(words, Some(TestGroup::within(&hierarchy, name("oom"))))))
}

impl World for Mortal {
    fn fault(&self) -> Fault {
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        self.victim.lock().expect("not poisoned").target()
    }
    fn renew(&self) {
        let alive = process::is_alive(&self.target().process.expect("a process"));
        if !alive {
            *self.victim.lock().expect("not poisoned") = Victim::new();
            self.take();
        }
    }
    /// The process, as long as it is there, and the groups.
    fn look(&self) -> Snapshot {
        let mut seen = Snapshot::default();
        for folder in self.group.iter().flat_map(TestGroup::folders) {
            seen.add(folder.display().to_string(), groups_below(&folder).join(" "));
        }
        seen
    }
    fn works(&self) -> bool {
        let process = self.target().process.expect("a process");
        let score =
            std::fs::read_to_string(format!("/proc/{}/oom_score_adj", process.pid)).unwrap_or_default();
        !process::is_alive(&process) || (runs(&process) && score.trim() == "0" && self.is_at_home())
    }
    fn shows(&self) -> bool {
        // Whom a signal has ended is all that there is to see.
        self.group.is_some()
    }
}

impl Mortal {
    fn is_at_home(&self) -> bool {
        let Some(group) = &self.group else { return true };
        group.members().iter().any(|member| Some(member) == self.target().process.as_ref())
    }
}

fn groups_below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable").flatten();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.iter().map(|path| path.display().to_string()).collect()
}

/// A program that comes back whenever it has ended.
struct ComingBack {
    words: &'static str,
    seconds: String,
    first: Mutex<Victim>,
}

pub(crate) fn coming_back(words: &'static str) -> Option<Box<dyn World>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // A length of sleep that nobody else asks for.
    let seconds = format!("7{}.{:05}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let first = Mutex::new(Victim::sleeping(&seconds));
    Some(Box::new(ComingBack { words, seconds, first }))
}

impl World for ComingBack {
    fn fault(&self) -> Fault {
        fault(self.words)
    }
    fn target(&self) -> ResolvedTarget {
        let found_by = Some(Target::Process(format!("^sleep {}$", self.seconds.replace('.', "\\."))));
        ResolvedTarget { found_by, ..self.first.lock().expect("not poisoned").target() }
    }
    fn renew(&self) {
        *self.first.lock().expect("not poisoned") = Victim::sleeping(&self.seconds);
    }
    fn look(&self) -> Snapshot {
        Snapshot::default()
    }
    /// Whether it stays when it has come back.
    fn works(&self) -> bool {
        let next = Victim::sleeping(&self.seconds);
        let process = next.target().process.expect("a process");
        std::thread::sleep(FOUND);
        runs(&process)
    }
}
