//! A throw-away PostgreSQL server, in a folder of its own, never as root.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

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

impl Server {
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("deadstick-postgres-").tempdir().expect("a folder");
        if rustix::process::geteuid().is_root() {
            let chown =
                Command::new("chown").arg("postgres").arg(folder.path()).status().expect("chown runs");
            assert!(chown.success());
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        let data = folder.path().join("data");
        let quiet = |command: &mut Command| {
            let status = command
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("it runs");
            assert!(status.success(), "{command:?}");
        };
        let password = folder.path().join("password");
        std::fs::write(&password, "s3cret\n").expect("written");
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).expect("ours");
        quiet(
            as_user(programs.join("initdb"))
                .arg("-D")
                .arg(&data)
                .args(["-U", "ann", "--auth=scram-sha-256", "--no-sync", "--no-instructions"])
                .arg(format!("--pwfile={}", password.display())),
        );
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off -c shared_buffers=16MB",
            folder.path().display()
        );
        quiet(
            as_user(programs.join("pg_ctl"))
                .arg("-D")
                .arg(&data)
                .args(["-w", "-o", &options, "-l"])
                .arg(folder.path().join("log"))
                .arg("start"),
        );
        Some(Self { folder, programs, port })
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
