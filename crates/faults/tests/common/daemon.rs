//! A throw-away server program in the foreground, in a folder of its own, never as root.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A running server; ended with the value.
pub(crate) struct Daemon {
    child: Child,
    /// Removed after the end of the server.
    _folder: TempDir,
}

/// Whether it is installed. Where it is not, that is said, and is a failure where `CI` is `true`.
#[expect(clippy::print_stderr, reason = "a skip says why")]
pub(crate) fn is_installed(program: &str, package: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "install the package {package}");
        eprintln!("SKIPPED: no {program}; install the package {package}");
    }
    there
}

/// As somebody who is not root; such packages make no user that one could count on.
pub(crate) fn as_nobody(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
    command
}

/// A program for people, and what it printed; none when it says no.
pub(crate) fn printed(command: &mut Command, package: &str) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: install the package {package}"));
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Daemon {
    /// Starts it in a folder.
    pub(crate) fn start<A: AsRef<OsStr>>(
        folder: TempDir,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let child = as_nobody(program)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        Self { child, _folder: folder }
    }

    /// Waits until it answers.
    pub(crate) fn until(&mut self, answers: impl Fn() -> bool, log: &Path) {
        let began = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().expect("ours");
            let log = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(ended.is_none(), "it ended: {ended:?}: {}", log());
            assert!(began.elapsed() < Duration::from_secs(60), "it does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("ours");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("reaped");
    }
}
