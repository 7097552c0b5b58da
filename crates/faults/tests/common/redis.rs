//! A throw-away Redis server.

use std::process::Command;

use nix::sys::signal::Signal;

use super::certificates::{Authority, Signed};
use super::daemon::{Daemon, is_installed, printed};
use super::server::{folder_of, free_port};

const PROGRAM: &str = "/usr/bin/redis-server";

/// A running server with a password and the user `ann`; ended with the value.
pub(crate) struct Redis {
    daemon: Daemon,
    pub(crate) port: u16,
    /// What its own client program needs to speak to it.
    client: Vec<String>,
}

impl Redis {
    /// One without TLS. None, with the reason, where it is not installed; that is a failure where `CI` is `true`.
    pub(crate) fn start() -> Option<Self> {
        let port = free_port();
        Self::start_with(port, &["--port".to_owned(), port.to_string()], Vec::new())
    }

    /// One with nothing but TLS, which lets in only whom its authority has given a certificate, too.
    pub(crate) fn secret(authority: &Authority, server: &Signed, client: &Signed) -> Option<Self> {
        let (port, ca) = (free_port(), authority.file().display().to_string());
        let tls = |signed: &Signed, words: [&str; 3]| {
            let files =
                [ca.clone(), signed.certificate.display().to_string(), signed.key.display().to_string()];
            words
                .map(str::to_owned)
                .into_iter()
                .zip(files)
                .flat_map(|(word, file)| [word, file])
                .collect::<Vec<_>>()
        };
        let mut arguments = tls(server, ["--tls-ca-cert-file", "--tls-cert-file", "--tls-key-file"]);
        arguments.extend(["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned));
        let mut words = tls(client, ["--cacert", "--cert", "--key"]);
        words.push("--tls".to_owned());
        Self::start_with(port, &arguments, words)
    }

    fn start_with(port: u16, more: &[String], client: Vec<String>) -> Option<Self> {
        if !is_installed(PROGRAM, "redis-server") {
            return None;
        }
        let folder = folder_of("nobody", "deadstick-redis-");
        let log = folder.path().join("log");
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret"].map(str::to_owned).to_vec();
        arguments.extend(["--user", "ann", "on", ">s3cret", "~*", "&*", "+@all"].map(str::to_owned));
        arguments.extend(["--dir".to_owned(), folder.path().display().to_string()]);
        arguments.extend(["--logfile".to_owned(), log.display().to_string()]);
        arguments.extend_from_slice(more);
        let mut daemon = Daemon::start(folder, PROGRAM, arguments);
        daemon.until(|| ask("0.5", port, &client, &["PING"]).as_deref() == Some("PONG"), &log);
        Some(Self { daemon, port, client })
    }

    pub(crate) fn dsn(&self) -> String {
        let scheme = if self.client.is_empty() { "redis" } else { "rediss" };
        format!("{scheme}://:s3cret@127.0.0.1:{}/0", self.port)
    }

    /// Asks it by its own client program; none when it says no.
    pub(crate) fn ask(&self, words: &[&str]) -> Option<String> {
        ask("60", self.port, &self.client, words)
    }

    /// The same by one that waits for half a second: none, too, when the answer takes longer.
    pub(crate) fn ask_soon(&self, words: &[&str]) -> Option<String> {
        ask("0.5", self.port, &self.client, words)
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }
}

fn ask(seconds: &str, port: u16, client: &[String], words: &[&str]) -> Option<String> {
    let mut command = Command::new("timeout");
    command
        .args([seconds, "redis-cli", "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(client)
        .args(words)
        .env("REDISCLI_AUTH", "s3cret");
    printed(&mut command, "redis-tools")
}
