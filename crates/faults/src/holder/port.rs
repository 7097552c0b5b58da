//! Holding a port: bound inside a network, and never served.

use deadstick_core::fault::Protocol;
use deadstick_core::identity::NetworkIdentity;
use socket2::Socket;
use tokio::sync::mpsc;

use super::{go, say_held};
use crate::kernel::Place;
use crate::network::Namespace;

pub(super) async fn hold(
    network: &NetworkIdentity,
    place: &Place,
    inbox: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), String> {
    let namespace = Namespace::open(network).map_err(|error| error.to_string())?;
    if !go(None, inbox).await? {
        return Ok(());
    }
    let bound = namespace.run(|| place.bind()).map_err(|error| error.to_string())?;
    let socket = bound.map_err(|error| format!("{place}: {error}"))?;
    say_held()?;
    match place.protocol {
        Protocol::Udp => drop(inbox.recv().await),
        Protocol::Tcp => tokio::select! {
            refused = refuse(socket) => return Err(refused.map_or_else(|error| error.to_string(), |never| match never {})),
            _ = inbox.recv() => {}
        },
    }
    Ok(())
}

/// Resets whoever connects, as a program of another protocol might: a connection that hung would be a second fault.
async fn refuse(socket: Socket) -> std::io::Result<std::convert::Infallible> {
    socket.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(socket.into())?;
    loop {
        match listener.accept().await {
            // The option needs no blocking: nothing is waiting to be sent.
            Ok((stream, _)) => socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?,
            // One that was gone before it was accepted, or a moment without free descriptors.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}
