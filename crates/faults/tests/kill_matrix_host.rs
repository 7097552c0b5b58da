//! The kill matrix of what is done to processes and storage: limits, control groups, files, file systems.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::group::{TestGroup, hierarchies};
use common::matrix::{Killed, World, every_step, one, owner};
use common::scratch::Scratch;
use common::{Bench, Victim, eventually, fault};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_faults::kernel::{Linux, Processes, Sent, Storage};
use deadstick_faults::{FaultStep, process};

/// Something that must be the same before and after.
struct Same {
    fault: Fault,
    target: ResolvedTarget,
    look: Box<dyn Fn() -> String + Send + Sync>,
    before: String,
    _kept: Kept,
}

#[expect(dead_code, reason = "held for as long as the world lasts")]
enum Kept {
    Process(Victim),
    Group(Victim, TestGroup),
    Empty(TestGroup),
    Storage(Scratch),
    Folder(tempfile::TempDir),
}

impl Same {
    fn new(
        words: &str,
        target: ResolvedTarget,
        kept: Kept,
        look: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let before = look();
        Self { fault: fault(words), target, look: Box::new(look), before, _kept: kept }
    }
}

impl World for Same {
    fn fault(&self) -> Fault {
        self.fault.clone()
    }
    fn target(&self) -> ResolvedTarget {
        self.target.clone()
    }
    fn is_as_before(&self) -> bool {
        (self.look)() == self.before
    }
}

fn read(path: impl AsRef<std::path::Path>) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| error.to_string())
}

/// The group, limits and state of a process, and which groups of ours there are that it was in.
fn process_world(words: &str) -> Same {
    let victim = Victim::new();
    let pid = victim.0.id();
    let target = victim.target();
    Same::new(words, target, Kept::Process(victim), move || {
        let limits = read(format!("/proc/{pid}/limits"));
        format!(
            "{}{limits}{:?}",
            read(format!("/proc/{pid}/cgroup")),
            process::of(pid).map(|one| process::life(&one).ok())
        )
    })
}

fn group_world(words: &str, controller: &str, files: &'static [&'static str]) -> Same {
    let hierarchy = hierarchies(&[controller]).remove(0);
    let name = format!("deadstick-matrix-{controller}-{}-{}", std::process::id(), words.len());
    let (victim, group) = (Victim::new(), TestGroup::within(&hierarchy, &name));
    group.take(victim.0.id());
    let target = ResolvedTarget { cgroup: Some(group.path.clone()), ..victim.target() };
    let folder = hierarchy.folder(&group.path);
    Same::new(words, target, Kept::Group(victim, group), move || {
        files.iter().map(|file| read(folder.join(file))).collect()
    })
}

fn stressed() -> Same {
    let name = format!("deadstick-matrix-stress-{}", std::process::id());
    let group = TestGroup::new(name, &["cpu"]);
    let folders: Vec<PathBuf> = group.folders();
    let target = ResolvedTarget {
        name: "group".to_owned(),
        cgroup: Some(group.path.clone()),
        ..ResolvedTarget::default()
    };
    Same::new("stress cpu=1", target, Kept::Empty(group), move || {
        folders.iter().map(|folder| read(folder.join("cgroup.procs"))).collect()
    })
}

fn frozen() -> Same {
    let scratch = Scratch::new();
    let path = scratch.path.clone();
    Same::new("fs-freeze", scratch.target(), Kept::Storage(scratch), move || {
        let was_free = Linux.freeze(&path).expect("it can freeze");
        // Left as it was found.
        if was_free {
            Linux.thaw(&path).expect("it can thaw");
        }
        was_free.to_string()
    })
}

fn filled() -> Same {
    let scratch = Scratch::new();
    let path = scratch.path.clone();
    Same::new("disk-fill reserve=4MiB", scratch.target(), Kept::Storage(scratch), move || {
        let names: Vec<_> =
            fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.file_name()).collect();
        // In steps that the file system's own books stay within.
        format!("{names:?} {}", (Linux.space(&path).expect("readable").available + (2 << 20)) >> 22)
    })
}

fn locked(words: &str) -> Same {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let path = folder.path().join("app.lock");
    fs::write(&path, "").expect("a file");
    let target =
        ResolvedTarget { name: "file".to_owned(), path: Some(path.clone()), ..ResolvedTarget::default() };
    // A process that knows nothing of deadstick, by either call.
    let script = "import fcntl, sys\nf = open(sys.argv[1], 'r+')\n\
                  fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nfcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)";
    Same::new(words, target, Kept::Folder(folder), move || {
        let tried = Command::new("python3").args(["-c", script]).arg(&path).output().expect("python3");
        tried.status.success().to_string()
    })
}

/// Whom the kernel ended stays ended; everything else is as it was, so that each run needs a process of its own.
#[tokio::test]
async fn out_of_memory() {
    let hierarchy = hierarchies(&["memory"]).remove(0);
    for killed in [Killed::Owner, Killed::Guardian, Killed::Both] {
        for step in FaultStep::ALL {
            let name = format!("deadstick-matrix-oom-{}", std::process::id());
            let (victim, group) = (Victim::new(), TestGroup::within(&hierarchy, &name));
            group.take(victim.0.id());
            let (target, folder) = (victim.target(), hierarchy.folder(&group.path));
            let idle = target.process.clone().expect("a process");
            let home = read(format!("/proc/{}/cgroup", idle.pid));
            let world = Same::new("oom", target, Kept::Group(victim, group), move || {
                let below = fs::read_dir(&folder).expect("readable").flatten();
                let groups = below.filter(|entry| entry.path().is_dir()).count();
                let score = read(format!("/proc/{}/oom_score_adj", idle.pid));
                let at_home = read(format!("/proc/{}/cgroup", idle.pid)) == home && score.trim() == "0";
                format!("{groups} {}", !process::is_alive(&idle) || at_home)
            });
            one(&world, step, killed).await;
        }
    }
}

/// An owner that lives and does nothing: the guardian thaws and empties a little after the lease.
#[tokio::test]
async fn an_owner_that_hangs_keeps_no_file_system_frozen() {
    for world in [frozen(), filled()] {
        let bench = Bench::new();
        let mut hung = owner(&bench.ledger(), &world, "1s", "Examined");
        while hung.hear().is_some_and(|line| !line.starts_with("at ")) {}
        assert!(!world.is_as_before());
        let identity = process::of(hung.child.id()).expect("it runs");
        Linux.signal(&identity, Sent::Stop).expect("ours");
        eventually("the guardian ends it", || world.is_as_before()).await;
        hung.kill();
    }
}

macro_rules! matrix {
    ($($name:ident: $world:expr;)*) => {$(
        mod $name {
            use super::*;
            #[tokio::test]
            async fn owner_killed() { every_step(&$world, Killed::Owner).await; }
            #[tokio::test]
            async fn guardian_killed() { every_step(&$world, Killed::Guardian).await; }
            #[tokio::test]
            async fn both_killed() { every_step(&$world, Killed::Both).await; }
        }
    )*};
}

matrix! {
    pause_frozen: group_world("pause", "freezer", &["freezer.state", "cgroup.freeze"]);
    cpu_limit: group_world("cpu-limit cpus=0.1", "cpu", &["cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"]);
    memory_limit: process_world("memory-limit memory=64MiB");
    fd_limit: process_world("fd-limit files=16");
    stress: stressed();
    disk_fill: filled();
    fs_freeze: frozen();
    file_lock: locked("file-lock");
    file_lock_fcntl: locked("file-lock by=fcntl mode=share");
}
