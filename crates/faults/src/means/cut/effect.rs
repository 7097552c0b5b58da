//! A table that drops packets in place: the proof that it does, and letting go.

use futures_util::future::BoxFuture;

use super::super::asking::{LATEST, insist, silence, time};
use super::super::table::{Held, by_count, unasked};
use super::super::{Effect, Site, Step, seen, unseen};
use super::Tabled;
use crate::error::FaultError;
use crate::injector::Proof;
use crate::kernel::{Conversation, Reach, TableEffect};

/// The same, with what was seen before and what is held now.
pub(super) struct Dropping {
    pub(super) means: Tabled,
    pub(super) reach: Option<Reach>,
    /// Kept only to be closed after the table is gone, so that its end reaches the witness.
    pub(super) conversation: Option<Box<dyn Conversation>>,
    pub(super) table: Held,
}

impl Effect for Dropping {
    fn apply<'a>(&'a mut self, site: &'a Site) -> Step<'a, ()> {
        let Tabled { network, layer, effect, .. } = &self.means;
        Box::pin(self.table.install(site, network, *layer, effect.clone()))
    }

    fn prove<'a>(&'a mut self, site: &'a Site) -> Step<'a, Proof> {
        Box::pin(async move {
            match self.means.effect {
                TableEffect::Hush { .. } => self.hush(site).await,
                _ => self.cut(site).await,
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let Self { table, conversation, .. } = *self;
            let held = table.release().await;
            // Now its end reaches the witness.
            drop(conversation);
            held
        })
    }
}

impl Dropping {
    /// A peer that answers nothing any more, and packets that the rules dropped.
    async fn cut(&self, site: &Site) -> Result<Proof, FaultError> {
        let Some(ask) = self.means.ask() else {
            let (patience, why) = unasked(self.means.effect.flow());
            return Ok(by_count(self.table.hits(patience).await?, why));
        };
        let network = self.means.network.clone();
        let patience = silence(time(self.reach.as_ref()));
        let silence = patience.as_millis();
        let before = match &self.reach {
            Some(Reach::Accepted(time)) => format!("accepted in {:.1} ms before", time.as_secs_f64() * 1e3),
            Some(Reach::Refused(_)) => "refused at once before".to_owned(),
            None | Some(Reach::Silent) => "did not answer before either".to_owned(),
        };
        match site.blocking(move |kernel| kernel.reach(&network, ask, patience)).await? {
            Reach::Accepted(time) => {
                Ok(unseen(format!("{ask} still accepts, after {} ms", time.as_millis())))
            }
            Reach::Refused(why) => Ok(unseen(format!("{ask} still answers: {why}"))),
            Reach::Silent => {
                let hits = self.table.hits_asking(site, &self.means.network, ask).await?;
                Ok(by_count(hits, &format!("{ask} {before}; now nothing comes back within {silence} ms")))
            }
        }
    }

    /// The connection opened before is not heard any more, and a new one passes.
    async fn hush(&mut self, site: &Site) -> Result<Proof, FaultError> {
        let connections = self.table.connections();
        let (Some(ask), Some(mut conversation)) = (self.means.ask(), self.conversation.take()) else {
            let (patience, why) = unasked(self.means.effect.flow());
            let hits = self.table.hits(2 * patience).await?;
            let why = format!("{connections} connections were established, and {why}");
            return Ok(by_count(hits, &why));
        };
        let patience = silence(time(self.reach.as_ref()));
        let listened = tokio::task::spawn_blocking(move || {
            let heard = conversation.is_heard(patience);
            (heard, conversation)
        });
        let (heard, conversation) = listened.await.map_err(|_| FaultError::Lost)?;
        self.conversation = Some(conversation);
        if heard? {
            return Ok(unseen(format!("a connection to {ask} opened before is still heard")));
        }
        // What was said is said again until it is heard; its answer may be what is dropped, and late.
        let hits = self.table.hits(LATEST).await?;
        let silent = format!(
            "a connection to {ask} opened before gets no acknowledgement within {} ms, one of {connections}",
            patience.as_millis()
        );
        if hits == 0 {
            return Ok(by_count(hits, &silent));
        }
        match insist(site, &self.means.network, ask).await? {
            Reach::Accepted(time) => Ok(seen(format!(
                "{silent}; the rules chose {hits} packets; a new one is accepted in {:.1} ms",
                time.as_secs_f64() * 1e3
            ))),
            other => Ok(unseen(format!("new connections to {ask} do not pass either: {other:?}"))),
        }
    }
}
