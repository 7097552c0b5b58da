//! Threads that carry the connections of a server, each with a runtime of its own.
//!
//! A runtime of several threads wakes a second one whenever something becomes ready, to see whether it can help; for a message
//! of a few bytes the waking costs more than the help is worth. Here a connection stays on the thread it was accepted on, unless
//! that one has clearly more of them than another. A proxy by itself, in a test, has no lanes: it runs on the runtime around it.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How many connections more than another a lane carries before it hands new ones over, which costs waking that one. One is
/// too few: whoever opens connections one after the other overlaps with the end of the last.
const LEAD: usize = 3;

/// Lanes at most: each takes a handful of descriptors, and with so many it is not threads that connections wait for.
const LANES: usize = 16;

/// The lanes of one server; none: all runs on the runtime around. They end when the last of those who use them is gone.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    /// How many proxies have been placed.
    placed: AtomicUsize,
}

#[derive(Debug)]
struct Lane {
    runtime: Handle,
    /// Connections it carries.
    open: AtomicUsize,
    /// Dropping this ends its thread.
    _end: oneshot::Receiver<()>,
}

impl Lanes {
    /// As many as there are to be had, up to `count`.
    pub(crate) fn start(count: usize) -> Self {
        let mut lanes = Vec::with_capacity(count);
        for _ in 0..count.min(LANES) {
            match Lane::start() {
                Ok(lane) => lanes.push(lane),
                Err(error) => {
                    let lanes = lanes.len();
                    tracing::warn!(%error, lanes, "more threads for connections cannot be had");
                    break;
                }
            }
        }
        Self { lanes, placed: AtomicUsize::new(0) }
    }

    /// A place for the next proxy.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        let count = self.placed.fetch_add(1, Ordering::Relaxed);
        Place { lane: count.checked_rem(self.lanes.len()), lanes: Arc::clone(self) }
    }
}

impl Lane {
    fn start() -> io::Result<Self> {
        let (mut end, held) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        // The runtime is made by the thread that drops it: where it is asked for, none may be dropped.
        thread::Builder::new().name("proxy-lane".to_owned()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tell.send(Err(error)),
            };
            tell.send(Ok(runtime.handle().clone()))?;
            runtime.block_on(end.closed());
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            Ok(())
        })?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, open: AtomicUsize::new(0), _end: held })
    }
}

/// Where a proxy listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    lanes: Arc<Lanes>,
    lane: Option<usize>,
}

impl Place {
    fn lane(&self) -> Option<&Lane> {
        self.lanes.lanes.get(self.lane?)
    }

    /// Makes sockets belong here for as long as the guard lives.
    pub(crate) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.lane().map(|lane| lane.runtime.enter())
    }

    /// Runs a task here.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match self.lane() {
            Some(lane) => lane.runtime.spawn(task),
            None => tokio::spawn(task),
        }
    }

    /// A seat for a connection accepted here: here, or where clearly less is going on.
    pub(crate) fn seat(&self) -> Seat {
        let open = |lane: &Lane| lane.open.load(Ordering::Relaxed);
        let lanes = &self.lanes.lanes;
        let lightest = (0..lanes.len()).min_by_key(|lane| open(&lanes[*lane]));
        if let (Some(home), Some(lightest)) = (self.lane(), lightest)
            && open(&lanes[lightest]) + LEAD <= open(home)
        {
            return Self { lanes: Arc::clone(&self.lanes), lane: Some(lightest) }.here();
        }
        self.clone().here()
    }

    /// A seat here, whatever is going on.
    pub(crate) fn here(self) -> Seat {
        if let Some(lane) = self.lane() {
            lane.open.fetch_add(1, Ordering::Relaxed);
        }
        Seat(self)
    }
}

/// Where a connection runs, which is counted there until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Place);

impl Seat {
    /// Takes over a client accepted at `place`.
    pub(crate) fn take(&self, client: TcpStream, place: &Place) -> io::Result<TcpStream> {
        if self.0.lane == place.lane {
            return Ok(client);
        }
        let client = client.into_std()?;
        let _here = self.0.enter();
        TcpStream::from_std(client)
    }

    /// Where that is.
    pub(crate) fn place(&self) -> Place {
        self.0.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(lane) = self.0.lane() {
            lane.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use super::*;

    #[test]
    fn proxies_take_turns_and_a_crowd_spreads() {
        let lanes = Arc::new(Lanes::start(2));
        let (first, second, third) = (lanes.place(), lanes.place(), lanes.place());
        assert_eq!((first.lane, second.lane, third.lane), (Some(0), Some(1), Some(0)));
        let seats: Vec<Seat> = (0..20).map(|_| first.seat()).collect();
        let there = seats.iter().filter(|seat| seat.0.lane == Some(1)).count();
        assert_eq!(there, (20 - LEAD) / 2 + 1, "those that come after the lead take turns");
        assert_eq!(seats[LEAD - 1].0.lane, Some(0), "a few stay where they are");
        drop(seats);
        assert!(lanes.lanes.iter().all(|lane| lane.open.load(Ordering::Relaxed) == 0));
        assert_eq!(Arc::<Lanes>::default().place().seat().0.lane, None);
    }

    #[tokio::test]
    async fn a_client_moves_to_the_lane_of_its_seat_and_lanes_end_with_those_who_use_them() {
        let lanes = Arc::new(Lanes::start(2));
        let alive = Arc::new(());
        let watch: Weak<()> = Arc::downgrade(&alive);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("a client");
        let seat = lanes.place().here();
        let mut server = seat.take(server, &Place { lanes: Arc::default(), lane: None }).expect("room");
        let place = seat.place();
        place.spawn(async move {
            use tokio::io::AsyncWriteExt;
            server.write_all(thread::current().name().unwrap_or_default().as_bytes()).await.expect("open");
            // Never over by itself.
            std::future::pending::<()>().await;
            drop((server, alive));
        });
        let mut name = [0; 10];
        tokio::io::AsyncReadExt::read_exact(&mut client, &mut name).await.expect("the name of its thread");
        assert_eq!(&name, b"proxy-lane");
        drop((place, seat));
        assert!(watch.upgrade().is_some(), "the lanes are still in use");
        drop(lanes);
        while watch.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
