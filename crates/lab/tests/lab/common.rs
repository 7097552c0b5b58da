//! What the lab's tests share: a place for labs, a plain HTTP client, and a look for what is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use deadstick_core::identity::ProcessIdentity;
use deadstick_core::lab::LabDescription;
use deadstick_lab::{HostView, Lab, LabClient, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A temporary folder in which labs make theirs. World-passable, as the machine's own is: servers run as another user.
pub(crate) struct Bench {
    under: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let under = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(under.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self { under }
    }

    pub(crate) fn options(&self) -> Options {
        Options { program: program(), under: self.under.path().to_owned() }
    }

    pub(crate) async fn start(&self, lab: &'static LabDescription) -> Lab {
        let began = Instant::now();
        let prepared = Lab::prepare(lab, &self.options()).await.expect("the supervisor starts");
        assert!(!prepared.folder().exists(), "nothing is done before the start");
        let started = prepared.start(|words| eprintln!("{:>6.1?} {words}", began.elapsed())).await;
        eprintln!("{} was ready after {:.1?}", lab.name, began.elapsed());
        started.expect("the lab starts")
    }

    /// Stops the lab, and looks for what is left.
    pub(crate) async fn stop(&self, lab: Lab) {
        let (id, networks) = (lab.id().to_owned(), networks(lab.client()).await);
        let began = Instant::now();
        lab.stop().await.expect("it stops");
        eprintln!("stopping took {:.1?}", began.elapsed());
        // One that was killed is there until the kernel has let go of all it had.
        until("every process is gone", || async { residue(&id, &networks).is_empty() }).await;
        assert!(!mounts("self").contains("deadstick"), "the machine's own mounts were never touched");
        assert_eq!(self.content(), Vec::<PathBuf>::new());
    }

    /// Lets any user make a lab here.
    pub(crate) fn give_to_everybody(&self) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.under(), fs::Permissions::from_mode(0o1777)).expect("it is ours");
    }

    pub(crate) fn under(&self) -> &Path {
        self.under.path()
    }

    pub(crate) fn content(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.under.path()).expect("it is there");
        entries.map(|entry| entry.expect("readable").path()).collect()
    }
}

/// The example binary beside this test's own.
pub(crate) fn program() -> PathBuf {
    let me = std::env::current_exe().expect("a path");
    let folder = me.ancestors().nth(2).expect("target/debug/deps/test");
    let program = folder.join("examples/lab-process");
    assert!(program.exists(), "{} is built along with the tests", program.display());
    program
}

/// What is mounted, as a process sees it.
pub(crate) fn mounts(pid: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("it runs")
}

/// Inode numbers of the lab's network namespaces.
pub(crate) async fn networks(client: &LabClient) -> Vec<u64> {
    let Ok(status) = client.status().await else { return Vec::new() };
    status.hosts.values().filter_map(|host| host.network.as_ref().map(|n| n.inode)).collect()
}

/// Processes that name the lab or live in one of its networks. A zombie is gone: it only waits to be counted.
pub(crate) fn residue(id: &str, networks: &[u64]) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        let path = entry.path();
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let network = fs::metadata(path.join("ns/net")).map(|m| m.ino()).unwrap_or_default();
        if command.contains(id) || networks.contains(&network) {
            found.push(format!("{} {command}", path.display()));
        }
    }
    found
}

pub(crate) fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

pub(crate) fn signal(process: &ProcessIdentity, signal: Signal) {
    let pid = i32::try_from(process.pid).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

/// How long anything may take that must come at all, on a machine with other things to do.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Waits for something, and fails by its name.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < LONG, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether tests that make networks can run. Without the right, they fail where everything must be tried, and say so
/// elsewhere.
pub(crate) fn may_make_namespaces() -> bool {
    let may = deadstick_lab::may_make_namespaces();
    assert!(may || std::env::var("CI").as_deref() != Ok("true"), "CI must run this as root");
    if !may {
        eprintln!("SKIPPED namespaces: this needs root, or a user namespace with all capabilities");
    }
    may
}

/// Cuts a host off: no FIN, no RST.
pub(crate) fn cut(host: &HostView) {
    let network = host.network.as_ref().expect("it has one");
    let namespace = format!("--net={}", network.path().display());
    let status = Command::new("nsenter").args([&namespace, "ip", "link", "set", "eth0", "down"]).status();
    assert!(status.expect("nsenter runs").success());
}

/// Ways into the shop on PostgreSQL.
pub(crate) struct Shop {
    pub(crate) primary: tokio_postgres::Client,
    /// Where host job answers.
    pub(crate) job: String,
}

impl Shop {
    pub(crate) async fn of(client: &LabClient) -> Self {
        let variables = client.variables().await.expect("variables");
        let url = variables.get("db.primary").expect("there is a primary");
        let (primary, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it lets us in");
        tokio::spawn(connection);
        Self { primary, job: variables.get("job.address").expect("there is a job host").clone() }
    }
}

/// A customer with a fresh connection for each request.
#[derive(Clone)]
pub(crate) struct Http(String);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Http {
    pub(crate) async fn of(client: &LabClient) -> Self {
        let variables = client.variables().await.expect("variables");
        let url = variables.get("shop.url").expect("the shop has an address");
        Self(url.strip_prefix("http://").expect("it is plain HTTP").to_owned())
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Answer> {
        self.ask("GET", path).await
    }

    pub(crate) async fn post(&self, path: &str) -> Option<Answer> {
        self.ask("POST", path).await
    }

    /// The status of a checkout that is waited for; none when there is no answer.
    pub(crate) async fn checkout(&self) -> Option<u16> {
        timeout(LONG, self.post("/checkout")).await.ok().flatten().map(|answer| answer.status)
    }

    /// Whether a checkout has no answer within a second.
    pub(crate) async fn hangs(&self) -> bool {
        timeout(Duration::from_secs(1), self.post("/checkout")).await.is_err()
    }

    async fn ask(&self, method: &str, path: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.0).await.ok()?;
        let ask = format!(
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n")?.1.to_owned();
        Some(Answer { status, body })
    }
}
