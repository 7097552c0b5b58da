//! Redis over TLS.

use super::common::certificates::{Authority, Signed};
use super::common::redis::Redis;
use super::common::{Bench, eventually, fault, store};
use super::{HERE, file, landed, refused};
use deadstick_faults::{Secrets, Undone, undo};
use nix::sys::signal::Signal;

const WRITE: &[&str] = &["SET", "a", "b"];

fn dsn(server: &Redis, parameters: &str, ours: Option<&Signed>) -> String {
    let files = ours.map_or(String::new(), |Signed { certificate, key }| {
        format!("&ssl_certfile={}&ssl_keyfile={}", certificate.display(), key.display())
    });
    format!("{}?{parameters}{files}", server.dsn())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_held_and_ended_over_tls() {
    let authority = Authority::new();
    let ours = authority.sign("nobody", &["ann"]);
    let Some(server) = Redis::secret(&authority, &authority.sign("nobody", HERE), &ours) else { return };
    let (bench, ca) = (Bench::new(), file(&authority));
    let injector = bench.injector().await;
    for (words, parameters) in [
        ("pause", format!("ssl_ca_certs={ca}")),
        ("pause commands=writes", format!("ssl_ca_certs={ca}&ssl_check_hostname=false")),
        ("pause commands=writes", "ssl_cert_reqs=none".to_owned()),
    ] {
        let injected = landed(&injector, fault(words), &dsn(&server, &parameters, Some(&ours))).await;
        assert!(server.ask_soon(WRITE).is_none(), "{words} {parameters}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
        assert_eq!(server.ask(WRITE).as_deref(), Some("OK"), "{words} {parameters}");
    }
    let unchecked = dsn(&server, "", Some(&ours)) + "#insecure";
    let injected = landed(&injector, fault("pause"), &unchecked).await;
    let intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    server.signal(Signal::SIGSTOP);
    let failure = undo(&intent, &Secrets::default()).await.expect_err("nobody answers");
    server.signal(Signal::SIGCONT);
    eventually("the server goes on", || server.ask_soon(WRITE).is_some()).await;
    // What people are told works: the same options, with the password where the program asks for it.
    assert!(failure.manual.contains("--insecure") && failure.manual.contains("--cert "), "{failure}");
    let manual = failure.manual.replace("--askpass ", "");
    let told = std::process::Command::new("sh").args(["-c", &manual]).env("REDISCLI_AUTH", "s3cret").output();
    let told = told.expect("a shell");
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), "OK", "{manual}: {told:?}");
    assert_eq!(injector.close().await, []);
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(ledger.contains("rediss:") && !ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_meant_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = authority.sign("nobody", &["ann"]);
    let theirs = authority.sign("nobody", &["cache.example"]);
    let Some(server) = Redis::secret(&authority, &theirs, &ours) else { return };
    let ca = file(&authority);
    refused(
        &fault("pause"),
        &[
            (dsn(&server, &format!("ssl_ca_certs={ca}"), Some(&ours)), "not for 127.0.0.1 but for"),
            (dsn(&server, &format!("ssl_ca_certs={}", file(&other)), Some(&ours)), "no authority"),
            (dsn(&server, "", Some(&ours)), "no authority"),
            (dsn(&server, "ssl_cert_reqs=none", None), "ertificate"),
            (server.dsn().replace("rediss:", "redis:"), "cannot be reached"),
            (format!("{}?ssl_ca_certs={ca}", server.dsn().replace("rediss:", "redis:")), "rediss://"),
        ],
    )
    .await;
}
