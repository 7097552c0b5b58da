//! Sessions of others that are ended, and ended again when they come back.

use std::collections::BTreeSet;
use std::time::Duration;

use deadstick_core::identity::BackendIdentity;
use deadstick_core::ledger::Undo;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::{Place, refused};
use crate::database::postgres::{self as database, DatabaseError, limited};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::means::{Effect, Means, Prepared, Site, Step, failed, seen, unseen};
use crate::plan::{Planned, PlannedObject};

/// How long a session that came back lives.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) fn plan(place: Place, application: Option<String>, role: Option<String>) -> Planned {
    let of = |word: &str, name: &Option<String>| {
        name.as_ref().map_or(String::new(), |name| format!(" of {word} {name}"))
    };
    let object = PlannedObject::new(
        format!(
            "sessions{}{}: ended, and again when they come back; never deadstick's own",
            of("application", &application),
            of("role", &role)
        ),
        "none: programs connect again",
    );
    Planned::new(Backends { place, application, role }, vec![object])
}

#[derive(Clone, Debug)]
struct Backends {
    place: Place,
    application: Option<String>,
    role: Option<String>,
}

struct Ending {
    means: Backends,
    client: Option<Client>,
    ended: BTreeSet<BackendIdentity>,
    again: Option<JoinHandle<()>>,
}

impl Backends {
    /// Those that are there now. Rows of roles that we are no member of show little; a database is shown for clients only.
    async fn there(&self, client: &Client) -> Result<BTreeSet<BackendIdentity>, DatabaseError> {
        let sql = "select pid, coalesce((backend_start at time zone 'utc')::text, '') from pg_stat_activity
                   where pid <> pg_backend_pid() and datid is not null and usesysid is not null
                     and application_name not like 'deadstick%'
                     and ($1::text is null or application_name = $1) and ($2::text is null or usename = $2)";
        let rows = limited(client.query(sql, &[&self.application, &self.role])).await?;
        rows.iter()
            .map(|row| Ok(BackendIdentity { pid: row.try_get(0)?, started: row.try_get(1)? }))
            .collect()
    }

    /// Ends those that are there now, by who they are; says which.
    async fn end(&self, client: &Client) -> Result<BTreeSet<BackendIdentity>, DatabaseError> {
        let there = self.there(client).await?;
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                   where pid = $1 and coalesce((backend_start at time zone 'utc')::text, '') = $2";
        for one in &there {
            limited(client.query(sql, &[&one.pid, &one.started])).await?;
        }
        Ok(there)
    }
}

impl Means for Backends {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let client = self.place.visit(&site.application()).await.map_err(refused)?;
            database::limit(&client, site.left(), site.left()).await.map_err(refused)?;
            if self.there(&client).await.map_err(refused)?.is_empty() {
                let what = "no session of others is there that could be ended";
                return Err(FaultError::refused(
                    what,
                    "see application_name and usename in pg_stat_activity",
                ));
            }
            let undo =
                Undo::Nothing { because: "programs whose sessions were ended connect again".to_owned() };
            let (ended, client) = (BTreeSet::new(), Some(client));
            Ok(Prepared::new(undo, Ending { means: self.clone(), client, ended, again: None }))
        })
    }
}

impl Effect for Ending {
    fn apply<'a>(&'a mut self, _: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let client =
                self.client.take().ok_or_else(|| failed("the session that ends the others is gone"))?;
            self.ended = self.means.end(&client).await.map_err(|error| failed(error.to_string()))?;
            let means = self.means.clone();
            self.again = Some(tokio::spawn(async move {
                // A server that does not answer has no sessions to end; one that is back is found again by nobody, since
                // the fault was for sessions of the one before.
                while means.end(&client).await.is_ok() {
                    tokio::time::sleep(AGAIN).await;
                }
            }));
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let looked = look(&self.means, &self.ended).await;
            Ok(looked.unwrap_or_else(|error| unseen(format!("a second session could not look: {error}"))))
        })
    }

    fn release(mut self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Some(again) = self.again.take() else { return false };
            again.abort();
            // Ended when this returns: nothing is ended after the undo.
            drop(again.await);
            true
        })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(again) = &self.again {
            again.abort();
        }
    }
}

/// Looks until all that were ended are gone.
async fn look(means: &Backends, ended: &BTreeSet<BackendIdentity>) -> Result<Proof, DatabaseError> {
    if ended.is_empty() {
        return Ok(unseen("those who were there had gone before they could be ended"));
    }
    let client = means.place.visit("deadstick proof").await?;
    let mut left = 0;
    for _ in 0..500 {
        left = means.there(&client).await?.intersection(ended).count();
        if left == 0 {
            return Ok(seen(format!("a second session sees none of the {} sessions any more", ended.len())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(unseen(format!("a second session still sees {left} of {} sessions", ended.len())))
}
