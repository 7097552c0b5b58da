//! A throwaway PostgreSQL server, never as root, gone with the test.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Client, Config, NoTls};

/// A running server with TLS, for those who want it. Dropping it stops it; so does the end of the thread that started it, however that comes.
pub(crate) struct Postgres {
    port: u16,
    server: Child,
    /// Removed last.
    folder: tempfile::TempDir,
}

/// The newest PostgreSQL of this machine.
pub(crate) fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let version = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        })
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    found.pop().map(|(_, folder)| folder).or(on_path)
}

/// A user for a server that refuses to run as root: nothing when this is not root.
fn user() -> Option<(String, String)> {
    (rustix::process::geteuid().is_root()).then(|| {
        let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| {
                let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
                let mut ids = line.split(':').skip(2).map(str::to_owned);
                Some((ids.next()?, ids.next()?))
            })
            .expect("a user postgres or nobody")
    })
}

/// The command as that user, ended when the calling thread ends.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some((uid, gid)) = user() {
        command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A throw-away authority, and the server's certificate for its address.
fn certify(data: &Path, authority: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(authority, params.self_signed(&key).expect("signed").pem()).expect("written");
    let issuer = rcgen::Issuer::new(params, key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let pem = params.signed_by(&key, &issuer).expect("signed").pem();
    // In the file, where a test may change it.
    let settings = data.join("postgresql.conf");
    let before = std::fs::read_to_string(&settings).expect("readable");
    std::fs::write(settings, before + "\nssl = on\n").expect("written");
    for (name, text) in [("server.crt", pem), ("server.key", key.serialize_pem())] {
        let path = data.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
        if let Some((uid, gid)) = user() {
            let (uid, gid) = (uid.parse().expect("a number"), gid.parse().expect("a number"));
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).expect("a file of ours");
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a loopback port").port()
}

fn url(port: u16, user: &str) -> String {
    format!("postgres://{user}:hunter2@127.0.0.1:{port}/postgres")
}

async fn connect(port: u16, user: &str) -> Result<Client, tokio_postgres::Error> {
    let config: Config = url(port, user).parse()?;
    let (client, connection) = config.connect(NoTls).await?;
    // Ends when the client is dropped, or with the test's runtime.
    tokio::spawn(connection);
    Ok(client)
}

impl Postgres {
    pub(crate) async fn start(programs: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("deadstick-probe-").tempdir().expect("a folder");
        if let Some((uid, gid)) = user() {
            let (uid, gid) = (uid.parse().expect("a number"), gid.parse().expect("a number"));
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).expect("a folder of ours");
            assert_eq!(std::fs::metadata(folder.path()).expect("a folder").uid(), uid);
        }
        let data = folder.path().join("data");
        let settings = ["-A", "trust", "-U", "deadstick", "-E", "UTF8", "--no-locale", "--no-sync", "-D"];
        run(command(&programs.join("initdb"), folder.path()).args(settings).arg(&data));
        certify(&data, &folder.path().join("ca.pem"));
        let begun = Instant::now();
        'again: loop {
            let port = free_port();
            let mut server = command(&programs.join("postgres"), folder.path())
                .arg("-D")
                .arg(&data)
                .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"])
                .arg(folder.path())
                .stderr(Stdio::null())
                .spawn()
                .expect("a server");
            while connect(port, "deadstick").await.is_err() {
                assert!(begun.elapsed() < Duration::from_secs(60), "the server does not come up");
                if server.try_wait().expect("a child of ours").is_some() {
                    // Somebody was faster to take the port.
                    continue 'again;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return Self { port, server, folder };
        }
    }

    pub(crate) fn url(&self, user: &str) -> String {
        url(self.port, user)
    }

    /// The file with the certificate of its authority.
    pub(crate) fn authority(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// A session of the test's own.
    pub(crate) async fn session(&self) -> Client {
        connect(self.port, "deadstick").await.expect("a session")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("a server of ours");
    }

    /// Ends it at once, with all its sessions.
    pub(crate) fn stop(&mut self) {
        // A stopped process takes no other signal than these two.
        self.signal(Signal::CONT);
        self.signal(Signal::QUIT);
        self.server.wait().expect("a child of ours");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.stop();
        }
    }
}
