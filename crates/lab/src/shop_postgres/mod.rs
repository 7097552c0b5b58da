//! The shop on PostgreSQL: every host in a network namespace of its own, as the supervisor starts and steers them.
//!
//! - [`programs`], [`server`], [`settings`], [`sessions`]: the two servers;
//! - [`hosts`]: what each host has from the beginning;
//! - [`front`], [`job`], [`migrate`], [`answerer`]: the other processes.

pub(crate) mod answerer;
mod client;
pub(crate) mod front;
mod hosts;
pub(crate) mod job;
pub(crate) mod migrate;
pub(crate) mod programs;
mod server;
mod sessions;
mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use deadstick_core::identity::NetworkIdentity;

use self::hosts::{Answerer, Doors, build_network, host_option, open_front};
use self::server::{Kit, Server};
use crate::LabError;
use crate::describe::SHOP_POSTGRES;
use crate::shop::options_of;
use crate::supervisor::Practice;
use crate::supervisor::child::Child;
use crate::supervisor::children::{Children, What};
use crate::supervisor::network::Network;
use crate::supervisor::runs::Runs;
use crate::wire::{HostView, Started, Variables};

/// Of both servers.
const PORT: u16 = 5432;
/// The shop's database, and the role that everybody uses but the supervisor.
const DATABASE: &str = "shop";
const ROLE: &str = "shop";
/// How the clients name their sessions.
const FRONT: &str = "deadstick-lab front";
const JOB: &str = "deadstick-lab job";
const MIGRATE: &str = "deadstick-lab migrate";

/// How long a process that is asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) struct ShopPostgres {
    children: Children,
    network: Network,
    /// On each host, what answers as long as the host is on the network; it also holds the host's namespace for faults.
    answerers: BTreeMap<&'static str, Answerer>,
    primary: Server,
    replica: Server,
    front: Child,
    doors: Doors,
    runs: Runs,
    migrations: u32,
}

impl ShopPostgres {
    fn server(&self, name: &str) -> &Server {
        if name == "primary" { &self.primary } else { &self.replica }
    }

    async fn start_job(&mut self, settings: &BTreeMap<String, String>) -> Result<Started, LabError> {
        let database = settings.get("job.database").map_or("replica", String::as_str);
        let mut options = options_of("job", settings, job::SETTINGS);
        options.push(host_option(self.server(database).place.address));
        let namespace = &self.network.place("job")?.namespace;
        let child = self.children.start("job", What::Part("postgres-job", options), Some(namespace)).await?;
        self.runs.begin("job", "job", child).await
    }

    async fn start_migration(&mut self, given: &BTreeMap<String, String>) -> Result<Started, LabError> {
        self.migrations += 1;
        let value = |key: &&'static str| given.get(*key).map(|v| (*key, OsString::from(v)));
        let mut options: Vec<_> = migrate::OPTIONS.iter().filter_map(value).collect();
        options.push(("column", format!("migrated_{}", self.migrations).into()));
        options.push(host_option(self.primary.place.address));
        let namespace = &self.network.place("front")?.namespace;
        let child =
            self.children.start("migrate", What::Part("postgres-migrate", options), Some(namespace)).await?;
        self.runs.begin("migrate", "front", child).await
    }

    /// The process that gives a host its purpose.
    fn main_process(&self, host: &str) -> Option<&Child> {
        let child = match host {
            "front" => &self.front,
            "db" => &self.primary.child,
            "replica" => &self.replica.child,
            _ => return self.runs.running("job").map(|run| &run.child),
        };
        child.runs().then_some(child)
    }
}

impl Practice for ShopPostgres {
    async fn start(children: Children, folder: &Path, progress: &dyn Fn(&str)) -> Result<Self, LabError> {
        let bin = programs::find()?;
        let kit = Kit { bin, user: programs::user()?, folder: folder.to_owned() };
        progress("building the network, making the primary database");
        let lines =
            SHOP_POSTGRES.settings.iter().filter_map(|s| Some((s.key.strip_prefix("postgres.")?, s.default)));
        let lines = lines.map(|(name, value)| settings::line(name, value)).collect::<Result<String, _>>()?;
        let (built, data) = tokio::join!(build_network(&children), kit.initialise(&children, &lines));
        let ((mut network, answerers), data) = (built?, data?);
        let place = network.take("db")?;
        let primary = kit.start(&children, place, data, "primary").await?;
        progress("filling the shop's shelves");
        primary.fill().await?;
        progress("copying the primary to the replica, opening the web front");
        let at = primary.place.address;
        let place = network.take("replica")?;
        let replica = async {
            let data = kit.copy(&children, &place, at).await?;
            kit.start(&children, place, data, "replica").await
        };
        let (replica, front) = tokio::join!(replica, open_front(&children, network.place("front")?, at));
        let (replica, (front, port)) = (replica?, front?);
        let job = answerers
            .get("job")
            .ok_or_else(|| LabError::network("open a door", "host job has no answerer"))?;
        let front_at = SocketAddr::new(network.place("front")?.address, port);
        let doors = Doors::open(&network.hub, front_at, at, replica.place.address, job.address)?;
        let runs = Runs::default();
        Ok(Self { children, network, answerers, primary, replica, front, doors, runs, migrations: 0 })
    }

    fn runs(&mut self) -> &mut Runs {
        &mut self.runs
    }

    fn hosts(&self) -> BTreeMap<String, HostView> {
        let view = |(&host, answerer): (&&'static str, &Answerer)| {
            let holder = answerer.child.process.clone();
            let witness = if host == "db" { "front" } else { "db" };
            let view = HostView {
                process: self.main_process(host).map(|child| child.process.clone()),
                network: Some(NetworkIdentity::of_process(holder, answerer.child.network)),
                address: Some(answerer.address.ip()),
                witness: self.answerers.get(witness).map(|w| w.address),
            };
            (host.to_owned(), view)
        };
        self.answerers.iter().map(view).collect()
    }

    fn variables(&self) -> Variables {
        let database = |port: u16| format!("postgres://{ROLE}@127.0.0.1:{port}/{DATABASE}");
        let mut variables = Variables::from([
            ("shop.url".to_owned(), format!("http://127.0.0.1:{}", self.doors.shop)),
            ("db.primary".to_owned(), database(self.doors.primary)),
            ("db.replica".to_owned(), database(self.doors.replica)),
            ("job.address".to_owned(), format!("127.0.0.1:{}", self.doors.job)),
        ]);
        if let Some(run) = self.runs.running("job") {
            variables.insert("job.pid".to_owned(), run.child.process.pid.to_string());
        }
        // A server may keep the session of a job that is dead: that is what the story is about.
        if let Some(session) = self.runs.session("job") {
            variables.insert("job.backend".to_owned(), session.pid.to_string());
        }
        variables
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        if let Some(name) = key.strip_prefix("postgres.") {
            settings::set(&self.primary, name, value).await?;
            return settings::set(&self.replica, name, value).await;
        }
        match key.strip_prefix("front.") {
            Some(own) => self.front.set(own, value).await,
            // The job is told when it starts.
            None => Ok(()),
        }
    }

    async fn run(
        &mut self,
        command: &str,
        options: &BTreeMap<String, String>,
        settings: &BTreeMap<String, String>,
    ) -> Result<Started, LabError> {
        if command == "job" { self.start_job(settings).await } else { self.start_migration(options).await }
    }

    async fn end(&mut self, host: &str) -> Result<(), LabError> {
        let child = self.main_process(host);
        child.ok_or_else(|| LabError::NothingRuns { host: host.to_owned() })?.end(GRACE).await
    }

    async fn terminate(&mut self, backend: i32) -> Result<(), LabError> {
        sessions::end_one(&self.primary, backend).await
    }

    async fn reset(&mut self) -> Result<(), LabError> {
        self.runs.kill().await?;
        for server in [&self.primary, &self.replica] {
            if server.child.runs() {
                sessions::end_ours(server).await?;
            }
        }
        self.runs.forget_sessions();
        Ok(())
    }
}
