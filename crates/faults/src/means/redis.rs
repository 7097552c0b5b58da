//! Redis servers whose commands wait.
//!
//! The pause is one of a few seconds that a holder process renews, so that the server goes on by itself soon after that
//! process and everybody else has died, and with the lease in any case.

use std::time::{Duration, Instant};

use deadstick_core::fault::{Fault, RedisCommands, ResolvedTarget};
use deadstick_core::ledger::Undo;

use super::holding::Look;
use super::{Means, Prepared, Site, Step, seen, unseen};
use crate::database::address::Address;
use crate::database::redis::{RedisError, Session};
use crate::database::{self, PATIENCE, Server};
use crate::error::FaultError;
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::plan::{Planned, PlannedObject};
use crate::undo::Secrets;

/// How long a command may go unanswered before it counts as held up, if it is not answered late anyway.
const HELD_UP: Duration = Duration::from_millis(400);

/// Plans a pause.
pub(crate) fn plan(
    fault: &Fault,
    target: &ResolvedTarget,
    commands: RedisCommands,
) -> Result<Planned, FaultError> {
    let dsn = database::on(Server::Redis, fault, target)?;
    let which = match commands {
        RedisCommands::All => "every command waits",
        RedisCommands::Writes => "commands that write wait",
    };
    let object = PlannedObject::new(
        format!("one session: CLIENT PAUSE, renewed; {which}"),
        "CLIENT UNPAUSE, and end the session; two seconds after its last renewal the server goes on by itself",
    );
    Ok(Planned::new(Pause { dsn, commands }, vec![object]))
}

#[derive(Clone)]
struct Pause {
    /// May hold a password.
    dsn: String,
    commands: RedisCommands,
}

impl std::fmt::Debug for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pause").field("commands", &self.commands).finish_non_exhaustive()
    }
}

struct Pausing {
    address: Address,
    commands: RedisCommands,
    /// How long a command of ours waits before it counts as held up.
    patience: Duration,
}

impl Means for Pause {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let address = Address::read(&self.dsn)?;
            let (run, took) = examine(&address, self.commands).await?;
            let holder = site.holder(What::Redis { dsn: self.dsn.clone(), commands: self.commands }).await?;
            let undo = Undo::EndPause {
                process: holder.process.clone(),
                dsn: address.without_password(),
                server: run,
                commands: self.commands,
            };
            let secrets = Secrets::with(address.password.clone());
            let patience = HELD_UP.max(3 * took);
            Ok(Prepared::held(undo, secrets, holder, Pausing { address, commands: self.commands, patience }))
        })
    }
}

/// The server as it is, and how long it takes to answer; one that is paused already is not ours to resume.
async fn examine(address: &Address, commands: RedisCommands) -> Result<(String, Duration), FaultError> {
    let paused = || {
        FaultError::refused(
            "the server keeps commands waiting already, or does not answer",
            "let it go on first: a pause of somebody else is not ours to end",
        )
    };
    let look = async {
        let mut session = Session::open(address, PATIENCE).await?;
        let about = session.about().await?;
        let began = Instant::now();
        session.touch(commands).await?;
        Ok((about, began.elapsed()))
    };
    let (about, took) = look.await.map_err(|error| match error {
        RedisError::Silent => paused(),
        other => FaultError::refused(
            format!("Redis at {}: {other}", address.without_password()),
            "see the DSN of the target, and what its user may do",
        ),
    })?;
    if about.paused.is_some() {
        return Err(paused());
    }
    if about.version < (6, 2) {
        let (major, minor) = about.version;
        return Err(FaultError::refused(
            format!("Redis {major}.{minor} cannot end a pause before its time"),
            "use Redis 6.2 or newer",
        ));
    }
    Ok((about.run, took))
}

impl Look for Pausing {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let what = match self.commands {
                RedisCommands::All => "a command",
                RedisCommands::Writes => "a command that writes",
            };
            let tried = async {
                let mut session = Session::open(&self.address, self.patience).await?;
                session.touch(self.commands).await
            };
            Ok(match tried.await {
                Err(RedisError::Silent) => seen(format!(
                    "{what} of another session had no answer for {} ms",
                    self.patience.as_millis()
                )),
                Ok(()) => unseen(format!("{what} of another session was answered")),
                Err(error) => unseen(format!("another session could not look: {error}")),
            })
        })
    }
}
