//! A disk that is really full: 64 KiB of memory, mounted in a namespace of the test's own that ends with it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use deadstick_timeline::Ledger;

use super::common::example;

/// A process that keeps a mount namespace alive.
struct Holder(Child);

impl Holder {
    /// None where this machine has no user namespaces.
    fn start() -> Option<Self> {
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "--", "sleep", "60"])
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut holder = Self(child);
        let comm = format!("/proc/{}/comm", holder.0.id());
        for _ in 0..2000 {
            if std::fs::read_to_string(&comm).is_ok_and(|name| name.trim() == "sleep") {
                return Some(holder);
            }
            if holder.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--user", "--preserve-credentials", "--mount", "--target", &self.0.id().to_string(), "--"])
            .arg(program)
            .args(args)
            .output()
            .expect("runs")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().expect("is ours");
        self.0.wait().expect("ends");
    }
}

#[test]
fn a_disk_that_is_really_full_refuses_the_fault() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("plain");
    let holder = Holder::start();
    let mounted = holder.as_ref().is_some_and(|holder| {
        holder.run(Path::new("mount"), &["-t", "tmpfs", "-o", "size=64k", "tmpfs", path]).status.success()
    });
    let Some(holder) = holder.filter(|_| mounted) else {
        assert!(std::env::var_os("CI").is_none(), "a user namespace with a tmpfs is needed");
        return skip("no user namespace with a tmpfs here");
    };
    let file = format!("{path}/run.jsonl");
    let victim = holder.run(Path::new(example("inject").get_program()), &[&file]);
    assert_eq!(victim.status.code(), Some(1), "it stops by itself");
    let why = String::from_utf8_lossy(&victim.stderr);
    assert!(why.contains("append to") && why.contains("StorageFull"), "{why}");

    let left = holder.run(Path::new("cat"), &[&file]).stdout;
    let copy = dir.path().join("run.jsonl");
    std::fs::write(&copy, &left).expect("writes");
    let ledger = Ledger::claim(&copy).expect("is readable").expect("is there");
    let entries = left.iter().filter(|b| **b == b'\n').count();
    let said = String::from_utf8_lossy(&victim.stdout).lines().count();
    assert_eq!(entries, said, "exactly what was acknowledged");
    assert!(!ledger.open_faults().expect("reads").is_empty());
}

#[expect(clippy::print_stderr, reason = "says why a test was skipped")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
