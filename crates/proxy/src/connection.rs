//! One client's connection from accept to close: dial the upstream, run a link each way, part in order.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use crate::chain::Side;
use crate::clock::{Alarm, delay, now};
use crate::connect::Connect;
use crate::control::{Control, Fate, ToxicList, Traffic};
use crate::dice::Dice;
use crate::link::{Link, Pair};
use crate::tls;
use crate::toxic::{Failure, Kind, Stream, TlsFault};

/// How long a closed connection's leftovers are read and thrown away, so that the peer sees a FIN and all that was sent
/// before it, and not the RST that closing over unread data would send.
const PARTING: Duration = Duration::from_secs(1);

/// What a connection needs of its proxy.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) upstream: String,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) toxics: Arc<ToxicList>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) proxy: String,
}

/// Serves `client` until both directions have ended or `control` says so.
pub(crate) async fn run(mut client: TcpStream, setting: Arc<Setting>, control: Arc<Control>, dice: Dice) {
    let fault = tokio::select! {
        biased;
        () = doomed(&control) => None,
        fault = held_up(&setting.toxics, &control, &dice) => fault,
    };
    if let Some(fault) = fault {
        tokio::select! {
            biased;
            () = doomed(&control) => {}
            () = tls::fail(&mut client, fault) => control.end(Fate::Close),
        }
    }
    let server = tokio::select! {
        biased;
        () = doomed(&control) => None,
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
            part(&[&client]).await;
        }
        return;
    };
    for socket in [&client, &server] {
        if let Err(error) = prepare(socket) {
            tracing::debug!(proxy = setting.proxy, %error, "socket options are not to be had");
        }
    }

    let pair = Arc::new(Pair { client, server });
    let link = |stream| {
        Link::new(
            stream,
            Arc::clone(&pair),
            Arc::clone(&control),
            Arc::clone(&setting.toxics),
            Arc::clone(&setting.traffic),
            &dice,
        )
    };
    let downstream = tokio::spawn(link(Stream::Downstream).run());
    link(Stream::Upstream).run().await;
    if let Err(error) = downstream.await {
        tracing::error!(proxy = setting.proxy, %error, "a link failed");
        control.end(Fate::Close);
    }
    match control.fate() {
        // Both directions have ended and said so: there is nothing left to part from.
        Fate::Open => {}
        Fate::Close => part(&[&pair.client, &pair.server]).await,
        Fate::Reset => {
            reset(&pair.client);
            reset(&pair.server);
        }
    }
}

/// Small messages at once, and dead peers noticed in the end: what clients of the original are used to.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket2::SockRef::from(socket).set_keepalive(true)
}

/// Returns when the connection is to end.
async fn doomed(control: &Control) {
    while control.fate() == Fate::Open {
        control.tapped(Stream::Upstream).await;
    }
}

/// Returns once the connect toxics let this connection through, with how its TLS handshake is to fail, if it is. Those that make
/// connecting fail decide its fate instead.
async fn held_up(toxics: &ToxicList, control: &Control, dice: &Dice) -> Option<TlsFault> {
    let begin = now();
    let side = Side { connection: dice.clone(), stream: Stream::Upstream };
    let mut alarm = Alarm::default();
    let mut seen = BTreeSet::new();
    loop {
        let (_, specs) = toxics.specs(Stream::Upstream);
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
        if due <= now() {
            match fails {
                Failure::None => return fault,
                Failure::Close => control.end(Fate::Close),
                Failure::Reset => control.end(Fate::Reset),
                Failure::Hang => {}
            }
            // Until the toxic is taken away or the connection ends.
            control.tapped(Stream::Downstream).await;
        } else {
            tokio::select! {
                () = control.tapped(Stream::Downstream) => {}
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

/// FIN to all, then reads their last words into nothing for a while.
async fn part(sockets: &[&TcpStream]) {
    for socket in sockets {
        // Not connected any more: nobody to part from.
        if rustix::net::shutdown(socket, Shutdown::Write).is_err() {}
    }
    let mut scrap = Vec::new();
    let drain = async {
        for socket in sockets {
            loop {
                if socket.readable().await.is_err() {
                    break;
                }
                scrap.resize(4096, 0);
                match socket.try_read(&mut scrap) {
                    Ok(0) => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_gone) => break,
                }
            }
        }
    };
    // A peer that goes on sending after this gets an RST for it, as from any program that has gone away.
    if tokio::time::timeout(PARTING, drain).await.is_err() {
        tracing::trace!("peer still open after parting");
    }
}
