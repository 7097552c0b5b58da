//! What this host can do, as far as plans depend on it, and which of that a fault's plan depends on.
//!
//! Leaves finding it out to [`crate::doctor`]: each fact is tried on the kernel, and what no plan asks for is not.

use std::collections::BTreeSet;

use deadstick_core::fault::{Direction, Fault};

macro_rules! facts {
    ($($(#[doc = $about:literal])+ $fact:ident $field:ident,)+) => {
        /// One thing that a kernel can do or cannot.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fact {
            $($(#[doc = $about])+ $fact,)+
        }

        impl Fact {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fact),+];
        }

        /// What this host can do, as far as plans depend on it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct HostFacts {
            $($(#[doc = $about])+ pub $field: bool,)+
            /// There is a relay for delayed connections.
            pub relay: bool,
        }

        impl HostFacts {
            /// A host that can do all of it.
            pub const ALL: Self = Self { $($field: true,)+ relay: true };

            /// Whether something is so.
            #[must_use]
            pub const fn has(&self, fact: Fact) -> bool {
                match fact {
                    $(Fact::$fact => self.$field,)+
                }
            }

            /// Says whether something is so.
            pub const fn set(&mut self, fact: Fact, is_so: bool) {
                match fact {
                    $(Fact::$fact => self.$field = is_so,)+
                }
            }
        }
    };
}

facts! {
    /// nftables can take packets where they leave a device.
    DeviceHooks device_hooks,
    /// nftables can ask packets for the control group of their socket.
    SocketGroups socket_groups,
    /// nftables can answer packets with a refusal.
    Refusals refusals,
    /// nftables can send new connections to a local port.
    Redirect redirect,
    /// The kernel has HTB.
    Htb htb,
    /// The kernel has netem.
    Netem netem,
    /// nftables can lead what is received through an ifb device.
    Forward forward,
}

/// What a plan for this fault asks for.
#[must_use]
pub fn asks(fault: &Fault) -> BTreeSet<Fact> {
    let flow = fault.flow();
    let group = flow.is_some_and(|flow| flow.cgroup.is_some()).then_some(Fact::SocketGroups);
    let forward = flow.is_some_and(|flow| flow.direction != Direction::Egress).then_some(Fact::Forward);
    let queue = [Fact::DeviceHooks, Fact::Htb, Fact::Netem].into_iter().chain(forward);
    match fault {
        Fault::Vanish | Fault::HalfOpen { .. } | Fault::Partition { .. } | Fault::MtuBlackhole { .. } => {
            group.into_iter().chain([Fact::DeviceHooks]).collect()
        }
        Fault::Reject { .. } => group.into_iter().chain([Fact::Refusals]).collect(),
        Fault::Dns { .. } => group.into_iter().chain([Fact::Redirect]).collect(),
        Fault::Flap { while_down: None, while_up: None, .. } => {
            group.into_iter().chain([Fact::DeviceHooks]).collect()
        }
        Fault::Flap { .. } => group.into_iter().chain(queue).collect(),
        // Without netem, a relay is led to by a redirect.
        other if other.impaired().is_some() => {
            group.into_iter().chain(queue).chain([Fact::Redirect]).collect()
        }
        _ => BTreeSet::new(),
    }
}
