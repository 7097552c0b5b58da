//! One client's connection from accept to close: dial the upstream, run a link each way, part in order.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::net::Shutdown;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::chain::Side;
use crate::clock::{Alarm, delay, now};
use crate::closing::Closing;
use crate::connect::Connect;
use crate::control::{Control, Fate};
use crate::dice::Dice;
use crate::link::{Link, Pair, discard};
use crate::toxic::{Failure, Kind, Stream, TlsFault, ToxicList};
use crate::traffic::Traffic;
use crate::{listen, tls};

/// How long a closed connection's leftovers are read and thrown away, so that the peer sees a FIN and all that was sent
/// before it, and not the RST that closing over unread data would send.
const PARTING: Duration = Duration::from_secs(1);

/// How many bytes are read then: more than senders have on the way, but not all that one who never looks can send.
const LEFTOVERS: usize = 8 * 1024 * 1024;

/// How many after the other side has gone. Without a proxy in between, the sender would have got its RST by now.
const REMAINS: usize = 64 * 1024;

/// What a connection needs of its proxy.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) upstream: String,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) toxics: Arc<ToxicList>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) proxy: String,
    pub(crate) closing: Arc<Closing>,
    /// Whether delays are kept to the microsecond.
    pub(crate) precise: bool,
}

/// Serves `client` until both directions have ended or `control` says so.
pub(crate) async fn run(client: TcpStream, setting: Arc<Setting>, control: Arc<Control>, dice: Dice) {
    // Boxed, as parting is, so that what happens once and soon takes no room in a connection that is up for hours.
    let Some(pair) = Box::pin(reach(client, &setting, &control, &dice)).await else { return };
    let pair = Arc::new(pair);
    let link =
        |stream| Link::new(stream, Arc::clone(&pair), Arc::clone(&control), Arc::clone(&setting), &dice);
    let (mut upstream, mut downstream) = (link(Stream::Upstream), link(Stream::Downstream));
    let downstream = tokio::spawn(async move { downstream.run().await });
    upstream.run().await;
    drop(upstream);
    if let Err(error) = downstream.await {
        tracing::error!(proxy = setting.proxy, %error, "a link failed");
        control.end(Fate::Close);
    }
    let most = match control.fate() {
        // Both directions have ended and said so: there is nothing left to part from.
        Fate::Open => 0,
        Fate::Close => LEFTOVERS,
        Fate::Broken => REMAINS,
        Fate::Reset => {
            reset(&pair.client);
            reset(&pair.server);
            0
        }
    };
    if most > 0 {
        Box::pin(part(&[&pair.client, &pair.server], &setting.closing, most)).await;
    }
    setting.closing.take_turn(|| drop(pair)).await;
}

/// Connects `client` with its upstream, as soon as the connect toxics allow; none if the connection ends before.
async fn reach(mut client: TcpStream, setting: &Setting, control: &Control, dice: &Dice) -> Option<Pair> {
    let doomed = || control.until(Stream::Upstream, || control.fate() != Fate::Open);
    let fault = tokio::select! {
        biased;
        () = doomed() => None,
        fault = held_up(setting, control, dice) => fault,
    };
    if let Some(fault) = fault {
        tokio::select! {
            biased;
            () = doomed() => {}
            () = Box::pin(tls::fail(&mut client, fault)) => control.end(Fate::Close),
        }
    }
    let server = tokio::select! {
        biased;
        () = doomed() => None,
        server = setting.connect.connect(&setting.upstream) => match server {
            Ok(server) => Some(server),
            Err(error) => {
                tracing::warn!(proxy = setting.proxy, upstream = setting.upstream, %error, "upstream cannot be reached");
                control.end(Fate::Close);
                None
            }
        },
    };
    let Some(server) = server else {
        if control.fate() == Fate::Reset {
            reset(&client);
        } else {
            part(&[&client], &setting.closing, LEFTOVERS).await;
        }
        return None;
    };
    if let Err(error) = listen::prepare(&SockRef::from(&server)) {
        tracing::debug!(proxy = setting.proxy, %error, "socket options are not to be had");
    }
    Some(Pair { client, server })
}

/// Returns once the connect toxics let this connection through, with how its TLS handshake is to fail, if it is. Those that make
/// connecting fail decide its fate instead.
async fn held_up(setting: &Setting, control: &Control, dice: &Dice) -> Option<TlsFault> {
    let begin = now();
    let side = Side { connection: dice.clone(), stream: Stream::Upstream };
    let mut alarm = Alarm::new(setting.precise);
    let toxics = &setting.toxics;
    let mut seen = BTreeSet::new();
    loop {
        let (version, specs) = toxics.specs(Stream::Upstream);
        let mut due = begin;
        let mut fails = Failure::None;
        let mut fault = None;
        for spec in specs.iter().filter(|spec| spec.hits(&side)) {
            if matches!(spec.kind, Kind::Tls(_) | Kind::Connect(_)) && seen.insert(spec.serial) {
                spec.hits.fetch_add(1, Ordering::Relaxed);
            }
            if let Kind::Tls(tls) = &spec.kind {
                fault = fault.or(Some(tls.fault));
            }
            if let Kind::Connect(connect) = &spec.kind {
                due += delay(connect.delay, Duration::from_millis(1));
                if fails == Failure::None {
                    fails = connect.failure;
                }
            }
        }
        let changed = control.until(Stream::Downstream, || toxics.version() != version);
        if due <= now() {
            match fails {
                Failure::None => return fault,
                Failure::Close => control.end(Fate::Close),
                Failure::Reset => control.end(Fate::Reset),
                Failure::Hang => {}
            }
            // Until the toxic is taken away or the connection ends.
            changed.await;
        } else {
            tokio::select! {
                () = changed => {}
                () = alarm.wait_until(due) => {}
            }
        }
    }
}

/// Makes the close that follows an RST.
fn reset(socket: &TcpStream) {
    if let Err(error) = socket.set_zero_linger() {
        tracing::debug!(%error, "a connection could not be reset and closes instead");
    }
}

/// FIN to all, then reads their last words into nothing, for a while and up to `most` bytes each. A peer that sends more than
/// that gets an RST for it, as from any program that has gone away.
async fn part(sockets: &[&TcpStream], closing: &Closing, most: usize) {
    closing
        .take_turn(|| {
            for socket in sockets {
                // Not connected any more: nobody to part from.
                if rustix::net::shutdown(socket, Shutdown::Write).is_err() {}
            }
        })
        .await;
    let drain = join_all(sockets.iter().map(|socket| drain(socket, most)));
    if tokio::time::timeout(PARTING, drain).await.is_err() {
        tracing::trace!("peer still open after parting");
    }
}

async fn drain(socket: &TcpStream, most: usize) {
    let mut left = most;
    while left > 0 && socket.readable().await.is_ok() {
        match discard(socket) {
            Ok(0) => return,
            Ok(taken) => left = left.saturating_sub(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_gone) => return,
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_takes_little_room() {
        // Ten thousand of them are to fit into 60 MB, with their sockets and what the allocator adds.
        assert!(size_of_future(run) <= 768, "{}", size_of_future(run));
        assert!(size_of::<Link>() <= 256, "{}", size_of::<Link>());
    }
}
