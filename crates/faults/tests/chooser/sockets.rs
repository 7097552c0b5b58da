//! Packets chosen by the socket they come from or go to: of a control group, or of a user.

use std::os::unix::process::CommandExt;
use std::process::Command;

use deadstick_core::fault::Flow;
use deadstick_faults::kernel::{Layer, TableEffect};
use deadstick_faults::network::enter;

use crate::common::group::{TestGroup, hierarchies};
use crate::common::{Talker, program};
use crate::{Wide, flow};

impl Wide {
    /// A shell in that network that connects to what it is told and answers with a line.
    fn asker(&self, prepare: impl FnOnce(&mut Command)) -> Talker {
        let mut command = Command::new(program());
        command.arg("connect");
        prepare(&mut command);
        enter(&self.network, || Talker::start(&mut command)).expect("entered")
    }
}

fn asks(asker: &mut Talker, to: &str) -> bool {
    assert!(asker.tell(to));
    asker.hear().expect("it answers") == "accepted"
}

#[test]
fn a_control_group_is_cut_off_and_its_neighbours_are_not() {
    let wide = Wide::new();
    let hierarchy =
        hierarchies(&["freezer"]).into_iter().find(|one| one.version == 2).expect("it is mounted");
    let outer = format!("deadstick-test-{}", uuid::Uuid::now_v7());
    let group = TestGroup::within(&hierarchy, format!("{outer}/inner"));
    let mut inside = wide.asker(|_| {});
    group.take(inside.child.id());
    let mut outside = wide.asker(|_| {});
    for direction in ["both", "egress", "ingress"] {
        let flow = Flow {
            cgroup: Some(format!("/{outer}").into()),
            ..flow(&format!("to=10.9.0.2:7000 direction={direction}"))
        };
        let table = wide.install(Layer::Device, TableEffect::Cut { flow });
        assert!(!asks(&mut inside, "10.9.0.2:7000") && asks(&mut inside, "10.9.0.2:7001"), "{direction}");
        assert!(asks(&mut outside, "10.9.0.2:7000"), "{direction}");
        table.remove().expect("removed");
        assert!(asks(&mut inside, "10.9.0.2:7000"), "{direction}");
    }
    inside.kill();
}

#[test]
fn a_user_is_cut_off_and_others_are_not() {
    let wide = Wide::new();
    let mut nobody = wide.asker(|command| {
        command.uid(65_534);
    });
    let mut root = wide.asker(|_| {});
    let table =
        wide.install(Layer::Device, TableEffect::Cut { flow: Flow { user: Some(65_534), ..flow("") } });
    assert!(!asks(&mut nobody, "10.9.0.2:7000") && !asks(&mut nobody, "[fd00::2]:7000"));
    assert!(asks(&mut root, "10.9.0.2:7000"));
    table.remove().expect("removed");
    assert!(asks(&mut nobody, "10.9.0.2:7000"));
}
