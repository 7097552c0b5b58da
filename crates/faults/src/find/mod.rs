//! Whom a name means now: processes by command line, user, control group, systemd unit or container.
//!
//! Owns the search: by groups in `groups`, and through all processes in `processes`. It never finds this process, its
//! parents, or any guardian or holder of deadstick. Found once, a target is remembered by identity; only a fault that asks
//! for it (`kill --every-restart`) searches again. Leaves what may be touched to the policy.

mod groups;
mod processes;

use std::fs;

use deadstick_core::fault::Target;
use deadstick_core::identity::ProcessIdentity;
use regex::Regex;

pub use groups::{Group, by_cgroup, by_container, by_unit};

use crate::process::ProcessError;
use processes::{all, with_parents};

/// Why a name could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The machine could not be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Nothing has that name.
    #[error("there is no {what} {name}; {hint}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
        /// What to do next.
        hint: &'static str,
    },
    /// Several have that name.
    #[error("{name} may be any of {}; write more of it", found.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// What it may be.
        found: Vec<String>,
    },
    /// The name cannot be one.
    #[error("{name:?} is no {what}: {why}")]
    Bad {
        /// What it should be.
        what: &'static str,
        /// What was written.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The processes whose command line, its arguments joined by spaces, matches.
///
/// # Errors
/// `/proc` cannot be read.
pub fn by_command(pattern: &Regex) -> Result<Vec<ProcessIdentity>, ProcessError> {
    all(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(String::from_utf8_lossy)
            .collect();
        !words.is_empty() && pattern.is_match(&words.join(" "))
    })
}

/// The processes of a user, by the user they act as; threads of the kernel are nobody's.
///
/// # Errors
/// `/proc` cannot be read.
pub fn by_user(user: u32) -> Result<Vec<ProcessIdentity>, ProcessError> {
    all(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
        effective.and_then(|text| text.parse().ok()) == Some(user)
    })
}

/// The number of a user, by name or number.
///
/// # Errors
/// [`FindError::Unknown`].
pub fn user(name: &str) -> Result<u32, FindError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(unknown("user", name, "see getent passwd")),
        Err(errno) => Err(FindError::Bad { what: "user", name: name.to_owned(), why: errno.to_string() }),
    }
}

/// Everything that comes from these processes, without them.
///
/// # Errors
/// `/proc` cannot be read.
pub fn offspring(processes: &[ProcessIdentity]) -> Result<Vec<ProcessIdentity>, ProcessError> {
    let own = |pid: u32| processes.iter().any(|process| process.pid == pid);
    all(|pid| !own(pid) && with_parents(pid).into_keys().any(own))
}

/// Who bears a name now.
///
/// # Errors
/// It cannot be looked for, or nothing bears it.
pub fn again(target: &Target) -> Result<Vec<ProcessIdentity>, FindError> {
    match target {
        Target::Process(pattern) => {
            let bad = |error: regex::Error| FindError::Bad {
                what: "regular expression",
                name: pattern.clone(),
                why: error.to_string(),
            };
            Ok(by_command(&Regex::new(pattern).map_err(bad)?)?)
        }
        Target::Unit(name) => Ok(by_unit(name)?.processes),
        Target::Cgroup(path) => Ok(by_cgroup(path)?.processes),
        Target::Container(id) => Ok(by_container(id)?.processes),
        Target::User(name) => Ok(by_user(user(name)?)?),
        other => {
            let hint = "name it by --process, --unit, --cgroup or --container";
            Err(unknown("way to find again", &format!("{other:?}"), hint))
        }
    }
}

fn unknown(what: &'static str, name: &str, hint: &'static str) -> FindError {
    FindError::Unknown { what, name: name.to_owned(), hint }
}
