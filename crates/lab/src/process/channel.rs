//! The pipes between the supervisor and a part: events on standard output, orders on standard input, one JSON object
//! a line. The end of standard input means that the supervisor is gone.

use std::io::Write;
use std::os::fd::AsFd;

use deadstick_core::identity::{BackendIdentity, ProcessIdentity};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Said by a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// The launcher has everything in place and becomes the program now.
    Launched { process: ProcessIdentity, network: u64 },
    /// It serves, on this port.
    Ready { port: u16 },
    /// Its session on the database server.
    Session(BackendIdentity),
    /// Its work has begun.
    Begun,
    /// A setting is in force.
    Taken { key: String, value: String },
    /// Something for people.
    Note(String),
    /// It could not do its work, and ends.
    Failed(String),
}

/// Told to a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub(crate) enum Order {
    Set { key: String, value: String },
}

/// Says something. When nobody listens the supervisor is gone, and this process is about to end for that reason; so
/// there is nobody to report a failure to.
pub(crate) fn say(event: &Event) {
    if let Ok(mut line) = serde_json::to_string(event) {
        line.push('\n');
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).ok();
    }
}

/// The orders of this process, until its supervisor is gone or it is asked to end.
pub(crate) struct Orders {
    lines: Lines<BufReader<pipe::Receiver>>,
    term: Signal,
}

impl Orders {
    /// Must be called inside the runtime, before anything that a SIGTERM could interrupt half-way.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
        let lines = BufReader::new(pipe::Receiver::from_owned_fd(stdin)?).lines();
        Ok(Self { lines, term: signal(SignalKind::terminate())? })
    }

    /// The next order; none when it is time to end.
    pub(crate) async fn next(&mut self) -> Option<Order> {
        tokio::select! {
            _ = self.term.recv() => None,
            line = self.lines.next_line() => serde_json::from_str(&line.ok()??).ok(),
        }
    }
}

/// Resolves when this process, which takes no orders, is asked to end or its supervisor is gone.
pub(crate) async fn asked_to_end(mut orders: Orders) {
    while orders.next().await.is_some() {}
}
