//! Every kind of fault with its parameters, for people: what `deadstick inject KIND --help`, the README's table and the
//! reader of [`super::parameters`] have in common.

mod data;
mod network;
mod process;

use super::FaultKind;
use crate::privilege::Privilege;

/// What a value of a parameter looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `50ms`.
    Duration,
    /// `1%`.
    Percent,
    /// `64KiB`.
    Size,
    /// `1MiB/s`.
    Rate,
    /// A whole number, from 0 to this.
    Count(u64),
    /// A whole number that may be negative.
    Integer,
    /// `0.5`.
    Cpus,
    /// One of these.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// Texts, separated by commas.
    Texts,
    /// An IP address.
    Address,
    /// IP addresses, separated by commas.
    Addresses,
    /// Ends of connections, separated by commas.
    Peers,
    /// `delay=3s,loss=1%`.
    Impairment,
    /// Given or not.
    Flag,
}

impl Value {
    /// What stands for the value in a usage line.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Duration => "DURATION",
            Self::Percent => "PERCENT",
            Self::Size => "SIZE",
            Self::Rate => "RATE",
            Self::Count(_) | Self::Integer => "NUMBER",
            Self::Cpus => "PROCESSORS",
            Self::Word(_) => "WORD",
            Self::Text => "TEXT",
            Self::Texts => "TEXT,…",
            Self::Address => "ADDRESS",
            Self::Addresses => "ADDRESS,…",
            Self::Peers => "ADDRESS[/LENGTH][:PORT],…",
            Self::Impairment => "KEY=VALUE,…",
            Self::Flag => "",
        }
    }

    /// Whether it is a list, so that the option may be given several times.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Addresses | Self::Peers)
    }
}

/// Whether a parameter must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may; the words say what holds otherwise.
    Otherwise(&'static str),
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in files and, after two dashes, on the command line.
    pub name: &'static str,
    /// What its values look like.
    pub value: Value,
    /// Whether it must be given.
    pub need: Need,
    /// What it means, in a line.
    pub about: &'static str,
}

/// What a fault can be aimed at: the words of [`super::Target`], and options of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// This machine, when no target is given.
    Host,
    /// `--pid`.
    Pid,
    /// `--process`.
    Process,
    /// `--unit`.
    Unit,
    /// `--cgroup`.
    Cgroup,
    /// `--container`.
    Container,
    /// `--user`.
    User,
    /// `--netns`.
    Netns,
    /// `--dsn`.
    Dsn,
    /// `--path`.
    Path,
}

impl Aim {
    /// The option of the command line; none for the machine itself.
    #[must_use]
    pub const fn option(self) -> Option<&'static str> {
        match self {
            Self::Host => None,
            Self::Pid => Some("pid"),
            Self::Process => Some("process"),
            Self::Unit => Some("unit"),
            Self::Cgroup => Some("cgroup"),
            Self::Container => Some("container"),
            Self::User => Some("user"),
            Self::Netns => Some("netns"),
            Self::Dsn => Some("dsn"),
            Self::Path => Some("path"),
        }
    }
}

/// Families of kinds, as help groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Packets of a network.
    Network,
    /// Sockets.
    Sockets,
    /// Processes.
    Processes,
    /// Files and file systems.
    Storage,
    /// Databases.
    Databases,
    /// Load.
    Load,
}

impl Family {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Sockets => "sockets",
            Self::Processes => "processes",
            Self::Storage => "storage",
            Self::Databases => "databases",
            Self::Load => "load",
        }
    }
}

/// One kind of fault.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Which.
    pub kind: FaultKind,
    /// What it is about.
    pub family: Family,
    /// What it does, in a line.
    pub about: &'static str,
    /// What it can be aimed at.
    pub aims: &'static [Aim],
    /// Its parameters, in the order of help.
    pub parameters: &'static [&'static [Parameter]],
    /// What it needs of the host.
    pub needs: &'static str,
    /// The privileges that whoever applies, proves and undoes it may use; without some of them it works on what is one's
    /// own.
    pub privileges: &'static [Privilege],
    /// How it is taken back, and by whom when everybody dies.
    pub undo: &'static str,
    /// The words behind `deadstick inject` of an example that works as printed on a host with what it names.
    pub example: &'static str,
}

impl Kind {
    /// Its parameters.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().copied().flatten()
    }
}

/// Every kind, in the order of [`FaultKind::ALL`].
pub fn all() -> impl Iterator<Item = &'static Kind> {
    network::KINDS.iter().chain(process::KINDS).chain(data::KINDS)
}

/// One kind.
///
/// # Panics
/// Never: a test holds that every kind is listed.
#[must_use]
pub fn of(kind: FaultKind) -> &'static Kind {
    match all().find(|one| one.kind == kind) {
        Some(found) => found,
        None => unreachable!("every kind is listed"),
    }
}

const fn required(name: &'static str, value: Value, about: &'static str) -> Parameter {
    Parameter { name, value, need: Need::Required, about }
}

const fn optional(
    name: &'static str,
    value: Value,
    otherwise: &'static str,
    about: &'static str,
) -> Parameter {
    Parameter { name, value, need: Need::Otherwise(otherwise), about }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once_and_in_order() {
        let listed: Vec<_> = all().map(|one| one.kind).collect();
        assert_eq!(listed, FaultKind::ALL);
        for one in all() {
            assert!(one.example.starts_with(one.kind.word()), "{}", one.example);
            assert!(one.example.contains(" --for "), "{}", one.example);
            for required in one.all_parameters().filter(|parameter| parameter.need == Need::Required) {
                assert!(
                    one.example.contains(&format!(" --{} ", required.name)),
                    "{}: {}",
                    one.kind,
                    required.name
                );
            }
        }
    }
}
