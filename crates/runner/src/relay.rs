//! Latency where the kernel has no netem: connections are led through a relay that delays them.
//!
//! Owns the joint only: the faults crate orders a relay inside a network, the proxy crate passes the bytes on late.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use deadstick_core::fault::Direction;
use deadstick_faults::relay::{Dialer, RelayFactory, RelayOrder};
use deadstick_proxy::{Connect, Connecting, Latency, Proxy, SlowClose, Stream, Toxic};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Relays made of stream proxies.
pub struct ProxyRelays;

impl RelayFactory for ProxyRelays {
    fn start(&self, order: RelayOrder) -> io::Result<Box<dyn Send>> {
        let RelayOrder { listener, upstream, delay, jitter, direction, dial } = order;
        let connect = InsideConnect(Arc::new(dial));
        let builder =
            Proxy::builder("deadstick-relay", upstream.to_string()).listener(listener).connect(connect);
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let (started, answer) = std::sync::mpsc::sync_channel(1);
        let task = runtime.spawn(async move {
            let proxy = match builder.start().await {
                Ok(proxy) => proxy,
                Err(error) => return drop(started.send(Err(io::Error::other(error.to_string())))),
            };
            let latency = Latency { latency: millis(delay), jitter: millis(jitter) };
            // On a late link the end of a connection is as late as its bytes; the latency toxic, as its model, passes it on
            // at once.
            let end = SlowClose { delay: millis(delay) };
            let streams: &[Stream] = match direction {
                Direction::Egress => &[Stream::Upstream],
                Direction::Ingress => &[Stream::Downstream],
                Direction::Both => &[Stream::Upstream, Stream::Downstream],
            };
            let added = streams.iter().try_for_each(|stream| {
                proxy.add_toxic(Toxic::new(latency.clone(), *stream))?;
                proxy.add_toxic(Toxic::new(end.clone(), *stream)).map(drop)
            });
            let failed = added.is_err();
            drop(started.send(added.map_err(|error| io::Error::other(error.to_string()))));
            if !failed {
                // Dropping the task drops the proxy, and that closes what it relays.
                std::future::pending::<()>().await;
            }
        });
        let stop = StopOnDrop(task);
        answer.recv().map_err(io::Error::other)??;
        Ok(Box::new(stop))
    }
}

/// Toxics count whole milliseconds; a shorter delay is rounded up, so that it is never none.
fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

struct StopOnDrop(JoinHandle<()>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects from inside the target's network, past the rule that led the connection here.
struct InsideConnect(Arc<Dialer>);

impl fmt::Debug for InsideConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InsideConnect")
    }
}

impl Connect for InsideConnect {
    fn connect(&self, _upstream: &str) -> Connecting {
        let dial = self.0.clone();
        Box::pin(async move {
            let dialed =
                tokio::task::spawn_blocking(move || dial.connect()).await.map_err(io::Error::other)??;
            dialed.set_nonblocking(true)?;
            tokio::net::TcpStream::from_std(dialed)
        })
    }
}
