//! Whether anything accepts connections.
//!
//! Owns resolving and connecting. All addresses of a name are tried at once, so that one that swallows packets
//! cannot hide another that answers; one acceptance is enough.

use std::io;

use deadstick_core::probe::TcpProbe;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use crate::failure;
use crate::verdict::Verdict;

/// Connects and hangs up. The caller bounds the time.
pub(crate) async fn ask(probe: &TcpProbe) -> Verdict {
    let addresses = match lookup_host(probe.address.as_str()).await {
        Ok(addresses) => addresses,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Verdict::unknown(format!("{:?} is not host:port: {error}", probe.address));
        }
        Err(error) => return Verdict::unknown(format!("the name does not resolve: {error}")),
    };
    // Dropped with this future, which ends the attempts.
    let mut attempts = JoinSet::new();
    for address in addresses {
        attempts.spawn(async move { TcpStream::connect(address).await.map(|_| address) });
    }
    let mut no = None;
    let mut silence = Verdict::unknown("the name has no address");
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok(Ok(address)) => {
                return Verdict::satisfied(format!("{address} accepts connections")).with_value("open");
            }
            Ok(Err(error)) => match failure::of_io(&error) {
                Some(verdict) if verdict.is_no() => no = Some(verdict),
                Some(verdict) => silence = verdict,
                None => silence = Verdict::unknown(format!("cannot connect: {error}")),
            },
            Err(error) => silence = Verdict::unknown(format!("the attempt was cut short: {error}")),
        }
    }
    // One refusal is an answer, even where another address of the same name has no route.
    no.unwrap_or(silence)
}
