//! Holding a Redis server paused: a short pause, renewed.

use std::time::Duration;

use deadstick_core::fault::RedisCommands;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Order, go, left, say_held};
use crate::database::PATIENCE;
use crate::database::address::Address;
use crate::database::redis::{RedisError, Session};

/// How long the server stays paused without us.
pub(crate) const SLICE: Duration = Duration::from_secs(2);
/// How often it is renewed.
const AGAIN: Duration = Duration::from_millis(400);

pub(super) async fn hold(
    order: &Order,
    address: &Address,
    commands: RedisCommands,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let text = |error: RedisError| error.to_string();
    let mut asked_to_end = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut session = Session::open(address, PATIENCE).await.map_err(text)?;
    if !go(None, inbox).await? {
        return Ok(());
    }
    if commands == RedisCommands::All {
        session.stand_apart().await.map_err(text)?;
    }
    pause(&mut session, order, commands).await.map_err(text)?;
    say_held()?;
    loop {
        tokio::select! {
            // No line but the end of input can come now.
            _ = inbox.recv() => break,
            _ = asked_to_end.recv() => break,
            () = tokio::time::sleep(AGAIN) => pause(&mut session, order, commands).await.map_err(text)?,
        }
    }
    session.ask(&["CLIENT", "UNPAUSE"]).await.map(drop).map_err(text)
}

/// Never beyond the lease: what is left of it ends by itself.
async fn pause(session: &mut Session, order: &Order, commands: RedisCommands) -> Result<(), RedisError> {
    let length = SLICE.min(left(order)).as_millis().max(1).to_string();
    let which = match commands {
        RedisCommands::All => "ALL",
        RedisCommands::Writes => "WRITE",
    };
    session.ask(&["CLIENT", "PAUSE", &length, which]).await.map(drop)
}
