//! Connections and ports of a host.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use deadstick_faults::network::enter;

use super::links::{pair, passes};
use super::same::Same;
use crate::common::WITNESS;
use crate::common::matrix::World;

/// A connection that is made now, by somebody who is not spared, must live.
pub(crate) fn broken(words: &'static str) -> Option<Box<dyn World>> {
    let pair = pair();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    Same::new(words, target, pair, move || {
        let connected = enter(&network, || TcpStream::connect(SocketAddr::from(WITNESS))).expect("entered");
        // Longer than from one round to the next.
        std::thread::sleep(Duration::from_millis(250));
        let mut byte = [0; 1];
        connected.is_ok_and(|mut stream| {
            stream.write_all(b"x").and_then(|()| stream.read_exact(&mut byte)).is_ok()
        })
    })
    .boxed()
}

/// A port that a server wants.
pub(crate) fn taken(words: &'static str) -> Option<Box<dyn World>> {
    let pair = pair();
    let target = pair.target();
    let network = target.network.clone().expect("a network");
    Same::new(words, target.clone(), pair, move || {
        let bound = enter(&network, || TcpListener::bind("0.0.0.0:18080")).expect("entered");
        bound.is_ok() && passes(&target)
    })
    .boxed()
}
