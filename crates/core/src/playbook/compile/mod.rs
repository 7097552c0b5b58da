//! From the file's shape to the model, collecting everything that is wrong on the way.
//!
//! Owns the checks across a playbook: references that lead nowhere, times that do not fit. What is asked is checked in
//! `probes`, what is done in `slices`, and single steps in [`super::step`].

mod probes;
mod slices;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lab::LabDescription;
use crate::source::{Diagnostic, Place, did_you_mean};
use crate::units::Name;

use super::file::{PlaybookFile, ResponseFile};
use super::{LoadProbe, Playbook, Response, Scheduled, SteadyProbe, Toxics, WatchedProbe, World};
use slices::last_beat;

/// Between the end of an outage that could just be and the end of the watch.
const WATCH_MARGIN: Duration = Duration::from_secs(2);
/// How soon steady state must be back, unless the playbook says otherwise.
const RECOVERY: Duration = Duration::from_secs(30);

/// The model, or everything that is wrong.
pub(super) fn compile(file: PlaybookFile, world: &World<'_>) -> Result<Playbook, Vec<Diagnostic>> {
    let Some(lab) = world.labs.iter().find(|lab| lab.name == file.lab.value) else {
        let known = world.labs.iter().map(|lab| lab.name);
        return Err(vec![
            Diagnostic::new(format!("there is no lab `{}`", file.lab), file.lab.place.clone())
                .hint(did_you_mean(&file.lab.value, known)),
        ]);
    };
    let mut checker = Checker { lab, toxics: world.toxics, probes: BTreeMap::new(), problems: Vec::new() };
    let playbook = checker.playbook(file, world);
    match playbook {
        Some(playbook) if checker.problems.is_empty() => Ok(playbook),
        _ => Err(checker.problems),
    }
}

struct Checker<'a> {
    lab: &'static LabDescription,
    toxics: Toxics<'a>,
    probes: BTreeMap<Name, usize>,
    problems: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn problem(&mut self, message: impl Into<String>, place: &Place, hint: impl Into<String>) {
        self.problems.push(Diagnostic::new(message, place.clone()).hint(hint));
    }

    fn playbook(&mut self, file: PlaybookFile, world: &World<'_>) -> Option<Playbook> {
        if file.title.value.trim().is_empty() {
            self.problem("the title is empty", &file.title.place, "say in one line what happens");
        }
        if file.steady_state.value.is_empty() {
            self.problem(
                "no steady state",
                &file.steady_state.place,
                "list at least one probe that users would notice",
            );
        }
        let mut steady_state = Vec::new();
        for probe in file.steady_state.value {
            self.name(&probe.probe);
            let Some(http) = self.http(probe.http, &probe.probe) else { continue };
            self.period(&probe.every, http.timeout.0);
            if probe.tolerate.value.over.0 < probe.every.value.0 * 2 {
                let hint = "make `over:` several times as long as `every:`";
                self.problem("the window holds fewer than two requests", &probe.tolerate.place, hint);
            }
            let (every, tolerate) = (probe.every.value.0, probe.tolerate.value);
            steady_state.push(SteadyProbe { name: probe.probe.value, http, every, tolerate });
        }
        let mut load = Vec::new();
        for probe in file.load {
            self.name(&probe.probe);
            let Some(http) = self.http(probe.http, &probe.probe) else { continue };
            self.period(&probe.every, http.timeout.0);
            load.push(LoadProbe { name: probe.probe.value, http, every: probe.every.value.0 });
        }
        let probes: Vec<WatchedProbe> =
            file.probes.into_iter().filter_map(|probe| self.watched(probe)).collect();
        let story: Vec<Scheduled> = file
            .story
            .into_iter()
            .map(|part| Scheduled { at: part.at.0, steps: self.steps(part.steps) })
            .collect();
        if file.slices.value.is_empty() {
            self.problem(
                "no slices",
                &file.slices.place,
                "an outage needs at least one hole in one layer of defence",
            );
        }
        let slices = self.slices(file.slices.value);
        let abort_when = self.abort_conditions(file.abort.when, &probes);
        let response = file.response.map(|response| self.response(response, world));
        let window = steady_state.iter().map(|s| s.tolerate.over.0).max().unwrap_or_default();
        let outage_after = file.outage.steady_state_lost_for.0;
        let earliest_end = last_beat(&story, &slices) + outage_after + window;
        let observe = match &file.observe {
            Some(observe) if observe.value.0 < earliest_end => {
                let needed = humantime::format_duration(earliest_end);
                let message = "the watch ends before an outage could have shown itself";
                self.problem(message, &observe.place, format!("make it at least {needed}, or leave it out"));
                observe.value.0
            }
            Some(observe) => observe.value.0,
            None => earliest_end + WATCH_MARGIN,
        };
        Some(Playbook {
            name: file.playbook.value,
            title: file.title.value,
            summary: file.summary,
            lab: self.lab,
            steady_state,
            load,
            probes,
            story,
            slices,
            outage_after,
            observe,
            abort_after: file.abort.after.0,
            abort_when,
            gate: file.gate.map_or(window, |gate| gate.0),
            recovery: file.recovery.map_or(RECOVERY, |recovery| recovery.0),
            response,
        })
    }

    fn response(&mut self, file: ResponseFile, world: &World<'_>) -> Response {
        let none = BTreeSet::new();
        let items = world.checklists.get(&file.annunciates.value);
        if items.is_none() {
            let known = world.checklists.keys().map(Name::as_str);
            let message = format!("there is no checklist `{}`", file.annunciates);
            self.problem(
                message,
                &file.annunciates.place,
                did_you_mean(file.annunciates.value.as_str(), known),
            );
        }
        let ids = items.unwrap_or(&none);
        let named = file.target.as_ref().map(|target| &target.item);
        for item in named.into_iter().chain(file.act.as_ref()).filter(|_| items.is_some()) {
            if !ids.contains(&item.value) {
                let message = format!("the checklist `{}` has no item `{item}`", file.annunciates);
                self.problem(message, &item.place, did_you_mean(&item.value, ids.iter().map(String::as_str)));
            }
        }
        if let Some(target) = &file.target {
            self.placeholders(&target.is.value, &target.is.place);
        }
        Response {
            annunciates: file.annunciates.value,
            target: file.target.map(|target| (target.item.value, target.is.value)),
            act: file.act.map(|act| act.value),
        }
    }
}
