//! Sessions that take the places a server has.
//!
//! Places kept for superusers are never taken. What others leave while the fault lasts is taken, too.

use std::time::Duration;

use deadstick_core::ledger::{SessionIdentity, Undo};

use super::Place;
use crate::database::postgres::{self as database, DatabaseError};
use crate::holder::What;
use crate::holder::link::Holder;
use crate::injector::Proof;
use crate::means::holding::Look;
use crate::means::{Means, Prepared, Site, Step, seen, unseen};
use crate::plan::{Planned, PlannedObject};

/// How often places are counted, until no more are free than shall be.
const LOOKS: u32 = 150;
const BETWEEN: Duration = Duration::from_millis(20);

pub(super) fn plan(place: Place, leave: u32) -> Planned {
    let object = PlannedObject::new(
        format!("sessions: opened until {leave} places are free, beside those kept for superusers"),
        "end them all; the server ends each by itself when the lease is over",
    );
    Planned::new(Crowd { place, leave }, vec![object])
}

#[derive(Clone, Debug)]
struct Crowd {
    place: Place,
    leave: u32,
}

impl Means for Crowd {
    fn prepare<'a>(&'a self, site: &'a Site) -> Step<'a, Prepared> {
        Box::pin(async move {
            let secrets = self.place.secrets()?;
            let what = What::Crowd { dsn: self.place.dsn.clone(), leave: self.leave };
            let holder = site.holder(what).await?;
            let session =
                self.place.remembered(SessionIdentity::Application { application: site.application() })?;
            let undo = Undo::EndHolder { process: holder.process.clone(), session: Some(session) };
            Ok(Prepared::held(undo, secrets, holder, self.clone()))
        })
    }
}

impl Look for Crowd {
    fn look<'a>(&'a mut self, _: &'a Holder, _: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Self { place, leave } = &*self;
            Ok(match look(place, *leave).await {
                Ok(proof) => proof,
                Err(error) if error.is_full() => seen(format!("a further connection is refused: {error}")),
                Err(error) => unseen(format!("a further connection could not be tried: {error}")),
            })
        })
    }
}

/// One more session gets in as a superuser, or when places were to be left: then they are counted.
async fn look(place: &Place, leave: u32) -> Result<Proof, DatabaseError> {
    let client = place.visit("deadstick proof").await?;
    // The session that counts may itself sit on one of the places left. One that somebody has just left is taken in a moment.
    let mut free = database::places(&client).await?.free();
    for _ in 0..LOOKS {
        if free <= i64::from(leave) {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        free = database::places(&client).await?.free();
    }
    let words = format!("a further session counts {free} places free of those not kept for superusers");
    Ok(if free <= i64::from(leave) { seen(words) } else { unseen(words) })
}
