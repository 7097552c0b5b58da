//! A flapping link in place: its tables and their turns, how a bad spell is seen, and letting go.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::super::asking::{LATEST, silence, time};
use super::super::branch::Branch;
use super::super::lossy;
use super::super::table::Held;
use super::super::{Effect, Site, Step, failed, seen, unseen};
use super::turner::{Turner, Turns};
use super::{Flapping, Spell};
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::Reach;

/// How long a proof waits for a bad spell to be seen: two turns, but no longer than this, and no shorter than [`LATEST`].
const LONGEST_LOOK: Duration = Duration::from_secs(20);
/// How long packets that are to be lost may take to come by.
const MOMENT: Duration = Duration::from_millis(25);

/// A link that is bad and good in turns.
pub(super) struct Flap {
    pub(super) means: Flapping,
    pub(super) branches: Vec<Option<Branch>>,
    pub(super) reach: Option<Reach>,
    pub(super) turner: Arc<Turner>,
    pub(super) thread: Option<JoinHandle<()>>,
}

impl Effect for Flap {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        Box::pin(async move {
            let mut tables: [Vec<Held>; 2] = Default::default();
            for (number, spell) in self.means.spells().enumerate() {
                let branch = self.branches.get(number).and_then(Option::as_ref);
                tables[number] = self.means.tables(site, spell, number, branch).await?;
            }
            let [bad, good] = tables;
            self.turner.take(bad, good);
            let (turner, turns, left) = (Arc::clone(&self.turner), self.means.turns, site.left());
            turner.act(true, turns.down.min(left)).map_err(|error| failed(error.to_string()))?;
            let thread = std::thread::Builder::new().name("deadstick-flap".to_owned());
            let began = Instant::now();
            let thread = thread
                .spawn(move || turner.run(turns, began, left))
                .map_err(|error| failed(error.to_string()))?;
            self.thread = Some(thread);
            Ok(())
        })
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            let Turns { down, up } = self.means.turns;
            let deadline = Instant::now() + (2 * (down + up)).clamp(LATEST, LONGEST_LOOK);
            loop {
                let network = self.means.network.clone();
                let now = match (self.means.ask, &self.means.bad) {
                    // Only what is lost is counted: one packet says nothing.
                    (Some(ask), Spell::Lose(parts)) => {
                        let datagrams = lossy::enough(*parts);
                        site.blocking(move |kernel| kernel.knock(&network, ask, datagrams, MOMENT)).await?;
                        None
                    }
                    (Some(ask), _) => {
                        let patience = silence(time(self.reach.as_ref())).min(down);
                        Some((ask, site.blocking(move |kernel| kernel.reach(&network, ask, patience)).await?))
                    }
                    (None, _) => None,
                };
                let turner = Arc::clone(&self.turner);
                let counted = tokio::task::spawn_blocking(move || turner.counted());
                let hits = counted.await.map_err(|_| FaultError::Lost)??;
                match (&self.means.bad, &self.reach, now) {
                    (Spell::Cut, Some(Reach::Accepted(time)), Some((ask, Reach::Silent))) if hits > 0 => {
                        return Ok(seen(format!(
                            "{ask} accepted in {:.1} ms before; now, in a bad spell, nothing comes back, and the rules chose {hits} packets",
                            time.as_secs_f64() * 1e3
                        )));
                    }
                    // Whom nobody knew to answer, and what is only hurt: its packets were chosen.
                    (Spell::Cut, None | Some(Reach::Silent | Reach::Refused(_)), _)
                    | (Spell::Lose(_) | Spell::Hurt { .. }, ..)
                        if hits > 0 =>
                    {
                        return Ok(seen(format!("in a bad spell the rules chose {hits} packets")));
                    }
                    (_, _, now) if Instant::now() >= deadline => {
                        return Ok(unseen(format!(
                            "no bad spell was seen: {now:?}, and the rules chose {hits} packets"
                        )));
                    }
                    _ => tokio::time::sleep((down / 10).min(2 * MOMENT)).await,
                }
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { turner, thread, .. } = *self;
            let tables = turner.end();
            // It ends by itself now; nobody has to wait for it, since it has no table any more.
            drop(thread);
            let mut held = false;
            for table in tables {
                held |= table.release().await;
            }
            held
        })
    }
}
