//! The probe of an item: which one, how often, how long, and what if it does not answer.
//!
//! Owns turning an item's probe keys into a [`Sense`]; leaves the asking to the probes crate.

use crate::probe::{HOW_TO_CONNECT, HttpProbe, Probe, ProcessProbe, SqlProbe, TcpProbe};
use crate::source::{Diagnostic, Place};
use crate::units::HumanDuration;

use super::compile::line;
use super::file::ItemFile;
use super::{Declared, Sense};

/// How often a probe asks unless the file says otherwise.
const EVERY: HumanDuration = HumanDuration::secs(2);
/// Asking more often than this would load what is ill already.
const MOST_OFTEN: HumanDuration = HumanDuration::millis(100);

/// The sense of an item; none when it has no probe (a problem for `sensed:`) or a wrong one.
pub(super) fn sense(file: &mut ItemFile, place: &Place, problems: &mut Vec<Diagnostic>) -> Option<Sense> {
    let mut probes = Vec::new();
    probes.extend(file.http.take().map(|p| (p.place, Probe::Http(p.value))));
    probes.extend(file.tcp.take().map(|p| (p.place, Probe::Tcp(p.value))));
    probes.extend(file.sql.take().map(|p| (p.place, Probe::Sql(p.value))));
    probes.extend(file.process.take().map(|p| (p.place, Probe::Process(p.value))));
    let mut problem = |message: String, place: &Place, hint: &str| {
        problems.push(Diagnostic::new(message, place.clone()).hint(hint));
    };
    if let Some((place, second)) = probes.get(1) {
        let message = format!("an item has one probe; `{}:` is the second", second.kind());
        problem(message, place, "split it into two items");
        return None;
    }
    let Some((at, mut probe)) = probes.pop() else {
        if file.sensed.is_some() {
            let hint = "add `http:`, `tcp:`, `sql:` or `process:`, or make it a `do:`";
            problem("a sensed item without a probe".to_owned(), place, hint);
        } else if let Some(place) = file
            .every
            .as_ref()
            .or(file.timeout.as_ref())
            .map(|v| &v.place)
            .or(file.unknown.as_ref().map(|v| &v.place))
        {
            let hint = "add `http:`, `tcp:`, `sql:` or `process:`, or leave these keys out";
            problem("there is no probe that this could be about".to_owned(), place, hint);
        }
        return None;
    };
    if let Some((what, hint)) = missing_target(&probe) {
        problem(what.to_owned(), &at, hint);
    } else if let Probe::Sql(sql) = &probe
        && let Err(error) = sql.check_connect()
    {
        problem(error.to_string(), &at, HOW_TO_CONNECT);
    }
    if let Some(every) = &file.every
        && every.value < MOST_OFTEN
    {
        problem(format!("asking every {every} is too often"), &every.place, "write 100ms or more");
    }
    if let Some(timeout) = &file.timeout {
        if timeout.value == HumanDuration::default() {
            problem(
                "no probe can answer in no time".to_owned(),
                &timeout.place,
                "write a duration such as 2s",
            );
        }
        set_timeout(&mut probe, timeout.value);
    }
    Some(Sense {
        probe,
        every: file.every.as_ref().map_or(EVERY, |every| every.value),
        declared: Declared { every: file.every.is_some(), timeout: file.timeout.is_some() },
        unknown: file.unknown.as_ref().map(|text| line(&text.value)),
    })
}

fn set_timeout(probe: &mut Probe, to: HumanDuration) {
    match probe {
        Probe::Http(HttpProbe { timeout, .. })
        | Probe::Tcp(TcpProbe { timeout, .. })
        | Probe::Sql(SqlProbe { timeout, .. })
        | Probe::Process(ProcessProbe { timeout, .. }) => *timeout = to,
    }
}

/// What a probe lacks to have somebody to ask, with a hint.
fn missing_target(probe: &Probe) -> Option<(&'static str, &'static str)> {
    match probe {
        Probe::Http(p) if p.url.trim().is_empty() => {
            Some(("the probe asks no URL", "write `url: \"{{shop.url}}/health\"` or the like"))
        }
        Probe::Tcp(p) if p.address.trim().is_empty() => {
            Some(("the probe connects to nothing", "write `address: host:port`"))
        }
        Probe::Sql(p) if p.connect.trim().is_empty() => Some(("the probe asks no database", HOW_TO_CONNECT)),
        Probe::Sql(p) if p.query.trim().is_empty() => {
            Some(("the probe asks the database nothing", "write `query: \"select …\"`"))
        }
        Probe::Process(p) if p.pid.is_some() == p.lab.is_some() => {
            Some(("the probe looks at no single process", "write either `pid:` or `lab:`"))
        }
        Probe::Http(_) | Probe::Tcp(_) | Probe::Sql(_) | Probe::Process(_) => None,
    }
}
