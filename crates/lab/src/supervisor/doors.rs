//! Doors: ports on the machine's loopback that lead into the lab's network.
//!
//! The listener is born outside, each connection onwards inside, and bytes are relayed. A door is for load, probes and
//! people; between lab hosts nothing passes through one, so faults act on the real thing.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::network::Namespace;
use crate::LabError;

/// How long a door tries to reach the other side for one caller.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// A following door looks this often whether the other side answers, and takes no answer in that time for none.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_millis(400);
const BACKLOG: u32 = 1024;

/// Opens a door that is always open. Whoever comes while the other side is silent meets silence; its port.
pub(crate) fn open(hub: &Namespace, to: SocketAddr) -> Result<u16, LabError> {
    let (socket, port) = bind(0).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let hub = hub.clone();
    tokio::spawn(async move { receive(&listener, &hub, to).await });
    Ok(port)
}

/// Opens a door that refuses callers while the other side does not answer; its port.
pub(crate) fn open_following(hub: &Namespace, to: SocketAddr) -> Result<u16, LabError> {
    // Bound and never listening, it keeps the port for this door and lets the kernel refuse callers.
    let (reserved, port) = bind(0).map_err(failed)?;
    let hub = hub.clone();
    tokio::spawn(async move {
        let _reserved = reserved;
        loop {
            while !answers(&hub, to).await {
                sleep(LOOK_EVERY).await;
            }
            let Ok(listener) = bind(port).and_then(|(socket, _)| socket.listen(BACKLOG)) else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            let silent = async {
                while answers(&hub, to).await {
                    sleep(LOOK_EVERY).await;
                }
            };
            tokio::select! {
                () = receive(&listener, &hub, to) => {}
                () = silent => {}
            }
        }
    });
    Ok(port)
}

fn failed(error: io::Error) -> LabError {
    LabError::network("open a door", error)
}

fn bind(port: u16) -> io::Result<(TcpSocket, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let port = socket.local_addr()?.port();
    Ok((socket, port))
}

async fn answers(hub: &Namespace, to: SocketAddr) -> bool {
    timeout(ANSWER_WITHIN, hub.connect(to)).await.is_ok_and(|connected| connected.is_ok())
}

async fn receive(listener: &TcpListener, hub: &Namespace, to: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((caller, _)) => drop(tokio::spawn(relay(caller, hub.clone(), to))),
            // Out of descriptors: those who hold them are about to go.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn relay(mut caller: TcpStream, hub: Namespace, to: SocketAddr) {
    let Ok(Ok(mut inside)) = timeout(CONNECT_WITHIN, hub.connect(to)).await else {
        // What the other side would have said itself: no connection, not an empty one.
        caller.set_zero_linger().ok();
        return;
    };
    let at_once = caller.set_nodelay(true).and_then(|()| inside.set_nodelay(true));
    // Either side may break off whenever it likes.
    if at_once.is_ok() {
        copy_bidirectional(&mut caller, &mut inside).await.ok();
    }
}
