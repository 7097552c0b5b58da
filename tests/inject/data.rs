//! The examples about files, databases and load, on file systems and servers made for them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Host;
use crate::certificates::Authority;
use crate::examples::{lands, words};
use crate::server::Server;
use crate::stage::ok;

/// The words that run a program beside a file system of its own, seen by nobody else and gone with the program.
fn beside(mount: &str) -> Vec<String> {
    let script = format!("{mount} && exec \"$@\"");
    ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

#[test]
fn disk_fill() {
    let host = Host::new();
    let folder = host.place.path().join("scratch");
    fs::create_dir(&folder).expect("it is ours");
    let folder = folder.display().to_string();
    let within = beside(&format!("mount -t tmpfs -o size=64m none {folder}"));
    lands(&host, &within, &words("disk-fill", &[("/mnt/scratch", &folder)]));
}

#[test]
fn fs_freeze() {
    let host = Host::new();
    let folder = host.place.path().join("scratch");
    fs::create_dir(&folder).expect("it is ours");
    let (folder, image) = (folder.display().to_string(), host.place.file("image", ""));
    ok(&["truncate", "-s", "32M", &image]);
    ok(&["mkfs.ext4", "-q", &image]);
    let within = beside(&format!("mount -o loop {image} {folder}"));
    lands(&host, &within, &words("fs-freeze", &[("/mnt/scratch", &folder)]));
}

#[test]
fn file_lock() {
    let host = Host::new();
    let file = host.place.file("app.lock", "");
    lands(&host, &[], &words("file-lock", &[("/var/lock/app.lock", &file)]));
}

/// A host with a PostgreSQL server that has the example's table, and the server's URL.
fn shop() -> Option<(Host, Server, String)> {
    let server = Server::start()?;
    let dsn = server.dsn();
    ok(&["psql", "-q", &dsn, "-c", "create table orders (id int); insert into orders values (1)"]);
    Some((Host::new(), server, dsn))
}

fn postgres(kind: &str) {
    let Some((host, _server, dsn)) = shop() else { return };
    let words = words(kind, &[("postgres://app@127.0.0.1/shop", &dsn)]);
    let ran = lands(&host, &[], &words);
    assert!(!ran.out.contains("s3cret") && !ran.err.contains("s3cret"), "{}{}", ran.out, ran.err);
    let left = "select count(*) from pg_stat_activity where application_name like 'deadstick%'";
    assert_eq!(ok(&["psql", "-qtA", &dsn, "-c", left]).trim(), "0", "{kind}");
}

#[test]
fn lock() {
    postgres("lock");
}

#[test]
fn a_password_may_stay_in_the_environment() {
    let Some((host, server, _)) = shop() else { return };
    let dsn = format!("postgres://ann@127.0.0.1:{}/postgres", server.port);
    let mut command =
        host.place.command(&host.args(&["lock", "--dsn", &dsn, "--table", "orders", "--for", "5s"]));
    let output = command.env("PGPASSWORD", "s3cret").output().expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    host.is_clean("after the lock");
}

#[test]
fn a_lock_over_tls_lands_and_a_server_without_it_is_refused() {
    let authority = Authority::new();
    let signed = authority.sign("postgres", &["127.0.0.1"]);
    let Some(server) = Server::secret(&authority, &signed) else { return };
    let host = Host::new();
    // A path as it is typed, from the folder in which one is; the guardian reads it in another.
    fs::copy(authority.file(), host.place.path().join("ca.pem")).expect("ours");
    let inject = |dsn: String| {
        let words = host.args(&["lock", "--dsn", &dsn, "--advisory", "7", "--for", "4s"]);
        let output = host.place.command(&words).current_dir(host.place.path()).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = inject(format!("{}?sslmode=verify-full&sslrootcert=ca.pem", server.dsn()));
    assert_eq!(code, Some(0), "{said}");
    host.is_clean("after the lock");
    let (code, said) = inject(format!("{}?sslmode=verify-full", server.dsn()));
    assert!(code == Some(7) && said.contains("no authority"), "{code:?} {said}");
    let Some(plain) = Server::start() else { return };
    let (code, said) = inject(format!("{}?sslmode=require", plain.dsn()));
    assert!(
        code == Some(7) && said.contains("does not support TLS") && !said.contains("s3cret"),
        "{code:?} {said}"
    );
    host.is_clean("after a refusal");
}

#[test]
fn idle_in_transaction() {
    postgres("idle-in-transaction");
}

#[test]
fn exhaust_connections() {
    postgres("exhaust-connections");
}

#[test]
fn pause_replay() {
    let Some((host, server, _)) = shop() else { return };
    let replica = server.replica();
    let dsn = replica.dsn();
    lands(&host, &[], &words("pause-replay", &[("postgres://postgres@127.0.0.1:5433/postgres", &dsn)]));
    let paused = ok(&["psql", "-qtA", &dsn, "-c", "select pg_is_wal_replay_paused()"]);
    assert_eq!(paused.trim(), "f");
}

#[test]
fn terminate_backends() {
    let Some((host, _server, dsn)) = shop() else { return };
    let mut session = Command::new("psql");
    session.args(["-q", &dsn, "-c", "select pg_sleep(600)"]).env("PGAPPNAME", "shop");
    let mut session = session.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql starts");
    let there = "select count(*) from pg_stat_activity where application_name = 'shop'";
    while ok(&["psql", "-qtA", &dsn, "-c", there]).trim() != "1" {
        std::thread::sleep(Duration::from_millis(20));
    }
    lands(&host, &[], &words("terminate-backends", &[("postgres://app@127.0.0.1/shop", &dsn)]));
    assert!(!session.wait().expect("it is ours").success(), "its session was ended");
}

/// Answers every request with nothing, until it is to stop.
fn serve(listener: &TcpListener, stop: &Arc<AtomicBool>) {
    listener.set_nonblocking(true).expect("a socket");
    while !stop.load(Ordering::Acquire) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        let stop = Arc::clone(stop);
        std::thread::spawn(move || {
            stream.set_nonblocking(false).expect("a socket");
            stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let mut bytes = [0; 4096];
            while !stop.load(Ordering::Acquire) {
                match stream.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(_) => drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        });
    }
}

#[test]
fn spike() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/item/{{key}}", listener.local_addr().expect("it is bound"));
    let stop = Arc::new(AtomicBool::new(false));
    let serving = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || serve(&listener, &stop))
    };
    let host = Host::new();
    lands(&host, &[], &words("spike", &[("http://127.0.0.1:8080/item/{key}", &url)]));
    stop.store(true, Ordering::Release);
    serving.join().expect("it stops");
}
