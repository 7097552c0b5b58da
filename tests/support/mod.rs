//! What tests of the whole binary share: a sealed place to run it in, and eyes for whatever it leaves behind.

#![expect(dead_code, reason = "each test binary uses its own part of this")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadstick_core::identity::ProcessStat;
use tempfile::TempDir;

/// The binary; in the virtual machine of tests/vm it lies beside the test.
fn program() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_deadstick"));
    if built.exists() {
        return built;
    }
    std::env::current_exe().expect("own path").with_file_name("deadstick")
}

/// A place with its own state, temporary folder and nothing of the tester's environment.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("deadstick-test-").tempdir().expect("a temporary folder");
        // PostgreSQL runs as another user, who must get through.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let tmp = root.path().join("tmp");
        fs::create_dir(&tmp).expect("it is ours");
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).expect("it is ours");
        Self { root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Where the binary's labs go.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join(name);
        fs::write(&path, content).expect("it is ours");
        path.display().to_string()
    }

    /// The binary with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", self.tmp())
            .env("DEADSTICK_STATE", self.state())
            .env("DEADSTICK_NAME", "tester")
            .env("TERM", "xterm")
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary starts");
        Ran::of(&output)
    }

    /// Starts it and reads along.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args))
    }

    /// Starts it under a responder's name, reads along, and gives the end that lines are written into.
    pub(crate) fn talk(&self, name: &str, args: &[&str]) -> (Running, ChildStdin) {
        let mut command = self.command(args);
        command.env("DEADSTICK_NAME", name).stdin(Stdio::piped());
        let mut running = Running::of(command);
        let input = running.child.stdin.take().expect("it is piped");
        (running, input)
    }

    /// Kills every guardian of a run of this place, and waits until it is gone.
    pub(crate) fn kill_guardians(&self) {
        let ours =
            |words: &str| words.contains(" guardian ") && words.contains(&self.state().display().to_string());
        for (pid, _) in processes().into_iter().filter(|(_, words)| ours(words)) {
            signal_pid(pid, nix::sys::signal::Signal::SIGKILL);
            while processes().iter().any(|(other, words)| *other == pid && ours(words)) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// What is left of anything that ran here: processes that name this place, and folders of labs.
    pub(crate) fn residue(&self) -> Vec<String> {
        let needle = self.root.path().display().to_string();
        let mut left: Vec<String> = processes()
            .into_iter()
            .filter(|(_, words)| words.contains(&needle))
            .map(|(pid, words)| format!("process {pid}: {words}"))
            .collect();
        let folders = fs::read_dir(self.tmp()).expect("it is ours").flatten();
        left.extend(folders.map(|entry| format!("folder {}", entry.path().display())));
        left
    }

    /// Waits until nothing is left; what still is, when the time is over.
    pub(crate) fn residue_after(&self, patience: Duration) -> Vec<String> {
        let began = Instant::now();
        loop {
            let left = self.residue();
            if left.is_empty() || began.elapsed() > patience {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Every live process with its command line; zombies are not alive.
pub(crate) fn processes() -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").expect("there is /proc").flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            (!words.is_empty()).then(|| (pid, String::from_utf8_lossy(&words).replace('\0', " ")))
        })
        .collect()
}

/// The network interfaces of the machine itself.
pub(crate) fn interfaces() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/net")
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn read_along(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().expect("nobody panics with it").push(line);
        }
    });
}

/// A binary that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        read_along(stderr, &lines);
        read_along(stdout, &lines);
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far.
    pub(crate) fn printed(&self) -> String {
        self.lines.lock().expect("nobody panics with it").join("\n")
    }

    /// Waits for a text in what is printed.
    pub(crate) fn wait_for(&mut self, text: &str, patience: Duration) {
        let began = Instant::now();
        while !self.printed().contains(text) {
            let ended = self.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "it ended ({ended:?}) before {text:?}:\n{}", self.printed());
            assert!(began.elapsed() < patience, "no {text:?} in time:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        signal_pid(self.pid(), signal);
    }

    /// Waits for its end; its exit code, if no signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it is ours").code()
    }

    /// The pid of its guardian.
    pub(crate) fn guardian(&self) -> u32 {
        let began = Instant::now();
        loop {
            let found = processes()
                .into_iter()
                .find(|(pid, words)| words.contains(" guardian ") && parent_of(*pid) == Some(self.pid()));
            if let Some((pid, _)) = found {
                return pid;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "no guardian:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed half way must not leave a drill behind; one that ended is ended already.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal_pid(self.pid(), nix::sys::signal::Signal::SIGTERM);
            drop(self.child.wait());
        }
    }
}

pub(crate) fn signal_pid(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("pids are small"));
    // It may have ended by itself meanwhile.
    nix::sys::signal::kill(pid, signal).unwrap_or(());
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(ProcessStat::parse(&stat)?.parent)
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The last line of stdout, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}\n{}", self.err))
    }
}
