//! Slow links: how many bytes a second come through.

use crate::bounds::real;
use crate::trial::under;
use crate::wire::{HEADERS, Train, Way};

/// Bytes a second of whole frames, over a train that is sent faster than the link takes it.
async fn measured(direction: &str, way: Way, rate: u32) -> f64 {
    under(&format!("rate rate={rate}B/s direction={direction}"), |wire| {
        let train = Train { size: 1_000, ..Train::of(1_000, way) };
        let heard = wire.send(train);
        assert_eq!(heard.len(), train.count, "they wait, and none is lost");
        // Past the first ones, which find an idle link.
        let steady = &heard[100..];
        let (first, last) = (steady[0].at, steady[steady.len() - 1].at);
        real((steady.len() - 1) * (train.size + HEADERS)) / (last - first).as_secs_f64()
    })
    .await
}

/// Within two in a hundred.
fn is_near(measured: f64, rate: u32) {
    let asked = f64::from(rate);
    assert!((measured / asked - 1.0).abs() <= 0.02, "{measured} bytes a second instead of {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_sent() {
    for rate in [20_000, 1_000_000] {
        is_near(measured("egress", Way::Out, rate).await, rate);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_received() {
    is_near(measured("ingress", Way::In, 100_000).await, 100_000);
}
