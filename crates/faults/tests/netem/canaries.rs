//! Whether the machine can be believed at all. A measurement that fails while these pass is the project's fault.

use std::time::Duration;

use deadstick_faults::doctor;

use crate::machine;
use crate::wire::Wire;

#[test]
fn this_is_the_machine() {
    machine::demand();
}

#[test]
fn the_clock_is_fine_enough() {
    machine::demand();
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::Monotonic);
    assert_eq!((resolution.tv_sec, resolution.tv_nsec), (0, 1), "without it delays come in ticks of 4 ms");
}

#[test]
fn the_doctor_finds_netem() {
    machine::demand();
    let named = |one: &doctor::Capability| one.name == "netem";
    let netem = doctor::examine().into_iter().find(named).expect("the doctor knows the word");
    assert_eq!(netem.present, Ok(()));
    assert!(doctor::facts().netem);
}

/// By the traffic control program: nothing of this project is between the clock and the kernel.
#[test]
fn a_delay_is_as_long_as_it_says() {
    machine::demand();
    let wire = Wire::new();
    wire.by_tc("qdisc add dev dsa root netem delay 50ms");
    machine::takes(Duration::from_millis(50), (0..5).map(|_| wire.round_trip()));
}
