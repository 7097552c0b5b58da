//! A replica that receives and does not apply.

use std::time::Duration;

use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;
use tokio_postgres::Client;

use super::{Place, refused};
use crate::database::postgres::{self as database, DatabaseError, limited};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::means::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::plan::{Planned, PlannedObject};

pub(super) fn plan(place: Place) -> Planned {
    let object = PlannedObject::new(
        "replay: paused on the replica",
        "resume it; the server has no time limit for it, so the guardian does when nobody else can",
    );
    Planned::new(Replay { place }, vec![object])
}

#[derive(Clone, Debug)]
struct Replay {
    place: Place,
}

struct Pausing {
    place: Place,
    client: Client,
}

impl Means for Replay {
    fn prepare<'a>(&'a self, _: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let secrets = self.place.secrets()?;
            let client = self.place.visit("deadstick pause-replay").await.map_err(refused)?;
            let no = |what: &str, hint: &str| Err(FaultError::refused(what, hint));
            if database::version(&client).await.map_err(refused)? < 100_000 {
                return no("replay is paused by other names before PostgreSQL 10", "upgrade the server");
            }
            let sql = "select pg_is_in_recovery(), has_function_privilege('pg_wal_replay_pause()', 'execute')
                              and has_function_privilege('pg_wal_replay_resume()', 'execute')";
            let row = limited(client.query_one(sql, &[])).await.map_err(refused)?;
            let get = |column| row.try_get::<_, bool>(column).map_err(refused);
            if !get(0)? {
                return no("the server is no replica: it is not in recovery", "name a replica");
            }
            if !get(1)? {
                return no(
                    "the role may not pause and resume replay",
                    "use a superuser, or grant it both functions",
                );
            }
            if database::is_replay_paused(&client).await.map_err(refused)? {
                return no("replay is paused already", "resume it first: it is not ours to resume");
            }
            let address = self.place.address()?;
            let server = database::server(&client).await.map_err(refused)?;
            let undo = Undo::ResumeReplay { dsn: database::without_password(&address), server };
            let effect = Box::new(Pausing { place: self.place.clone(), client });
            Ok(Prepared { undo, secrets, effect })
        })
    }
}

impl Effect for Pausing {
    fn apply<'a>(&'a mut self, _: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let paused = limited(self.client.batch_execute("select pg_wal_replay_pause()")).await;
            paused.map_err(|error| failed(error.to_string()))
        })
    }

    fn prove<'a>(&'a mut self, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let looked = look(&self.place).await;
            Ok(looked.unwrap_or_else(|error| unseen(format!("a second session could not look: {error}"))))
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        // The undo that follows resumes.
        Box::pin(async { false })
    }
}

/// From 14 on the server tells a pause that was asked for from one that is there.
async fn look(place: &Place) -> Result<Proof, DatabaseError> {
    let client = place.visit("deadstick proof").await?;
    let sql = if database::version(&client).await? < 140_000 {
        "select case when pg_is_wal_replay_paused() then 'paused' else 'not paused' end, pg_last_wal_replay_lsn()::text"
    } else {
        "select pg_get_wal_replay_pause_state(), pg_last_wal_replay_lsn()::text"
    };
    let mut last = String::new();
    for _ in 0..500 {
        let row = limited(client.query_one(sql, &[])).await?;
        let (state, at): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if state == "paused" {
            return Ok(seen(format!("a second session sees replay paused at {}", at.unwrap_or_default())));
        }
        last = state;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(unseen(format!("a second session sees replay {last}")))
}
