//! The policy: what may be touched on this host, by which kinds of fault, for how long, how many at once, and when.
//!
//! Owns the judgement over all faults of a plan together with those in place; `file` reads the policy's text, and
//! [`control`] says which fault would cut off the people who would end it. Leaves finding out what a target is, and
//! whose, to whoever asks.

pub mod control;
mod file;
mod window;

use std::fmt;

use crate::Timestamp;
use crate::fault::{FaultKind, Target};
use crate::text::redact_dsn;
use crate::units::HumanDuration;

pub use window::Window;

/// Where the policy of a host stands.
pub const POLICY_FILE: &str = "/etc/deadstick/policy.toml";

/// Whose a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Part of a practice system.
    Lab,
    /// A process of the user who asks, who is not root.
    Own,
    /// Everything else.
    Foreign,
}

/// One fault that is asked for, or in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub kind: FaultKind,
    /// On whom, as written.
    pub target: Target,
    /// Whose that is.
    pub standing: Standing,
    /// For how long.
    pub lease: HumanDuration,
}

/// Which kinds a target may meet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kinds {
    All,
    These(Vec<FaultKind>),
}

/// A line of the policy: a target, perhaps with `*` in it, and the kinds it may meet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowance {
    target: String,
    kinds: Kinds,
}

/// What may be touched on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where it was read; none when the host has no policy.
    name: Option<String>,
    allow_all: bool,
    longest_lease: Option<HumanDuration>,
    at_once: Option<usize>,
    windows: Vec<Window>,
    allow: Vec<Allowance>,
}

/// What the policy does not allow, and what would make it so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {hint}")]
pub struct Denied {
    /// What.
    pub what: String,
    /// What to write, and where.
    pub hint: String,
}

impl Policy {
    /// A host without a policy: labs and the user's own processes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Judges all that a plan asks for, together with what is in place already.
    ///
    /// # Errors
    /// The first thing that is not allowed.
    pub fn judge(&self, asked: &[Request], in_place: &[Request], now: Timestamp) -> Result<(), Denied> {
        // Whoever made a lab made it to be broken.
        let asked: Vec<_> = asked.iter().filter(|one| one.standing != Standing::Lab).collect();
        if asked.is_empty() {
            return Ok(());
        }
        for one in &asked {
            self.allows(one)?;
            if let Some(longest) = self.longest_lease.filter(|longest| one.lease > *longest) {
                return Err(self.denied(
                    &format!("{} for {} is longer than the {longest} allowed", one.kind, one.lease),
                    "ask for less, or raise `longest-lease`",
                ));
            }
        }
        let together = asked.len() + in_place.iter().filter(|one| one.standing != Standing::Lab).count();
        if let Some(most) = self.at_once.filter(|most| together > *most) {
            return Err(self.denied(
                &format!("{together} faults at once, where {most} are allowed"),
                "end one with `deadstick restore`, or raise `at-once`",
            ));
        }
        if !self.windows.is_empty() && !self.windows.iter().any(|window| window.contains(now)) {
            let windows: Vec<_> = self.windows.iter().map(Window::to_string).collect();
            return Err(self.denied(
                &format!("it is {}", now.format("%a %H:%M UTC")),
                &format!("faults are allowed {}; see `windows`", windows.join(", ")),
            ));
        }
        Ok(())
    }

    fn allows(&self, one: &Request) -> Result<(), Denied> {
        let words = Words(&one.target).to_string();
        let fits = |line: &&Allowance| matches(&line.target, &words);
        let allowed = self.allow.iter().filter(fits).any(|line| match &line.kinds {
            Kinds::All => true,
            Kinds::These(kinds) => kinds.contains(&one.kind),
        });
        if self.allow_all || allowed || (one.standing == Standing::Own && self.name.is_none()) {
            return Ok(());
        }
        let exact = self.allow.iter().find(|line| line.target == words);
        let mut kinds = match exact.map(|line| &line.kinds) {
            Some(Kinds::These(kinds)) => kinds.clone(),
            _ => Vec::new(),
        };
        kinds.push(one.kind);
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        let line = format!("{} = [{}]", toml::Value::String(words.clone()), kinds.join(", "));
        let hint = match exact {
            Some(_) => format!("under [allow] write instead: {line}"),
            None => format!("under [allow] add the line: {line}"),
        };
        Err(self.denied(&format!("{} on {words} is not allowed", one.kind), &hint))
    }

    fn denied(&self, what: &str, hint: &str) -> Denied {
        let (place, otherwise) = match &self.name {
            Some(name) => (format!("{name} says no: "), String::new()),
            None => (
                "this host has no policy: ".to_owned(),
                format!(
                    " (in {POLICY_FILE}, or a file for --policy; `allow-all = true` for a host that may be thrown away)"
                ),
            ),
        };
        Denied { what: format!("{place}{what}"), hint: format!("{hint}{otherwise}") }
    }
}

/// A target in the words of a policy: `netns:a`, `pid:4711`.
struct Words<'a>(&'a Target);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Target::Lab(name) => write!(f, "lab:{name}"),
            Target::Host => f.write_str("host"),
            Target::Pid(pid) => write!(f, "pid:{pid}"),
            Target::Process(pattern) => write!(f, "process:{pattern}"),
            Target::Unit(unit) => write!(f, "unit:{unit}"),
            Target::Cgroup(path) => write!(f, "cgroup:{}", path.display()),
            Target::Container(id) => write!(f, "container:{id}"),
            Target::User(user) => write!(f, "user:{user}"),
            Target::Netns(name) => write!(f, "netns:{name}"),
            Target::Dsn(dsn) => write!(f, "dsn:{}", redact_dsn(dsn)),
            Target::Path(path) => write!(f, "path:{}", path.display()),
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
