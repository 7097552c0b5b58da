//! Probes: names used twice, probes that ask nothing, placeholders that nobody fills, conditions on probes that are not
//! there.

use std::time::Duration;

use super::Checker;
use crate::playbook::file::{AbortConditionFile, WatchedProbeFile};
use crate::playbook::{AbortCondition, WatchedProbe};
use crate::probe::{HOW_TO_CONNECT, HttpProbe, Probe};
use crate::source::{Located, Place, did_you_mean};
use crate::template;
use crate::units::{HumanDuration, Name};

impl Checker<'_> {
    /// A probe's name, once only.
    pub(super) fn name(&mut self, name: &Located<Name>) {
        if let Some(line) = self.probes.insert(name.value.clone(), name.place.line) {
            let message = format!("two probes are called `{name}`");
            self.problem(message, &name.place, format!("the first is on line {line}; rename one"));
        }
    }

    pub(super) fn period(&mut self, every: &Located<HumanDuration>, timeout: Duration) {
        if every.value.0 < Duration::from_millis(1) || timeout.is_zero() {
            self.problem(
                "a probe needs a period and a timeout above zero",
                &every.place,
                "write `every: 100ms`, `timeout: 2s`",
            );
        }
    }

    pub(super) fn http(
        &mut self,
        http: Option<Located<HttpProbe>>,
        name: &Located<Name>,
    ) -> Option<HttpProbe> {
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

    pub(super) fn placeholders(&mut self, text: &str, place: &Place) {
        for name in template::names(text) {
            if !self.lab.variables.contains(&name) {
                let message = format!("the lab `{}` fills no `{{{{{name}}}}}`", self.lab.name);
                self.problem(message, place, did_you_mean(name, self.lab.variables.iter().copied()));
            }
        }
    }

    pub(super) fn watched(&mut self, probe: WatchedProbeFile) -> Option<WatchedProbe> {
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
        if let Probe::Sql(sql) = &kind
            && let Err(error) = sql.check_connect()
        {
            self.problem(error.to_string(), &place, HOW_TO_CONNECT);
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

    pub(super) fn abort_conditions(
        &mut self,
        conditions: Vec<AbortConditionFile>,
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
}
