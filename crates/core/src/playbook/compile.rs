//! From the file's shape to the model, collecting everything that is wrong on the way.
//!
//! Owns the checks across a playbook: names used twice, references that lead nowhere, times that do not fit. Single
//! steps are checked in [`super::step`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lab::LabDescription;
use crate::probe::{HttpProbe, Probe};
use crate::source::{Diagnostic, Located, Place, did_you_mean};
use crate::template;
use crate::units::Name;

use super::file::{PlaybookFile, SliceFile, Steps, WatchedProbeFile};
use super::{
    AbortCondition, LoadProbe, Playbook, Response, Scheduled, Slice, SteadyProbe, Step, Toxics, WatchedProbe,
    World, step,
};

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

    /// A probe's name, once only.
    fn name(&mut self, name: &Located<Name>) {
        if let Some(line) = self.probes.insert(name.value.clone(), name.place.line) {
            let message = format!("two probes are called `{name}`");
            self.problem(message, &name.place, format!("the first is on line {line}; rename one"));
        }
    }

    fn period(&mut self, every: &Located<crate::units::HumanDuration>, timeout: Duration) {
        if every.value.0 < Duration::from_millis(1) || timeout.is_zero() {
            self.problem(
                "a probe needs a period and a timeout above zero",
                &every.place,
                "write `every: 100ms`, `timeout: 2s`",
            );
        }
    }

    fn http(&mut self, http: Option<Located<HttpProbe>>, name: &Located<Name>) -> Option<HttpProbe> {
        let Some(http) = http else {
            let hint = "add `http: { url: …, timeout: 2s }`";
            self.problem(format!("the probe `{name}` asks nothing"), &name.place, hint);
            return None;
        };
        if http.value.url.trim().is_empty() {
            self.problem(
                format!("the probe `{name}` has no URL"),
                &http.place,
                "write `url: \"{{shop.url}}/…\"`",
            );
        }
        self.placeholders(&http.value.url, &http.place);
        Some(http.value)
    }

    fn placeholders(&mut self, text: &str, place: &Place) {
        for name in template::names(text) {
            if !self.lab.variables.contains(&name) {
                let message = format!("the lab `{}` fills no `{{{{{name}}}}}`", self.lab.name);
                self.problem(message, place, did_you_mean(name, self.lab.variables.iter().copied()));
            }
        }
    }

    fn watched(&mut self, probe: WatchedProbeFile) -> Option<WatchedProbe> {
        self.name(&probe.probe);
        let mut kinds = Vec::new();
        kinds.extend(probe.http.map(|p| (p.place, Probe::Http(p.value))));
        kinds.extend(probe.tcp.map(|p| (p.place, Probe::Tcp(p.value))));
        kinds.extend(probe.sql.map(|p| (p.place, Probe::Sql(p.value))));
        kinds.extend(probe.process.map(|p| (p.place, Probe::Process(p.value))));
        if kinds.len() != 1 {
            let message = format!("the probe `{}` needs exactly one target", probe.probe);
            self.problem(message, &probe.probe.place, "add one of `http:`, `tcp:`, `sql:` or `process:`");
            return None;
        }
        let (place, mut kind) = kinds.pop()?;
        for text in kind.texts_mut() {
            let text = text.clone();
            self.placeholders(&text, &place);
        }
        if let Probe::Process(process) = &kind
            && let Some(host) = &process.lab
            && !self.lab.hosts.contains(&host.as_str())
        {
            let message = format!("the lab `{}` has no host `{host}`", self.lab.name);
            self.problem(message, &place, did_you_mean(host.as_str(), self.lab.hosts.iter().copied()));
        }
        Some(WatchedProbe { name: probe.probe.value, probe: kind, every: probe.every.0 })
    }

    fn steps(&mut self, steps: Steps) -> Vec<Step> {
        steps
            .0
            .into_iter()
            .filter_map(|s| step::compile(s, self.lab, &self.toxics, &mut self.problems))
            .collect()
    }

    fn slices(&mut self, files: Vec<SliceFile>) -> Vec<Slice> {
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

    fn abort_conditions(
        &mut self,
        conditions: Vec<super::file::AbortConditionFile>,
        probes: &[WatchedProbe],
    ) -> Vec<AbortCondition> {
        let mut kept = Vec::new();
        for condition in conditions {
            if !probes.iter().any(|p| p.name == condition.probe.value) {
                let message = format!("no probe is called `{}`", condition.probe);
                let known =
                    did_you_mean(condition.probe.value.as_str(), probes.iter().map(|p| p.name.as_str()));
                self.problem(message, &condition.probe.place, format!("list it under `probes:`; {known}"));
            }
            kept.push(AbortCondition {
                probe: condition.probe.value,
                unsatisfied_for: condition.unsatisfied_for.0,
            });
        }
        kept
    }

    fn response(&mut self, file: super::file::ResponseFile, world: &World<'_>) -> Response {
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

/// When the last step of the run is over, if every hole is open or every defence holds, whichever takes longer.
fn last_beat(story: &[Scheduled], slices: &[Slice]) -> Duration {
    let waits = |steps: &[Step]| -> Duration {
        steps.iter().map(|step| if let Step::Wait(wait) = step { *wait } else { Duration::ZERO }).sum()
    };
    let story = story.iter().map(|part| part.at + waits(&part.steps));
    let slices = slices.iter().filter_map(|s| s.at.map(|at| at + waits(&s.open).max(waits(&s.closed))));
    story.chain(slices).max().unwrap_or_default()
}
