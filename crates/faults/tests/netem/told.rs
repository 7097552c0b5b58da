//! What netem is told, and what the kernel says it was told.

use std::time::Duration;

use deadstick_core::fault::{Direction, Flow};
use deadstick_faults::kernel::{Imposition, Layer, Linux, Shaping};

use crate::machine;
use crate::wire::Wire;

/// Edges of every parameter, by itself and together.
const TOLD: [&str; 14] = [
    "delay=1us",
    "delay=1h",
    "delay=50ms,jitter=50ms",
    "delay=3s,jitter=2147ms,distribution=pareto",
    "loss=0.000001%",
    "loss=100%",
    "loss=50%,burst=1",
    "loss=99%,burst=100000",
    "duplicate=100%",
    "corrupt=33.3333%",
    "delay=1ms,reorder=100%",
    "rate=1250B/s",
    "rate=100GB/s",
    "delay=20ms,jitter=2ms,distribution=normal,loss=1%,burst=4,duplicate=2%,corrupt=0.1%,reorder=25%,rate=1MiB/s",
];

#[test]
fn is_shown_again() {
    machine::demand();
    let wire = Wire::new();
    let before = wire.state();
    let network = wire.target().network.expect("a network");
    let device = Linux.shapeable(&network).expect("listed").remove(0).device;
    let mark = Imposition::mark_of(0xffff);
    for words in TOLD {
        let one = Imposition {
            name: "deadstick-told".to_owned(),
            layer: Layer::Device,
            lease: Duration::from_secs(60),
            flow: Flow { direction: Direction::Egress, ..Flow::default() },
            impairment: words.parse().expect("an impairment"),
            mark,
            devices: vec![(device.clone(), false)],
        };
        let tables = Linux.impose(&network, &one).expect(words);
        let shown = Linux.shown(&network, &one).expect("asked").expect("it is there");
        assert!(shown.as_asked, "{words}: {shown:?}");
        let other = Imposition { impairment: "loss=12.5%".parse().expect("an impairment"), ..one };
        assert!(!Linux.shown(&network, &other).expect("asked").expect("it is there").as_asked, "{words}");
        drop(tables);
        assert!(Linux.remove_classes(&network, &device, 0xdead, Some(mark), &[]).expect("removed"));
    }
    assert_eq!(wire.state(), before);
}
