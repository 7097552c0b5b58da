//! A host's own voice: accepts TCP connections as long as the host is on the network, whatever else runs on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::process::{self, Arguments, Event, Misuse, Orders, asked_to_end, say};

const PORT: u16 = 7000;

/// The part `answerer`.
pub(crate) fn main(_: &Arguments) -> Result<u8, Misuse> {
    Ok(process::serve(answer()))
}

async fn answer() -> std::io::Result<()> {
    let orders = Orders::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    say(&Event::Ready { port: PORT });
    let accepting = async {
        loop {
            match listener.accept().await {
                // Whoever only wanted to know may be gone already.
                Ok((mut caller, _)) => drop(caller.write_all(b"deadstick lab host\n").await),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::select! {
        () = asked_to_end(orders) => {}
        () = accepting => {}
    }
    Ok(())
}
