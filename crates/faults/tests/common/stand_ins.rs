//! The simplest relay and the simplest load there can be, in the places that the proxy and the probes have in earnest.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use deadstick_faults::load::{LoadCounts, LoadFactory, LoadOrder, RunningLoad};
use deadstick_faults::network::enter;
use deadstick_faults::relay::{RelayFactory, RelayOrder};

/// A thread a direction, which sleeps before it passes each piece on.
pub(crate) struct SleepyRelay;

impl RelayFactory for SleepyRelay {
    fn start(&self, order: RelayOrder) -> io::Result<Box<dyn Send>> {
        let stop = Stop::default();
        let flag = Arc::clone(&stop.0);
        thread::spawn(move || {
            while !flag.load(Ordering::Acquire) {
                let Ok((inner, _)) = order.listener.accept() else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let Ok(outer) = order.dial.connect() else { continue };
                for (mut from, mut to) in
                    [(inner.try_clone(), outer.try_clone()), (outer.try_clone(), inner.try_clone())]
                        .into_iter()
                        .map(|(from, to)| (from.expect("cloned"), to.expect("cloned")))
                {
                    thread::spawn(move || {
                        let mut bytes = [0; 4096];
                        while let Ok(count) = from.read(&mut bytes) {
                            thread::sleep(order.delay);
                            if count == 0 {
                                return to.shutdown(Shutdown::Write).is_ok();
                            }
                            if to.write_all(&bytes[..count]).is_err() {
                                return false;
                            }
                        }
                        false
                    });
                }
            }
        });
        Ok(Box::new(stop))
    }
}

/// Ends its threads when it is dropped.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A thread that sends a request at each time it is due, each on a connection of its own, and takes any byte for an answer.
pub(crate) struct PlainLoad;

impl LoadFactory for PlainLoad {
    fn start(&self, order: LoadOrder) -> io::Result<Box<dyn RunningLoad>> {
        let address = order.url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let to: SocketAddr = address.and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
        let network = order.network.ok_or(io::ErrorKind::InvalidInput)?;
        let load = Sending::default();
        let (flag, counts) = (Arc::clone(&load.stop.0), Arc::clone(&load.counts));
        thread::spawn(move || {
            enter(&network, || {
                let (began, mut number) = (Instant::now(), 0);
                while !flag.load(Ordering::Acquire) {
                    number += 1;
                    let due = began + Duration::from_secs(1) / order.per_second * number;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    let count = if request(to).is_ok() { &counts.served } else { &counts.failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Ok(Box::new(load))
    }
}

fn request(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(300))?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.read_exact(&mut [0])
}

#[derive(Default)]
struct Sending {
    stop: Stop,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
}

impl RunningLoad for Sending {
    fn counts(&self) -> LoadCounts {
        let [sent, served, failed] = [&self.counts.sent, &self.counts.served, &self.counts.failed]
            .map(|count| count.load(Ordering::Relaxed));
        LoadCounts { sent, served, failed }
    }
}
