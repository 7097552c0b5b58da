//! A throw-away MariaDB server, in a folder of its own, never as root.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::server::{folder_of, free_port};

const PROGRAM: &str = "/usr/sbin/mariadbd";

/// A running server with the user `ann` and the table `shop.orders`; ended with the value.
pub(crate) struct Mariadb {
    folder: TempDir,
    child: Child,
    pub(crate) port: u16,
}

/// As somebody who is not root; the package makes no user of its own.
fn as_user(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
    command
}

impl Mariadb {
    /// None, with the reason, where it is not installed; that is a failure where `CI` is `true`.
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "install the package mariadb-server-core");
            eprintln!("SKIPPED mariadb: no {PROGRAM}; install the package mariadb-server-core");
            return None;
        }
        let folder = folder_of("nobody", "deadstick-mariadb-");
        let path = folder.path().display().to_string();
        let output = as_user("/usr/bin/mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args([format!("--datadir={path}/data"), format!("--tmpdir={path}")])
            .current_dir("/")
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let first = folder.path().join("first.sql");
        let sql = "create database shop; create table shop.orders (id int) engine=InnoDB; insert into shop.orders values (1);
                   create user ann@'127.0.0.1' identified by 's3cret'; grant all on shop.* to ann@'127.0.0.1';";
        std::fs::write(&first, sql.replace('\n', " ").replace("; ", ";\n")).expect("written");
        let port = free_port();
        let child = as_user(PROGRAM)
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve"])
            .args([
                "--innodb-buffer-pool-size=16M",
                "--innodb-flush-log-at-trx-commit=0",
                "--key-buffer-size=1M",
            ])
            .args([
                format!("--datadir={path}/data"),
                format!("--socket={path}/socket"),
                format!("--port={port}"),
            ])
            .args([
                format!("--tmpdir={path}"),
                format!("--pid-file={path}/pid"),
                format!("--log-error={path}/log"),
            ])
            .arg(format!("--init-file={}", first.display()))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let server = Self { folder, child, port };
        let began = Instant::now();
        while server.ask("select 1").is_none() {
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "it does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    pub(crate) fn dsn(&self) -> String {
        format!("mysql://ann:s3cret@127.0.0.1:{}/shop", self.port)
    }

    /// Asks it by its own client program, which blocks; none when it says no.
    pub(crate) fn ask(&self, sql: &str) -> Option<String> {
        let output = Command::new("mariadb")
            .args([
                "--no-defaults",
                "--protocol=tcp",
                "--host=127.0.0.1",
                "--user=ann",
                "--connect-timeout=5",
                "-N",
                "-B",
            ])
            .arg(format!("--port={}", self.port))
            .args(["--execute", sql, "shop"])
            .env("MYSQL_PWD", "s3cret")
            .output()
            .expect("the program mariadb: install the package mariadb-client-core");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("ours");
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("reaped");
    }
}
