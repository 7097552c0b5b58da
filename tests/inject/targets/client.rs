//! A program that keeps talking to the echo server of a link, and makes a new connection when one ends. What it is to say
//! comes through a named pipe and what it hears goes to a file, so that it can run as anybody, anywhere.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::{LONG, until};

/// What the program says after each connection that ended.
const ENDED: &str = "ended";
/// How long an answer that comes at all may take before it is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Client {
    /// A shell line that is the program.
    pub(crate) script: String,
    says: File,
    heard: PathBuf,
    said: std::cell::Cell<u32>,
    process: Option<Child>,
}

impl Client {
    /// One whose files are in this folder, and whose script somebody else will run.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let (says, heard) = (folder.join(format!("{name}.says")), folder.join(format!("{name}.heard")));
        nix::unistd::mkfifo(&says, Mode::S_IRWXU).expect("the folder is ours");
        File::create(&heard).expect("the folder is ours");
        for file in [&says, &heard] {
            fs::set_permissions(file, Permissions::from_mode(0o666)).expect("it is ours");
        }
        let script = format!(
            "while :; do busybox nc 10.0.0.2 5432 <>{} >>{heard} 2>/dev/null; echo {ENDED} >>{heard}; sleep 0.2; done",
            says.display(),
            heard = heard.display()
        );
        let says = OpenOptions::new().read(true).write(true).open(says).expect("it is ours");
        Self { script, says, heard, said: std::cell::Cell::new(0), process: None }
    }

    /// Runs it as the last argument of other programs, and waits until it is heard.
    pub(crate) fn start(folder: &Path, name: &str, within: &[String]) -> Self {
        let mut client = Self::new(folder, name);
        let mut command = Command::new(&within[0]);
        command.args(&within[1..]).arg(&client.script).stdin(Stdio::null());
        client.process = Some(command.process_group(0).spawn().expect("it starts"));
        assert!(client.is_heard(), "{within:?}");
        client
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.heard).expect("it is ours")).into_owned()
    }

    /// How many of its connections have ended.
    pub(crate) fn ended(&self) -> usize {
        self.text().lines().filter(|line| *line == ENDED).count()
    }

    /// Has it say something, and gives what would come back.
    pub(crate) fn say(&self) -> String {
        self.said.set(self.said.get() + 1);
        let word = format!("word-{}", self.said.get());
        (&self.says).write_all(format!("{word}\n").as_bytes()).expect("the pipe has room");
        word
    }

    /// Has it talk all the time while something else is done.
    pub(crate) fn talking<T>(&self, during: impl FnOnce() -> T) -> T {
        let (mut says, done) = (&self.says, AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    says.write_all(b"and so on\n").expect("the pipe has room");
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let result = during();
            done.store(true, Ordering::Release);
            result
        })
    }

    /// Whether this has come back.
    pub(crate) fn heard(&self, word: &str) -> bool {
        self.text().lines().any(|line| line == word)
    }

    /// Whether it can talk: what it says comes back, sooner or later.
    pub(crate) fn is_heard(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < LONG {
            let (word, asked) = (self.say(), Instant::now());
            while asked.elapsed() < PATIENCE {
                if self.heard(&word) {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        false
    }

    /// Has it say much at once, and gives how much that is; it fits into the pipe.
    pub(crate) fn say_much(&self) -> usize {
        let much = [&[b'z'; 59_999][..], b"\n"].concat();
        (&self.says).write_all(&much).expect("the pipe has room");
        much.len() - 1
    }

    /// How much of it has come back.
    pub(crate) fn heard_of_much(&self) -> usize {
        self.text().bytes().filter(|byte| *byte == b'z').count()
    }

    /// Waits until one more of its connections than so many has ended.
    pub(crate) fn until_one_ended(&self, before: usize) {
        until("a connection ended", || {
            // A reset is only noticed by who writes or reads.
            self.say();
            self.ended() > before
        });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        // What the shell has started is in its process group.
        let group = Pid::from_raw(i32::try_from(process.id()).expect("pids are small"));
        // A group that is gone already needs no signal.
        killpg(group, Signal::SIGKILL).unwrap_or(());
        drop(process.wait());
    }
}
