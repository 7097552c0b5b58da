//! One step of a playbook: which keys go together, and what they mean.
//!
//! Owns the checks of a single step against the lab's description.

use crate::fault::{ParameterError, Peer, catalogue};
use crate::lab::{LabDescription, Setting, Values};
use crate::source::{Diagnostic, Located, Place, did_you_mean};
use crate::units::Name;

use super::step_file::StepFile;
use super::{FaultOrder, FaultStep, Step, Toxics, toxic};

/// A step in terms of the lab; problems are added to the list, and `None` says that there were some.
pub(super) fn compile(
    step: Located<StepFile>,
    lab: &'static LabDescription,
    toxics: &Toxics<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Step> {
    let place = if step.place.line > 0 { step.place } else { first_place(&step.value) };
    let mut step = step.value;
    let kinds = [
        ("lab", step.lab.is_some()),
        ("run", step.run.is_some()),
        ("wait", step.wait.is_some()),
        ("fault", step.fault.is_some()),
        ("toxic", step.toxic.is_some()),
    ];
    let named: Vec<&str> = kinds.iter().filter(|(_, there)| *there).map(|(key, _)| *key).collect();
    if named.len() != 1 {
        let message = if named.is_empty() {
            "this step does nothing".to_owned()
        } else {
            format!("one step cannot be {} at once", named.join(" and "))
        };
        problems.push(
            Diagnostic::new(message, place).hint(
                "write one of `lab: {…}`, `run: {…}`, `wait: …`, `fault: …` or `toxic: …`; make a list for several",
            ),
        );
        return None;
    }
    let before = problems.len();
    let compiled = if let Some(settings) = step.lab.take() {
        let settings = settings
            .into_iter()
            .filter_map(|(key, value)| setting(&key, &value, lab.settings, "lab setting", problems))
            .collect();
        Some(Step::Set(settings))
    } else if let Some(command) = step.run.take() {
        run(command, lab, problems)
    } else if let Some(wait) = step.wait.take() {
        Some(Step::Wait(wait.value.0))
    } else if step.toxic.is_some() {
        toxic::compile(&mut step, &place, toxics, problems).map(Step::Toxic)
    } else {
        inject(&mut step, &place, lab, problems).map(Step::Inject)
    };
    for (key, place) in leftovers(&step) {
        problems.push(
            Diagnostic::new(format!("`{key}` does not belong to this step"), place)
                .hint("see `deadstick schema playbook` for what belongs to each kind of step"),
        );
    }
    compiled.filter(|_| problems.len() == before)
}

/// A key and a value that the lab knows.
fn setting(
    key: &Located<String>,
    value: &Located<String>,
    known: &'static [Setting],
    what: &str,
    problems: &mut Vec<Diagnostic>,
) -> Option<(String, String)> {
    let Some(setting) = known.iter().find(|s| s.key == key.value) else {
        problems.push(
            Diagnostic::new(format!("unknown {what} `{key}`"), key.place.clone())
                .hint(did_you_mean(&key.value, known.iter().map(|s| s.key))),
        );
        return None;
    };
    check_value(setting.key, &value.value, &value.place, setting.values, problems)?;
    Some((key.value.clone(), value.value.clone()))
}

fn check_value(
    key: &str,
    value: &str,
    place: &Place,
    values: Values,
    problems: &mut Vec<Diagnostic>,
) -> Option<()> {
    if values.admits(value) {
        return Some(());
    }
    problems.push(
        Diagnostic::new(format!("`{value}` is not a value of `{key}`"), place.clone())
            .hint(format!("write {}", values.describe())),
    );
    None
}

fn run(
    command: Located<indexmap::IndexMap<String, Located<String>>>,
    lab: &'static LabDescription,
    problems: &mut Vec<Diagnostic>,
) -> Option<Step> {
    let place = command.place;
    let mut pairs = command.value;
    let Some(name) = pairs.shift_remove("lab") else {
        problems.push(
            Diagnostic::new("`run:` names no command", place)
                .hint(format!("add `lab: NAME`; {}", did_you_mean("", lab.commands.iter().map(|c| c.name)))),
        );
        return None;
    };
    let Some(command) = lab.command(&name.value) else {
        problems.push(
            Diagnostic::new(format!("the lab `{}` has no command `{name}`", lab.name), name.place.clone())
                .hint(did_you_mean(&name.value, lab.commands.iter().map(|c| c.name))),
        );
        return None;
    };
    let options = pairs
        .into_iter()
        .filter_map(|(key, value)| {
            let key = Located { value: key, place: value.place.clone() };
            setting(&key, &value, command.options, "option", problems)
        })
        .collect();
    Some(Step::Run { command: command.name.to_owned(), options })
}

/// The parameters whose values are hosts of the lab.
pub(super) const PEERS: [&str; 2] = ["to", "from"];
/// Stands in for a host whose address is not known yet.
const STAND_IN: Peer = Peer::host(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

fn inject(
    step: &mut StepFile,
    place: &Place,
    lab: &'static LabDescription,
    problems: &mut Vec<Diagnostic>,
) -> Option<FaultStep> {
    let kind = step.fault.take()?;
    let mut host = |name: &str, place: &Place| {
        if lab.hosts.contains(&name) {
            return name.parse::<Name>().ok();
        }
        problems.push(
            Diagnostic::new(format!("the lab `{}` has no host `{name}`", lab.name), place.clone())
                .hint(did_you_mean(name, lab.hosts.iter().copied())),
        );
        None
    };
    let target = step.target.take().map(|target| {
        let name = target.value.lab;
        host(name.value.as_str(), &name.place)
    });
    let entry = catalogue::of(kind.value);
    let (own, strange): (Vec<_>, Vec<_>) = std::mem::take(&mut step.parameters)
        .into_iter()
        .partition(|(name, _)| entry.all_parameters().any(|parameter| parameter.name == name.value));
    // Told as any other key that does not belong here.
    step.parameters = strange;
    let mut peers = Vec::new();
    for (_, value) in own.iter().filter(|(name, _)| PEERS.contains(&name.value.as_str())) {
        for part in value.value.0.split(',').map(str::trim) {
            peers.push(host(part, &value.place));
        }
    }
    let peers: Option<Vec<Name>> = peers.into_iter().collect();
    let Some(target) = target else {
        problems.push(
            Diagnostic::new(format!("`{}` has no target", kind.value), place.clone()).hint(format!(
                "add `target: {{ lab: HOST }}`; {}",
                did_you_mean("", lab.hosts.iter().copied())
            )),
        );
        return None;
    };
    let parameters = own.iter().map(|(name, value)| (name.value.clone(), value.value.0.clone())).collect();
    let order = FaultOrder { kind: kind.value, parameters, peers: peers? };
    if let Err(error) = order.fault(|_| Some(STAND_IN)) {
        let of =
            |name: &str| own.iter().find(|(key, _)| key.value == name).map(|(_, value)| value.place.clone());
        let place = match &error {
            ParameterError::Bad { name, .. } | ParameterError::Twice { name } => of(name),
            _ => None,
        };
        let message = error.to_string();
        let (what, hint) =
            message.split_once("; ").unwrap_or((&message, "see `deadstick inject KIND --help`"));
        problems.push(Diagnostic::new(what, place.unwrap_or_else(|| kind.place.clone())).hint(hint));
        return None;
    }
    let lease = step.lease.take().map(|lease| lease.value.0);
    Some(FaultStep { fault: order, host: target?, lease })
}

/// Where a step stands that is written without a list around it: where its first key's value does.
fn first_place(step: &StepFile) -> Place {
    let keys = step.lab.iter().flatten().map(|(key, _)| &key.place);
    let values = [
        step.run.as_ref().map(|v| &v.place),
        step.wait.as_ref().map(|v| &v.place),
        step.fault.as_ref().map(|v| &v.place),
        step.toxic.as_ref().map(|v| &v.place),
    ];
    let all = keys.chain(values.into_iter().flatten()).cloned();
    all.chain(leftovers(step).into_iter().map(|(_, place)| place))
        .min_by_key(|place| place.line)
        .unwrap_or_default()
}

/// The keys nobody took: they belong to another kind of step.
fn leftovers(step: &StepFile) -> Vec<(String, Place)> {
    let parameters = step.parameters.iter().map(|(key, value)| (key.value.clone(), value.place.clone()));
    let mut left: Vec<_> = parameters.collect();
    let mut see =
        |key: &str, place: Option<&Place>| left.extend(place.map(|place| (key.to_owned(), place.clone())));
    see("target", step.target.as_ref().map(|v| &v.place));
    see("for", step.lease.as_ref().map(|v| &v.place));
    see("on", step.on.as_ref().map(|v| &v.place));
    let attributes = step.attributes.as_ref();
    see("attributes", attributes.and_then(|given| given.first()).map(|(key, _)| &key.place));
    see("stream", step.stream.as_ref().map(|v| &v.place));
    see("toxicity", step.toxicity.as_ref().map(|v| &v.place));
    left
}
