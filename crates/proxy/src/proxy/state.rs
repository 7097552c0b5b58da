//! Where a proxy stands at this moment, and what it has moved at each place it stood.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::traffic::Traffic;

#[derive(Debug)]
pub(super) struct State {
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) running: Option<Running>,
    pub(super) series: Vec<Series>,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) accepting: JoinHandle<()>,
}

/// The counters of a proxy for one pair of addresses.
#[derive(Debug, Clone)]
pub struct Series {
    /// The address listened on.
    pub listen: String,
    /// The upstream.
    pub upstream: String,
    /// What moved.
    pub traffic: Arc<Traffic>,
}

impl State {
    /// The counters for where the proxy stands now.
    pub(super) fn traffic(&mut self) -> Arc<Traffic> {
        let known = self
            .series
            .iter()
            .find(|series| series.listen == self.listen && series.upstream == self.upstream);
        if let Some(known) = known {
            return Arc::clone(&known.traffic);
        }
        let traffic = Arc::<Traffic>::default();
        self.series.push(Series {
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            traffic: Arc::clone(&traffic),
        });
        traffic
    }
}
