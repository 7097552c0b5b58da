//! What a playbook may refer to, as told by whoever reads one.

use std::collections::{BTreeMap, BTreeSet};

use super::ToxicStep;
use crate::lab::LabDescription;
use crate::units::Name;

/// What a playbook may refer to.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The labs there are.
    pub labs: &'a [&'static LabDescription],
    /// The checklists there are, with the ids of their items.
    pub checklists: &'a BTreeMap<Name, BTreeSet<String>>,
    /// The toxics there are.
    pub toxics: Toxics<'a>,
}

/// The toxics that playbooks may name.
#[derive(Clone, Copy, Debug)]
pub struct Toxics<'a> {
    /// Each kind.
    pub kinds: &'a [ToxicKind],
    /// Whether a toxic's attributes have the right types; if not, why.
    pub check: fn(&ToxicStep) -> Result<(), String>,
}

/// One kind of toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToxicKind {
    /// Its name.
    pub name: &'static str,
    /// The names of its attributes.
    pub attributes: &'static [&'static str],
}
