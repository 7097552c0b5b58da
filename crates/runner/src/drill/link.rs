//! The link between the playbook's streams and the lab's front, led through a proxy so that toxics can be put on it.
//!
//! Owns that proxy, the toxics on it and the proof that each of them takes part. The proxy lives in this process and only
//! our own streams go through it: when the process dies, proxy, toxics and streams are gone together, so there is nothing
//! a ledger or a guardian could undo. Leaves what toxics do to the proxy crate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadstick_core::playbook::{ToxicKind, ToxicStep, Toxics};
use deadstick_core::template::Variables;
use deadstick_proxy::{Kind, Proxy, Toxic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The variable that the streams' URLs begin with.
const FRONT: &str = "shop.url";
/// How long one request of a proof may take.
const REQUEST: Duration = Duration::from_secs(1);
/// How long a toxic may take until it hits a connection.
const PROOF: Duration = Duration::from_secs(5);
/// Between two requests of a proof.
const PAUSE: Duration = Duration::from_millis(50);

/// The link of one drill.
pub(super) struct Link {
    proxy: Proxy,
    front: String,
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many toxics there have been: the number in the next one's name.
    count: usize,
    /// Nothing is put on any more.
    over: bool,
}

impl Link {
    /// Leads the front's address through a proxy on loopback.
    pub(super) async fn start(variables: &Variables, seed: u64) -> Result<Self, String> {
        let front = variables.get(FRONT).ok_or_else(|| format!("the lab fills no {FRONT}"))?;
        let front = front.strip_prefix("http://").ok_or_else(|| format!("{front} is not http://"))?;
        let front = front.trim_end_matches('/').to_owned();
        let proxy = Proxy::builder("users", front.clone()).seed(seed).start().await;
        let proxy = proxy.map_err(|error| error.to_string())?;
        let address = proxy.address().ok_or("the proxy does not listen")?;
        Ok(Self { proxy, front, url: format!("http://{address}"), state: Mutex::default() })
    }

    /// The variables as the streams are to see them.
    pub(super) fn lead(&self, variables: &mut Variables) {
        variables.insert(FRONT.to_owned(), self.url.clone());
    }

    /// Puts a toxic on the link; its name there.
    pub(super) fn put(&self, step: &ToxicStep) -> Result<String, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over {
            return Err("the drill is being reverted".to_owned());
        }
        state.count += 1;
        let name = format!("{}-{}", step.kind, state.count);
        let toxic = Toxic::from_json(&step.to_json()).map_err(|error| error.to_string())?;
        self.proxy.add_toxic(toxic.named(&name)).map_err(|error| error.to_string())?;
        Ok(name)
    }

    /// Whether a toxic takes part in connections, by the proxy's own count; requests are sent through until it does. What
    /// was seen, with a request past the proxy beside one through it.
    pub(super) async fn prove(&self, name: &str) -> Result<String, String> {
        let straight = request(&self.front).await;
        let through = self.url.trim_start_matches("http://");
        let began = Instant::now();
        loop {
            let seen = request(through).await;
            let hits = self.proxy.hits(name).unwrap_or_default();
            let idle = self.proxy.toxic(name).is_some_and(|toxic| matches!(toxic.kind, Kind::Noop(_)));
            let evidence = format!("a request through it: {seen}; past it: {straight}");
            if hits > 0 {
                return Ok(format!("it acted {hits} times; {evidence}"));
            }
            // What does nothing has landed when traffic passes it.
            if idle {
                return Ok(evidence);
            }
            if began.elapsed() > PROOF {
                return Err(format!("it acted on nothing; {evidence}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes every toxic off, for good; their names.
    pub(super) fn clear(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.over = true;
        let names = self.proxy.toxics().into_iter().map(|toxic| toxic.name).collect();
        self.proxy.clear_toxics();
        names
    }
}

/// One request on a connection of its own, and what became of it.
async fn request(address: &str) -> String {
    let began = Instant::now();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await
    };
    let outcome = tokio::time::timeout(REQUEST, exchange).await;
    let took = began.elapsed().as_millis();
    match outcome {
        Ok(Ok(0)) => format!("closed without an answer after {took} ms"),
        Ok(Ok(length)) => format!("{length} bytes in {took} ms"),
        Ok(Err(error)) => format!("{} after {took} ms", error.kind()),
        Err(_) => format!("no end of an answer in {took} ms"),
    }
}

/// The toxics that playbooks may name: the proxy's.
pub(crate) fn with_toxics<T>(read: impl FnOnce(Toxics<'_>) -> T) -> T {
    let kinds: Vec<ToxicKind> = Kind::NAMES
        .iter()
        .filter_map(|name| Some(ToxicKind { name, attributes: Kind::named(name)?.attributes() }))
        .collect();
    read(Toxics { kinds: &kinds, check })
}

fn check(step: &ToxicStep) -> Result<(), String> {
    Toxic::from_json(&step.to_json()).map(drop).map_err(|error| error.to_string())
}
