//! MariaDB over TLS.

use super::common::certificates::Authority;
use super::common::mariadb::Mariadb;
use super::common::{Bench, fault, store};
use super::{HERE, file, landed, refused};
use deadstick_core::ledger::{SessionIdentity, Undo};
use deadstick_faults::{Secrets, Undone, undo};

const WRITE: &str = "set session lock_wait_timeout = 1; insert into orders values (2)";

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_that_has_tls_speaks_it() {
    let authority = Authority::new();
    let Some(server) = Mariadb::secret(&authority, &authority.sign("nobody", HERE)) else { return };
    let (bench, ca) = (Bench::new(), file(&authority));
    let injector = bench.injector().await;
    for parameters in [
        String::new(),
        "?ssl-mode=required".to_owned(),
        format!("?ssl-ca={ca}"),
        format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ] {
        let dsn = server.dsn() + &parameters;
        // The server takes nobody without TLS: whoever holds a lock has it.
        let injected = landed(&injector, fault("lock table=orders"), &dsn).await;
        assert!(server.ask(WRITE).is_none(), "{dsn}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{dsn}");
        assert!(server.ask(WRITE).is_some(), "{dsn}");
    }
    assert_eq!(injector.close().await, []);
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(ledger.contains("VERIFY_IDENTITY") && !ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_meant_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let Some(server) = Mariadb::secret(&authority, &authority.sign("nobody", &["db.example"])) else {
        return;
    };
    let (dsn, ca) = (server.dsn(), file(&authority));
    refused(
        &fault("lock table=orders"),
        &[
            (format!("{dsn}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"), "not for 127.0.0.1 but for"),
            (format!("{dsn}?ssl-mode=VERIFY_CA&ssl-ca={}", file(&other)), "no authority"),
            (format!("{dsn}?ssl-mode=VERIFY_CA"), "no authority"),
            (format!("{dsn}?ssl-mode=DISABLED"), "Access denied"),
            (format!("{dsn}?ssl-mode=REQUIRED&ssl-ca={ca}"), "checks no certificate"),
        ],
    )
    .await;
    drop(server);
    let Some(plain) = Mariadb::start() else { return };
    refused(&fault("lock table=orders"), &[(format!("{}?ssl-mode=REQUIRED", plain.dsn()), "no TLS")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardian_and_the_next_start_speak_it_too() {
    let authority = Authority::new();
    let ours = authority.sign("root", &["ann"]);
    let Some(server) = Mariadb::secret(&authority, &authority.sign("nobody", HERE)) else { return };
    let files = format!("ssl-cert={}&ssl-key={}", ours.certificate.display(), ours.key.display());
    let dsn = format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}&{files}", server.dsn(), file(&authority));
    let bench = Bench::new();
    let injector = bench.injector().await;
    let injected = landed(&injector, fault("lock table=orders"), &dsn).await;
    let mut intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    let Undo::EndHolder { process, session: Some(session) } = &mut intent.undo else { panic!("{intent:?}") };
    // Not by the holder's end: only the server can let go.
    process.start_ticks += 1;
    let SessionIdentity::Connection(connection) = session.backend.clone() else { panic!("{session:?}") };
    let failure = undo(&intent, &Secrets::default()).await.expect_err("no password, no look");
    assert!(failure.why.contains("MYSQL_PWD"), "{failure}");
    // What people are told works: the same options, with the password where the program asks for it.
    let manual = failure.manual.replace("--password ", "--password=s3cret ");
    assert!(manual.contains(&format!("kill {}", connection.id)) && manual.contains("--ssl-ca="), "{manual}");
    let told = std::process::Command::new("sh").args(["-c", &manual]).output().expect("a shell");
    assert!(told.status.success(), "{manual}: {}", String::from_utf8_lossy(&told.stderr));
    assert!(server.ask(WRITE).is_some());
    assert_eq!(undo(&intent, &Secrets::with(Some("s3cret".to_owned()))).await, Ok(Undone::AlreadyGone));
    drop(injector);
}
