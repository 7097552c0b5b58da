//! What is done, and when: steps and slices.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Checker;
use crate::playbook::file::{SliceFile, Steps};
use crate::playbook::{Scheduled, Slice, Step, step};
use crate::units::Name;

impl Checker<'_> {
    pub(super) fn steps(&mut self, steps: Steps) -> Vec<Step> {
        steps
            .0
            .into_iter()
            .filter_map(|s| step::compile(s, self.lab, &self.toxics, &mut self.problems))
            .collect()
    }

    pub(super) fn slices(&mut self, files: Vec<SliceFile>) -> Vec<Slice> {
        let mut lines: BTreeMap<Name, usize> = BTreeMap::new();
        let mut slices = Vec::new();
        for file in files {
            let name = file.slice;
            if let Some(line) = lines.insert(name.value.clone(), name.place.line) {
                let message = format!("two slices are called `{name}`");
                self.problem(message, &name.place, format!("the first is on line {line}; rename one"));
            }
            let open = self.steps(file.open);
            let closed = file.closed.map(|steps| self.steps(steps));
            let latent = file.at.is_none();
            if latent && open.iter().chain(closed.iter().flatten()).any(|step| !matches!(step, Step::Set(_)))
            {
                let message = format!("the slice `{name}` acts, but does not say when");
                self.problem(message, &name.place, "add `at: 4s`; only settings can be latent");
            }
            // What is no hole is a defence: its settings go back to what the lab holds to be safe.
            let closed = closed.unwrap_or_else(|| if latent { self.defaults(&open) } else { Vec::new() });
            slices.push(Slice {
                name: name.value,
                defence: file.defence,
                hole: file.hole,
                at: file.at.map(|at| at.value.0),
                open,
                closed,
            });
        }
        slices
    }

    fn defaults(&self, open: &[Step]) -> Vec<Step> {
        let settings = open.iter().flat_map(|step| match step {
            Step::Set(settings) => settings.as_slice(),
            _ => &[],
        });
        let defaults = settings
            .filter_map(|(key, _)| self.lab.setting(key).map(|s| (key.clone(), s.default.to_owned())))
            .collect();
        vec![Step::Set(defaults)]
    }
}

/// When the last step of the run is over, if every hole is open or every defence holds, whichever takes longer.
pub(super) fn last_beat(story: &[Scheduled], slices: &[Slice]) -> Duration {
    let waits = |steps: &[Step]| -> Duration {
        steps.iter().map(|step| if let Step::Wait(wait) = step { *wait } else { Duration::ZERO }).sum()
    };
    let story = story.iter().map(|part| part.at + waits(&part.steps));
    let slices = slices.iter().filter_map(|s| s.at.map(|at| at + waits(&s.open).max(waits(&s.closed))));
    story.chain(slices).max().unwrap_or_default()
}
