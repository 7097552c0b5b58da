//! A playbook as it is written: the shape of the YAML, key by key.
//!
//! Owns the serde structs (and, through them, the JSON Schema); leaves their meaning to `super::compile`. Every struct
//! refuses unknown keys; what later checks may complain about is [`Located`].

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::probe::{HttpProbe, ProcessProbe, SqlProbe, TcpProbe};
use crate::source::Located;
use crate::steady_state::Tolerance;
use crate::units::{HumanDuration, Name};

use super::step_file::StepFile;

/// A staged outage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlaybookFile {
    /// The playbook's name.
    pub playbook: Located<Name>,
    /// What happens, in one line.
    pub title: Located<String>,
    /// What it teaches, in a few lines.
    #[serde(default)]
    pub summary: Option<String>,
    /// The practice system it runs on.
    pub lab: Located<String>,
    /// What users see when all is well.
    pub steady_state: Located<Vec<SteadyProbeFile>>,
    /// Traffic that is sent as well, without being judged.
    #[serde(default)]
    pub load: Vec<LoadFile>,
    /// Other probes, for abort conditions and the timeline.
    #[serde(default)]
    pub probes: Vec<WatchedProbeFile>,
    /// What happens in any case, holes or not, such as starting the nightly job.
    #[serde(default)]
    pub story: Vec<StoryFile>,
    /// The layers of defence, each with its hole.
    pub slices: Located<Vec<SliceFile>>,
    /// When it counts as an outage.
    pub outage: OutageFile,
    /// For how long the system is watched after the run begins; by default until an outage could have shown itself.
    #[serde(default)]
    pub observe: Option<Located<HumanDuration>>,
    /// When to stop at once.
    pub abort: AbortFile,
    /// For how long steady state must hold before anything is opened; the longest window by default.
    #[serde(default)]
    pub gate: Option<HumanDuration>,
    /// How soon steady state must be back after everything was taken out; 30 s by default.
    #[serde(default)]
    pub recovery: Option<HumanDuration>,
    /// What responders are called to do.
    #[serde(default)]
    pub response: Option<ResponseFile>,
}

/// One stream of requests that is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SteadyProbeFile {
    /// Its name.
    pub probe: Located<Name>,
    /// The request.
    #[serde(default)]
    pub http: Option<Located<HttpProbe>>,
    /// How often it is sent, whatever the answers do.
    pub every: Located<HumanDuration>,
    /// What users put up with.
    pub tolerate: Located<Tolerance>,
}

/// One stream of requests that is only sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadFile {
    /// Its name.
    pub probe: Located<Name>,
    /// The request.
    #[serde(default)]
    pub http: Option<Located<HttpProbe>>,
    /// How often it is sent, whatever the answers do.
    pub every: Located<HumanDuration>,
}

/// A probe that is asked again and again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WatchedProbeFile {
    /// Its name.
    pub probe: Located<Name>,
    /// Asks a URL.
    #[serde(default)]
    pub http: Option<Located<HttpProbe>>,
    /// Connects.
    #[serde(default)]
    pub tcp: Option<Located<TcpProbe>>,
    /// Queries.
    #[serde(default)]
    pub sql: Option<Located<SqlProbe>>,
    /// Looks for a process.
    #[serde(default)]
    pub process: Option<Located<ProcessProbe>>,
    /// How often it is asked.
    #[serde(default = "every_second")]
    pub every: HumanDuration,
}

fn every_second() -> HumanDuration {
    HumanDuration::secs(1)
}

/// Something that happens in any case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoryFile {
    /// When, since the run began.
    pub at: HumanDuration,
    /// What.
    pub steps: Steps,
}

/// One layer of defence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SliceFile {
    /// Its name.
    pub slice: Located<Name>,
    /// What it does when it holds.
    pub defence: String,
    /// What is the case when it does not.
    pub hole: String,
    /// When, since the run began. With it the hole is an active failure, without it a latent condition.
    #[serde(default)]
    pub at: Option<Located<HumanDuration>>,
    /// How the hole is opened.
    pub open: Steps,
    /// What happens when the defence holds; a latent condition's settings take their defaults otherwise.
    #[serde(default)]
    pub closed: Option<Steps>,
}

/// When it counts as an outage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutageFile {
    /// Steady state was lost for this long without a break.
    pub steady_state_lost_for: HumanDuration,
}

/// When to stop at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AbortFile {
    /// This long after the run began, whatever happens.
    pub after: HumanDuration,
    /// Or as soon as one of these holds.
    #[serde(default)]
    pub when: Vec<AbortConditionFile>,
}

/// One reason to stop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AbortConditionFile {
    /// Which of the probes.
    pub probe: Located<Name>,
    /// For how long it must have been anything but satisfied: what cannot be evaluated counts as unhealthy.
    pub unsatisfied_for: HumanDuration,
}

/// What responders are called to do, and what would be right.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ResponseFile {
    /// The checklist that the loss of steady state calls for.
    pub annunciates: Located<Name>,
    /// The checklist's item by which a responder names the culprit, and what the right answer is.
    #[serde(default)]
    pub target: Option<TargetFile>,
    /// The checklist's item that acts on it.
    #[serde(default)]
    pub act: Option<Located<String>>,
}

/// The right answer to a checklist's item.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TargetFile {
    /// The item's id.
    pub item: Located<String>,
    /// The right reading; `{{names}}` are filled at the moment of the alert.
    pub is: Located<String>,
}

/// Whom a fault is for, in a playbook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TargetNameFile {
    /// A host of the lab.
    pub lab: Located<Name>,
}

/// One step, or several in order.
#[derive(Debug, Default)]
pub struct Steps(pub Vec<Located<StepFile>>);

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = Steps;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a step such as `lab: {…}` or `fault: …`, or a list of steps")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Steps, A::Error> {
                StepFile::deserialize(MapAccessDeserializer::new(map)).map(|step| Steps(vec![step.into()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Steps, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Steps)
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Steps, E> {
                Ok(Steps::default())
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Steps {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Steps".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let step = generator.subschema_for::<StepFile>();
        schemars::json_schema!({ "anyOf": [step, { "type": "array", "items": step }] })
    }
}
