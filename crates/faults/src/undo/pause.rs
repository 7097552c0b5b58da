//! Redis servers that a process of ours keeps paused.

use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::{RedisCommands, Signal};
use deadstick_core::identity::ProcessIdentity;
use tokio::time::{Instant, sleep};

use super::{Secrets, UndoFailure, Undone, process};
use crate::database::Server;
use crate::database::address::Address;
use crate::database::redis::{RedisError, Session};
use crate::holder::redis::SLICE;
use crate::kernel::Kernel;

/// How long one look waits for its answer.
const LOOK: Duration = Duration::from_millis(300);
/// Longer than the server stays paused once nobody renews.
const PATIENCE: Duration = SLICE.saturating_add(Duration::from_secs(3));

/// Ends the process, which lets the server go on when it is asked to end, and sees that the server does.
pub(super) async fn end(
    kernel: &Arc<dyn Kernel>,
    holder: &ProcessIdentity,
    place: (&str, &str, RedisCommands),
    secrets: &Secrets,
) -> Result<Undone, UndoFailure> {
    let held = process::end(kernel, holder, &[Signal::Term, Signal::Kill]).await?;
    let (dsn, server, commands) = place;
    match goes_on(dsn, server, commands, secrets).await {
        Ok(Undone::AlreadyGone) => Ok(held),
        Ok(Undone::Done) => Ok(Undone::Done),
        // Nothing listens there any more: the server ended, and a pause does not outlive it.
        Err(error) if error.is_refused() => Ok(held),
        Err(error) => Err(UndoFailure {
            why: format!(
                "cannot see whether {dsn} goes on, as it does two seconds after its last pause: {error}{}",
                secrets.missing(Server::Redis)
            ),
            manual: redis_command(dsn),
        }),
    }
}

/// A command for people. Its program takes what is about TLS from its command line only.
fn redis_command(dsn: &str) -> String {
    let Ok(address) = Address::read(dsn) else { return format!("client unpause # in a session at {dsn}") };
    let tls: String = address
        .tls_options()
        .into_iter()
        .map(|(key, value)| match key {
            "ssl_ca_certs" => format!("--cacert '{value}' "),
            "ssl_certfile" => format!("--cert '{value}' "),
            "ssl_keyfile" => format!("--key '{value}' "),
            "ssl_cert_reqs" => "--insecure ".to_owned(),
            // It never looks at the name.
            _ => String::new(),
        })
        .collect();
    format!("redis-cli {tls}-u {} --askpass client unpause", address.place())
}

async fn goes_on(
    dsn: &str,
    server: &str,
    commands: RedisCommands,
    secrets: &Secrets,
) -> Result<Undone, RedisError> {
    let mut address = Address::read(dsn)?;
    address.password = secrets.of(Server::Redis);
    let (deadline, mut undone) = (Instant::now() + PATIENCE, Undone::AlreadyGone);
    loop {
        let look = async {
            let mut session = Session::open(&address, LOOK).await?;
            if session.about().await?.run != server {
                return Ok(());
            }
            match session.touch(commands).await {
                // A pause of writes can be ended by anybody. One of all commands could be ended by its own session only.
                Err(RedisError::Silent) if commands == RedisCommands::Writes => {
                    let mut session = Session::open(&address, LOOK).await?;
                    session.ask(&["CLIENT", "UNPAUSE"]).await?;
                    Err(RedisError::Silent)
                }
                other => other,
            }
        };
        match look.await {
            Ok(()) => return Ok(undone),
            Err(RedisError::Silent | RedisError::NoConnection | RedisError::NoHandshake)
                if Instant::now() < deadline =>
            {
                undone = Undone::Done;
            }
            Err(other) => return Err(other),
        }
        sleep(Duration::from_millis(10)).await;
    }
}
