//! How a target looks: every place in which a fault could leave something, whether it is ours or somebody else's, as text
//! to be compared.

mod files;
mod network;
mod processes;

use std::collections::{BTreeMap, BTreeSet};

use deadstick_core::fault::ResolvedTarget;

pub(crate) use processes::{groups_named, started_with};

/// What was seen, by where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// The target's network, processes, control groups and files; none of it is changed by looking.
    pub(crate) fn of(target: &ResolvedTarget) -> Self {
        let mut snapshot = Self::default();
        if let Some(network) = &target.network {
            network::look(network, &mut snapshot);
        }
        for process in target.processes() {
            processes::look(process, &mut snapshot);
        }
        if let Some(group) = &target.cgroup {
            processes::look_at_groups(group, &mut snapshot);
        }
        if let Some(path) = &target.path {
            files::look(path, &mut snapshot);
        }
        snapshot
    }

    pub(crate) fn add(&mut self, place: impl Into<String>, seen: impl Into<String>) {
        assert!(self.0.insert(place.into(), seen.into()).is_none(), "one place is looked at once");
    }

    /// The lines that only one of the two has.
    pub(crate) fn difference(&self, later: &Self) -> String {
        let empty = String::new();
        let places: BTreeSet<_> = self.0.keys().chain(later.0.keys()).collect();
        let mut told = String::new();
        for place in places {
            let [before, after] = [self, later].map(|one| one.0.get(place).unwrap_or(&empty));
            if before == after {
                continue;
            }
            told.push_str(&format!("{place}:\n"));
            for (sign, lines, others) in [('-', before, after), ('+', after, before)] {
                let others: Vec<_> = others.lines().collect();
                for line in lines.lines().filter(|line| !others.contains(line)) {
                    told.push_str(&format!("  {sign} {line}\n"));
                }
            }
        }
        told
    }
}
