//! The shop on an SQLite file: a front and a nightly job, as the supervisor starts and steers them.
//!
//! - [`store`]: the file, its tables, and what front and job do with them;
//! - [`pool`]: the front's workers;
//! - [`front`], [`job`]: the two processes.

pub(crate) mod front;
pub(crate) mod job;
mod pool;
mod store;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::LabError;
use crate::describe::{self, SHOP};
use crate::supervisor::Practice;
use crate::supervisor::child::Child;
use crate::supervisor::children::{Children, What};
use crate::supervisor::runs::Runs;
use crate::wire::{HostView, Started, Variables};

/// How long a process that is asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) struct Shop {
    children: Children,
    file: PathBuf,
    front: Child,
    port: u16,
    runs: Runs,
}

/// `--key value` of every setting of one process: `front.lock-wait` becomes `--lock-wait`.
pub(crate) fn options_of(
    prefix: &str,
    settings: &BTreeMap<String, String>,
    known: &[&'static str],
) -> Vec<(&'static str, OsString)> {
    let value =
        |key: &&'static str| settings.get(&format!("{prefix}.{key}")).map(|v| (*key, OsString::from(v)));
    known.iter().filter_map(value).collect()
}

impl Practice for Shop {
    async fn start(children: Children, folder: &Path, progress: &dyn Fn(&str)) -> Result<Self, LabError> {
        progress("filling the shop's shelves");
        let file = folder.join("shop.sqlite");
        store::fill(&file).map_err(|e| LabError::start("filling the shop's shelves", e))?;
        progress("opening the web front");
        let mut options = options_of("front", &describe::defaults(&SHOP), front::SETTINGS);
        options.push(("file", file.clone().into()));
        let mut front = children.start("front", What::Part("shop-front", options), None).await?;
        let port = front.port().await?;
        Ok(Self { children, file, front, port, runs: Runs::default() })
    }

    fn runs(&mut self) -> &mut Runs {
        &mut self.runs
    }

    fn hosts(&self) -> BTreeMap<String, HostView> {
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let view = |child: Option<&Child>| HostView {
            process: child.filter(|c| c.runs()).map(|c| c.process.clone()),
            network: None,
            address,
            witness: None,
        };
        let job = self.runs.running("job").map(|run| &run.child);
        BTreeMap::from([("front".to_owned(), view(Some(&self.front))), ("job".to_owned(), view(job))])
    }

    fn variables(&self) -> Variables {
        let mut variables = Variables::from([
            ("shop.url".to_owned(), format!("http://127.0.0.1:{}", self.port)),
            ("db.file".to_owned(), format!("sqlite:{}", self.file.display())),
        ]);
        if let Some(run) = self.runs.running("job") {
            variables.insert("job.pid".to_owned(), run.child.process.pid.to_string());
        }
        variables
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        match key.strip_prefix("front.") {
            Some(own) => self.front.set(own, value).await,
            // The job is told when it starts.
            None => Ok(()),
        }
    }

    async fn run(
        &mut self,
        _: &str,
        _: &BTreeMap<String, String>,
        settings: &BTreeMap<String, String>,
    ) -> Result<Started, LabError> {
        let mut options = options_of("job", settings, job::SETTINGS);
        options.push(("file", self.file.clone().into()));
        let child = self.children.start("job", What::Part("shop-job", options), None).await?;
        self.runs.begin("job", "job", child).await
    }

    async fn end(&mut self, host: &str) -> Result<(), LabError> {
        let child = match host {
            "front" => Some(&self.front).filter(|front| front.runs()),
            _ => self.runs.running("job").map(|run| &run.child),
        };
        child.ok_or_else(|| LabError::NothingRuns { host: host.to_owned() })?.end(GRACE).await
    }

    async fn terminate(&mut self, _: i32) -> Result<(), LabError> {
        Err(LabError::NoServer { lab: SHOP.name.to_owned() })
    }

    async fn reset(&mut self) -> Result<(), LabError> {
        self.runs.kill().await
    }
}
