//! The signals that mean "stop": Ctrl-C, TERM, and a terminal that was closed.
//!
//! Owns turning them into one value that everything can watch; what stopping means is each command's business.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether to stop, and why: the two ends of one value.
pub type Stop = (watch::Sender<Option<String>>, watch::Receiver<Option<String>>);

/// A value that becomes "why" on the first signal; the sender can stop things as well.
///
/// # Errors
/// Signal handlers cannot be installed.
pub fn until_stopped() -> io::Result<Stop> {
    let (sender, receiver) = watch::channel(None);
    let kinds = [
        (SignalKind::interrupt(), "stopped by Ctrl-C"),
        (SignalKind::terminate(), "stopped by SIGTERM"),
        (SignalKind::hangup(), "the terminal was closed"),
    ];
    for (kind, why) in kinds {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                sender.send_replace(Some(why.to_owned()));
            }
        });
    }
    Ok((sender, receiver))
}

/// Resolves when somebody wants it to stop, with the reason.
pub async fn stopped(stop: &mut watch::Receiver<Option<String>>) -> String {
    loop {
        if let Some(why) = stop.borrow_and_update().clone() {
            return why;
        }
        if stop.changed().await.is_err() {
            // Nobody is left who could stop it.
            return std::future::pending().await;
        }
    }
}
