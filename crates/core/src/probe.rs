//! Probes: what is asked of a system, and the three answers.
//!
//! Owns the specifications (as files write them) and the answers; leaves the asking to the probes crate. A probe is
//! read-only and has a timeout; no answer in time is [`Answer::Unknown`], never green and never red (design law 6).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dsn::{self, DsnError};
use crate::template;
use crate::units::{HumanDuration, Name};

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The expectation holds.
    Satisfied,
    /// The expectation was checked and does not hold.
    Unsatisfied,
    /// Nobody answered, or the answer cannot be judged.
    Unknown,
}

impl Answer {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::Unsatisfied => "unsatisfied",
            Self::Unknown => "unknown",
        }
    }
}

/// One answer with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The answer.
    pub answer: Answer,
    /// The value that was read, such as `503` or `0`; printable text.
    pub value: Option<String>,
    /// Why the answer is what it is, in one printable line.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// One probe, as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// An HTTP request.
    Http(HttpProbe),
    /// A TCP connection.
    Tcp(TcpProbe),
    /// A query.
    Sql(SqlProbe),
    /// A process of this host or of a lab.
    Process(ProcessProbe),
}

impl Probe {
    /// Its timeout.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        match self {
            Self::Http(p) => p.timeout.0,
            Self::Tcp(p) => p.timeout.0,
            Self::Sql(p) => p.timeout.0,
            Self::Process(p) => p.timeout.0,
        }
    }

    /// The kind's word, as in files and on the command line.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Sql(_) => "sql",
            Self::Process(_) => "process",
        }
    }

    /// Every text in it that may hold `{{placeholders}}`.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Http(p) => {
                let mut texts = vec![&mut p.url];
                texts.extend(p.body.as_mut());
                texts
            }
            Self::Tcp(p) => vec![&mut p.address],
            Self::Sql(p) => vec![&mut p.connect, &mut p.query],
            Self::Process(_) => Vec::new(),
        }
    }
}

fn two_seconds() -> HumanDuration {
    HumanDuration::secs(2)
}

/// The HTTP methods a probe may use. POST is here for load on practice systems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
}

/// Asks a URL; satisfied when the status (and the body, if asked) is as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpProbe {
    /// The URL; `{{names}}` are filled.
    pub url: String,
    /// The method; GET unless said otherwise.
    #[serde(default)]
    pub method: HttpMethod,
    /// The body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// No answer by then is unknown.
    #[serde(default = "two_seconds")]
    pub timeout: HumanDuration,
    /// What the answer must be; any 2xx unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<HttpExpectation>,
}

/// What an HTTP answer must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpExpectation {
    /// The exact status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Text the body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

/// Connects; satisfied when something accepts, unsatisfied when the connection is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TcpProbe {
    /// `host:port`; `{{names}}` are filled.
    pub address: String,
    /// No answer by then is unknown.
    #[serde(default = "two_seconds")]
    pub timeout: HumanDuration,
}

/// How a probe's database is named.
pub const HOW_TO_CONNECT: &str = "write `connect: postgres://…` or `connect: sqlite:PATH`";

/// Runs a query in a read-only transaction and looks at the first column of the first row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SqlProbe {
    /// A `postgres://` URL (with `sslmode` and `sslrootcert` where it needs TLS), or `sqlite:PATH`; `{{names}}` are filled.
    pub connect: String,
    /// The query.
    pub query: String,
    /// What the first value must be; answering at all is enough unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<SqlExpectation>,
    /// No answer by then is unknown.
    #[serde(default = "two_seconds")]
    pub timeout: HumanDuration,
}

impl SqlProbe {
    /// Whether the database is named in a way that can be read; what has placeholders is not known yet.
    ///
    /// # Errors
    /// Why not.
    pub fn check_connect(&self) -> Result<(), DsnError> {
        if self.connect.starts_with("sqlite:") || template::names(&self.connect).next().is_some() {
            return Ok(());
        }
        dsn::postgres::read(&self.connect).map(drop)
    }
}

/// What a query's first value must be; exactly one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SqlExpectation {
    /// Equal to this text, after trimming.
    Equals(String),
    /// A number, at most this.
    AtMost(f64),
    /// A number, at least this.
    AtLeast(f64),
    /// This many rows.
    Rows(u64),
}

/// Looks whether a process is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProcessProbe {
    /// A pid of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The process of a host of the running lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lab: Option<Name>,
    /// What it must be.
    #[serde(default)]
    pub expect: ProcessState,
    /// No answer by then is unknown.
    #[serde(default = "two_seconds")]
    pub timeout: HumanDuration,
}

/// What a process is doing, as far as a probe cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// There, and not stopped.
    #[default]
    Running,
    /// Stopped by a signal or the freezer.
    Paused,
    /// Not there; a zombie counts as gone.
    Gone,
}
