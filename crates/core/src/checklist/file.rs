//! A checklist as it is written: the shape of the YAML, key by key.
//!
//! Owns the serde structs (and, through them, the JSON Schema); leaves their meaning to [`super::compile`]. Every struct
//! refuses unknown keys; what later checks may complain about is [`Located`].

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::event::AlertLevel;
use crate::probe::{HttpProbe, ProcessProbe, SqlProbe, TcpProbe};
use crate::source::Located;
use crate::units::{HumanDuration, Name};

use super::Method;

/// A checklist.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ChecklistFile {
    /// The checklist's name.
    pub(super) checklist: Located<Name>,
    /// The symptom it is for, as it stands on screen.
    pub(super) title: Located<String>,
    /// How loud it is: warning, caution, advisory or normal.
    pub(super) level: AlertLevel,
    /// When to use it.
    #[serde(default)]
    pub(super) condition: Option<String>,
    /// What it achieves.
    #[serde(default)]
    pub(super) objective: Option<String>,
    /// When not to use it, and what to use then.
    #[serde(default)]
    pub(super) not_when: Option<String>,
    /// Version of this text.
    #[serde(default)]
    pub(super) version: Option<String>,
    /// Day of the last revision, YYYY-MM-DD.
    #[serde(default)]
    pub(super) revised: Option<Located<String>>,
    /// Who keeps it right.
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// How it is worked; read-do unless said otherwise.
    #[serde(default)]
    pub(super) method: Method,
    /// Checklists kept out of the queue while this one's condition is active.
    #[serde(default)]
    pub(super) inhibits: Vec<Located<Name>>,
    /// Done before anything is read, then verified here.
    #[serde(default)]
    pub(super) memory: Vec<Located<ItemFile>>,
    /// Read and worked in order.
    pub(super) items: Located<Vec<Located<ItemFile>>>,
    /// Left for later.
    #[serde(default)]
    pub(super) deferred: Vec<Located<DeferredFile>>,
    /// What is said when it is complete.
    #[serde(default)]
    pub(super) complete: Option<String>,
    /// Lint rules that do not apply here, each with the reason.
    #[serde(default)]
    pub(super) allow: IndexMap<String, Located<String>>,
}

/// One line: exactly one of `do`, `decide`, `sensed` and `wait`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ItemFile {
    /// Its name within the checklist; its number otherwise.
    #[serde(default)]
    pub(super) id: Option<Located<Name>>,
    /// A person does this.
    #[serde(default, rename = "do")]
    pub(super) action: Option<Located<String>>,
    /// A question that chooses what follows.
    #[serde(default)]
    pub(super) decide: Option<Located<String>>,
    /// A state that only its probe can confirm.
    #[serde(default)]
    pub(super) sensed: Option<Located<String>>,
    /// Time that must pass.
    #[serde(default)]
    pub(super) wait: Option<Located<HumanDuration>>,
    /// The state that a `do:` must end in.
    #[serde(default)]
    pub(super) response: Option<Located<String>>,
    /// The role that does it.
    #[serde(default)]
    pub(super) by: Option<String>,
    /// Why it is on the list.
    #[serde(default)]
    pub(super) why: Option<String>,
    /// A value to read off when confirming a `do:`.
    #[serde(default)]
    pub(super) reading: Option<Located<String>>,
    /// The `do:` cannot be taken back: it needs a second person.
    #[serde(default)]
    pub(super) irreversible: Option<Located<bool>>,
    /// Leaving it out defeats the whole list.
    #[serde(default)]
    pub(super) killer: bool,
    /// The command that does it, as a list of arguments.
    #[serde(default)]
    pub(super) run: Option<Located<Vec<Located<String>>>>,
    /// Where the answer to a `decide:` is seen.
    #[serde(default)]
    pub(super) observe: Option<Located<String>>,
    /// What follows when the answer is yes.
    #[serde(default)]
    pub(super) yes: Option<Located<Vec<Located<ItemFile>>>>,
    /// What follows when the answer is no.
    #[serde(default)]
    pub(super) no: Option<Located<Vec<Located<ItemFile>>>>,
    /// The answers other than yes and no, each with what follows.
    #[serde(default)]
    pub(super) choices: Option<Located<IndexMap<Name, Vec<Located<ItemFile>>>>>,
    /// Watched by an HTTP request.
    #[serde(default)]
    pub(super) http: Option<Located<HttpProbe>>,
    /// Watched by a TCP connection.
    #[serde(default)]
    pub(super) tcp: Option<Located<TcpProbe>>,
    /// Watched by a query.
    #[serde(default)]
    pub(super) sql: Option<Located<SqlProbe>>,
    /// Watched by looking at a process.
    #[serde(default)]
    pub(super) process: Option<Located<ProcessProbe>>,
    /// How often the probe asks.
    #[serde(default)]
    pub(super) every: Option<Located<HumanDuration>>,
    /// How long one answer may take; after that it is unknown.
    #[serde(default)]
    pub(super) timeout: Option<Located<HumanDuration>>,
    /// What to do while the probe does not answer.
    #[serde(default)]
    pub(super) unknown: Option<Located<String>>,
}

/// One line that is left for later.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DeferredFile {
    /// Its name within the checklist; its number otherwise.
    #[serde(default)]
    pub(super) id: Option<Located<Name>>,
    /// When: a checklist, or any-time, mitigated, stand-down or postmortem.
    pub(super) to: Located<Name>,
    /// What.
    #[serde(rename = "do")]
    pub(super) action: Located<String>,
    /// The state it must end in.
    #[serde(default)]
    pub(super) response: Option<Located<String>>,
    /// The role that owns it.
    #[serde(default)]
    pub(super) by: Option<String>,
    /// Why it is on the list.
    #[serde(default)]
    pub(super) why: Option<String>,
}
