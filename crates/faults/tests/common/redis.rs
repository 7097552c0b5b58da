//! A throw-away Redis server, in a folder of its own, never as root.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::server::{folder_of, free_port};

const PROGRAM: &str = "/usr/bin/redis-server";

/// A running server with a password and the user `ann`; ended with the value.
pub(crate) struct Redis {
    _folder: TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Redis {
    /// None, with the reason, where it is not installed; that is a failure where `CI` is `true`.
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "install the package redis-server");
            eprintln!("SKIPPED redis: no {PROGRAM}; install the package redis-server");
            return None;
        }
        let folder = folder_of("nobody", "deadstick-redis-");
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", PROGRAM]);
            command
        } else {
            Command::new(PROGRAM)
        };
        let port = free_port();
        let child = command
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--requirepass",
                "s3cret",
                "--port",
                &port.to_string(),
            ])
            .args(["--user", "ann", "on", ">s3cret", "~*", "&*", "+@all"])
            .arg("--dir")
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let server = Self { _folder: folder, child, port };
        let began = Instant::now();
        while server.ask(&["PING"]).as_deref() != Some("PONG") {
            assert!(began.elapsed() < Duration::from_secs(30), "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    pub(crate) fn dsn(&self) -> String {
        format!("redis://:s3cret@127.0.0.1:{}/0", self.port)
    }

    /// Asks it by its own client program, which waits for half a second; none when there is no answer.
    pub(crate) fn ask(&self, words: &[&str]) -> Option<String> {
        let output = Command::new("timeout")
            .args(["0.5", "redis-cli", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(words)
            .env("REDISCLI_AUTH", "s3cret")
            .output()
            .expect("the program redis-cli: install the package redis-tools");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("ours");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("reaped");
    }
}
