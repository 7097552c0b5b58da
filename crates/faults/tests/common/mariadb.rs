//! A throw-away MariaDB server.

use std::process::Command;

use nix::sys::signal::Signal;

use super::certificates::{Authority, Signed};
use super::daemon::{Daemon, as_nobody, is_installed, printed};
use super::server::{folder_of, free_port};

const PROGRAM: &str = "/usr/sbin/mariadbd";

/// A running server with the user `ann` and the table `shop.orders`; ended with the value.
pub(crate) struct Mariadb {
    daemon: Daemon,
    pub(crate) port: u16,
}

impl Mariadb {
    /// One without TLS. None, with the reason, where it is not installed; that is a failure where `CI` is `true`.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&["--skip-ssl".to_owned()])
    }

    /// One to which nobody may speak without TLS.
    pub(crate) fn secret(authority: &Authority, Signed { certificate, key }: &Signed) -> Option<Self> {
        Self::start_with(&[
            format!("--ssl-ca={}", authority.file().display()),
            format!("--ssl-cert={}", certificate.display()),
            format!("--ssl-key={}", key.display()),
            "--require-secure-transport=on".to_owned(),
        ])
    }

    fn start_with(more: &[String]) -> Option<Self> {
        if !is_installed(PROGRAM, "mariadb-server-core") {
            return None;
        }
        let folder = folder_of("nobody", "deadstick-mariadb-");
        let path = folder.path().display().to_string();
        let output = as_nobody("/usr/bin/mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .args([format!("--datadir={path}/data"), format!("--tmpdir={path}")])
            .current_dir("/")
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sql = "create database shop;
create table shop.orders (id int) engine=InnoDB;
insert into shop.orders values (1);
create user ann@'127.0.0.1' identified by 's3cret';
grant all on shop.* to ann@'127.0.0.1';
";
        std::fs::write(folder.path().join("first.sql"), sql).expect("written");
        let (port, log) = (free_port(), folder.path().join("log"));
        let mut arguments: Vec<String> = [
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--key-buffer-size=1M",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend([
            format!("--datadir={path}/data"),
            format!("--socket={path}/socket"),
            format!("--port={port}"),
            format!("--tmpdir={path}"),
            format!("--pid-file={path}/pid"),
            format!("--log-error={path}/log"),
            format!("--init-file={path}/first.sql"),
        ]);
        arguments.extend_from_slice(more);
        let mut daemon = Daemon::start(folder, PROGRAM, arguments);
        daemon.until(|| ask(port, "select 1").is_some(), &log);
        Some(Self { daemon, port })
    }

    pub(crate) fn dsn(&self) -> String {
        format!("mysql://ann:s3cret@127.0.0.1:{}/shop", self.port)
    }

    /// Asks it by its own client program, which blocks and has TLS where the server has; none when it says no.
    pub(crate) fn ask(&self, sql: &str) -> Option<String> {
        ask(self.port, sql)
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }
}

fn ask(port: u16, sql: &str) -> Option<String> {
    let mut command = Command::new("mariadb");
    command
        .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=ann", "--connect-timeout=5"])
        .args(["-N", "-B"])
        .arg(format!("--port={port}"))
        .args(["--execute", sql, "shop"])
        .env("MYSQL_PWD", "s3cret");
    printed(&mut command, "mariadb-client-core")
}
