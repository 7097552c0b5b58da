//! How a lab is described: its hosts, settings, commands and variables.
//!
//! Owns the shapes, so that playbooks can be checked without a lab; the lab crate fills them in and runs the labs.

use serde::Serialize;

/// What a practice system offers to playbooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabDescription {
    /// Its name, as in `lab: shop`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Hosts that faults can be aimed at.
    pub hosts: &'static [&'static str],
    /// What can be set.
    pub settings: &'static [Setting],
    /// What can be run.
    pub commands: &'static [Command],
    /// What `{{names}}` it fills.
    pub variables: &'static [&'static str],
}

impl LabDescription {
    /// A setting by its key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|s| s.key == key)
    }

    /// A command by its name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.commands.iter().find(|c| c.name == name)
    }
}

/// One thing that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its key, such as `job.database`.
    pub key: &'static str,
    /// Its value while the defence holds.
    pub default: &'static str,
    /// What it may be.
    pub values: Values,
    /// What it does, in one line.
    pub about: &'static str,
}

/// One thing that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its name, such as `migrate`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Its options, with defaults.
    pub options: &'static [Setting],
}

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A duration, such as `250ms`; `0s` where that means "for ever" or "the system's default".
    Duration,
    /// A whole number in a range, ends included.
    Number {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
}

impl Values {
    /// Whether a text is one of them.
    #[must_use]
    pub fn admits(&self, text: &str) -> bool {
        match self {
            Self::Words(words) => words.contains(&text),
            Self::Duration => text.parse::<crate::units::HumanDuration>().is_ok(),
            Self::Number { least, most } => text.parse::<u32>().is_ok_and(|n| (*least..=*most).contains(&n)),
        }
    }

    /// What to write instead, for a hint.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Words(words) => format!("one of: {}", words.join(", ")),
            Self::Duration => "a duration such as 250ms or 2s".to_owned(),
            Self::Number { least, most } => format!("a whole number from {least} to {most}"),
        }
    }
}
