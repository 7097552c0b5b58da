//! Throw-away PostgreSQL servers, each in a folder of its own, never as root: one that stands alone, or a replica of it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::certificates::{Authority, Signed};

/// A running server; stopped with the value.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
}

/// The newest installed programs. None prints why, and is a failure where `CI` is `true`.
#[expect(clippy::print_stderr, reason = "a skip says why")]
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.sort();
    let newest = found.into_iter().rfind(|path| path.join("initdb").exists());
    if newest.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "PostgreSQL is missing: install the package postgresql"
        );
        eprintln!("SKIPPED postgres: nothing in /usr/lib/postgresql; install the package postgresql");
    }
    newest
}

/// Runs as `postgres` when this is root: the server refuses root.
fn as_user(program: PathBuf) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// Runs a program to its end, which must be a good one.
fn quiet(command: &mut Command) {
    let output = command.current_dir("/").stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port that is free. The kernel gives none of these to connections, one of which could take it before its server does,
/// and test programs that run beside each other look for theirs in different places.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut ports = std::iter::repeat_with(|| {
        let number = std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + number % COUNT).expect("below 65536")
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(COUNT as usize).find(is_free).expect("not all are taken")
}

/// A folder that belongs to this user when this is root.
pub(crate) fn folder_of(user: &str, prefix: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().expect("a folder");
    if rustix::process::geteuid().is_root() {
        quiet(Command::new("chown").arg(user).arg(folder.path()));
    }
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
    folder
}

/// A server's options about TLS.
pub(crate) fn tls_options(authority: &Authority, Signed { certificate, key }: &Signed) -> String {
    format!(
        "-c max_connections=12 -c ssl=on -c ssl_ca_file={} -c ssl_cert_file={} -c ssl_key_file={}",
        authority.file().display(),
        certificate.display(),
        key.display()
    )
}

impl Server {
    /// One that stands alone, with few places, and without TLS.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("-c max_connections=12", str::to_owned)
    }

    /// One to which nobody may speak without TLS.
    pub(crate) fn secret(authority: &Authority, signed: &Signed) -> Option<Self> {
        Self::start_with(&tls_options(authority, signed), |hba| hba.replace("\nhost ", "\nhostssl "))
    }

    /// One with these options, and with its rules of who may come changed.
    pub(crate) fn start_with(options: &str, rules: impl FnOnce(&str) -> String) -> Option<Self> {
        let programs = programs()?;
        let folder = folder_of("postgres", "deadstick-postgres-");
        let password = folder.path().join("password");
        std::fs::write(&password, "s3cret\n").expect("written");
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).expect("ours");
        quiet(
            as_user(programs.join("initdb"))
                .arg("-D")
                .arg(folder.path().join("data"))
                .args(["-U", "ann", "--auth=scram-sha-256", "--no-sync", "--no-instructions"])
                .arg(format!("--pwfile={}", password.display())),
        );
        let hba = folder.path().join("data/pg_hba.conf");
        let before = std::fs::read_to_string(&hba).expect("readable");
        std::fs::write(&hba, rules(&before)).expect("written");
        Some(Self { folder, programs, port: free_port() }.run(options))
    }

    /// A streaming replica of this one.
    pub(crate) fn replica(&self) -> Self {
        let folder = folder_of("postgres", "deadstick-replica-");
        quiet(
            as_user(self.programs.join("pg_basebackup"))
                .env("PGPASSWORD", "s3cret")
                .args([
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &self.port.to_string(),
                    "-U",
                    "ann",
                    "-R",
                    "-X",
                    "stream",
                    "-c",
                    "fast",
                ])
                .args(["--no-sync", "-D"])
                .arg(folder.path().join("data")),
        );
        Self { folder, programs: self.programs.clone(), port: free_port() }.run("-c max_connections=12")
    }

    fn run(self, more: &str) -> Self {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off -c shared_buffers=16MB {more}",
            self.port,
            self.folder.path().display()
        );
        quiet(
            as_user(self.programs.join("pg_ctl"))
                .arg("-D")
                .arg(self.folder.path().join("data"))
                .args(["-w", "-o", &options, "-l"])
                .arg(self.folder.path().join("log"))
                // A server keeps what it inherits open, and who reads that would wait for its end.
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .arg("start"),
        );
        self
    }

    /// SIGSTOP to its first process, or SIGCONT.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let file = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).expect("it runs");
        let pid = file.lines().next().and_then(|line| line.parse().ok()).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("ours");
    }

    /// Asks it by its own client program, which blocks; none when it says no.
    pub(crate) fn ask(&self, sql: &str) -> Option<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-c", sql, &self.dsn()])
            .env("PGCONNECT_TIMEOUT", "5")
            .output()
            .expect("psql runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A session of somebody with this name, which sleeps; none of it waits for the test.
    pub(crate) fn sleeper(&self, application: &str) -> std::process::Child {
        let child = Command::new(self.programs.join("psql"))
            .args(["-X", "-c", "select pg_sleep(600)", &self.dsn()])
            .env("PGAPPNAME", application)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql runs");
        let sql = format!(
            "select count(*) > 0 from pg_stat_activity where application_name = '{application}' and state = 'active'"
        );
        while self.ask(&sql).as_deref() != Some("t") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        child
    }

    pub(crate) fn dsn(&self) -> String {
        format!("postgres://ann:s3cret@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let status = as_user(self.programs.join("pg_ctl"))
            .current_dir("/")
            .arg("-D")
            .arg(data)
            .args(["-w", "-m", "immediate", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "the server stops");
    }
}
