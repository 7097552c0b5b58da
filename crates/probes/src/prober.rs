//! The one door: ask a probe, get an observation.
//!
//! Owns the HTTP client, the timeout around every probe and the choice of module; leaves the asking to the modules.

use std::collections::BTreeMap;
use std::time::Instant;

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::probe::{Observation, Probe};
use deadstick_core::units::Name;

use crate::verdict::Verdict;
use crate::{http, process, sql, tcp};

/// What probes refer to by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// What runs on each host of the running lab; none where nothing does. A host that is not here is not known.
    pub processes: BTreeMap<Name, Option<ProcessIdentity>>,
}

/// No probe can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// Asks probes. Cheap to clone; clones share one HTTP client.
#[derive(Clone, Debug)]
pub struct Prober {
    pub(crate) http: reqwest::Client,
}

impl Prober {
    /// A prober. Installs the process's TLS provider if there is none yet. Without system certificates it still
    /// works, and `https:` answers unknown.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be made.
    pub fn new() -> Result<Self, ProberError> {
        Ok(Self { http: http::client()? })
    }

    /// Asks, and answers within the probe's timeout whatever happens. May be dropped at any moment: what was opened
    /// is closed, and a query that still runs is ended by its own time limit.
    pub async fn ask(&self, probe: &Probe, context: &Context) -> Observation {
        let started = Instant::now();
        let timeout = probe.timeout();
        let asked = async {
            match probe {
                Probe::Http(probe) => http::ask(&self.http, probe).await,
                Probe::Tcp(probe) => tcp::ask(probe).await,
                Probe::Sql(probe) => sql::ask(probe).await,
                Probe::Process(probe) => process::ask(probe, context),
            }
        };
        let verdict =
            tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| Verdict::silence(timeout));
        verdict.observed(started.elapsed())
    }
}
