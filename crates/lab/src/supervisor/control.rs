//! The control socket: whoever may open the lab's folder may ask and tell.
//!
//! Requests are carried out one after the other by the supervisor's main task; connections only bring them there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::LabError;
use crate::wire::{Answer, Request};

pub(super) type Asked = (Request, oneshot::Sender<Answer>);

/// Listens, for this user (and root) alone.
pub(super) fn listen(socket: &Path) -> Result<mpsc::Receiver<Asked>, LabError> {
    let failed = |e: std::io::Error| LabError::file("listen on", socket, e);
    let listener = UnixListener::bind(socket).map_err(failed)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let (sender, asked) = mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(converse(stream, sender.clone()))),
                // Out of descriptors: those who hold them are about to go.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    });
    Ok(asked)
}

/// One request after the other, until the other side has had enough.
async fn converse(stream: UnixStream, sender: mpsc::Sender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match serde_json::from_str(&line) {
            Err(error) => Answer::Failed(LabError::protocol("the client", error)),
            Ok(request) => {
                let (reply, answer) = oneshot::channel();
                if sender.send((request, reply)).await.is_err() {
                    return;
                }
                // Dropped without an answer: the supervisor is ending, and so does the connection.
                let Ok(answer) = answer.await else { return };
                answer
            }
        };
        let Ok(mut text) = serde_json::to_string(&answer) else { return };
        text.push('\n');
        if write.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
