//! PostgreSQL over TLS.

use std::process::Command;

use super::common::certificates::Authority;
use super::common::server::{Server, tls_options};
use super::common::{Bench, Talker, fault, program, store};
use super::{HERE, file, landed, refused};
use deadstick_faults::{Secrets, Undone, process, undo};

fn shop(server: &Server) {
    server.ask("create table orders (id int); insert into orders values (1), (2)").expect("made");
}

/// How many sessions of ours there are, and whether all of them are over TLS.
const OURS: &str = "select count(*) || ' ' || coalesce(bool_and(ssl), false) from pg_stat_ssl join pg_stat_activity using (pid)
                    where application_name like 'deadstick/%'";

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_that_has_tls_speaks_it() {
    let authority = Authority::new();
    let Some(server) = Server::secret(&authority, &authority.sign("postgres", HERE)) else { return };
    shop(&server);
    let (bench, ca) = (Bench::new(), file(&authority));
    let injector = bench.injector().await;
    for parameters in [
        String::new(),
        "?sslmode=prefer".to_owned(),
        "?sslmode=require".to_owned(),
        // The proof of the password is bound to the certificate, which cannot be passed on by somebody in between.
        "?sslmode=require&channel_binding=require".to_owned(),
        format!("?sslmode=require&sslrootcert={ca}"),
        format!("?sslmode=verify-ca&sslrootcert={ca}"),
        format!("?sslmode=verify-full&sslrootcert={ca}"),
    ] {
        let dsn = server.dsn() + &parameters;
        let injected = landed(&injector, fault("lock table=orders"), &dsn).await;
        assert_eq!(server.ask(OURS).as_deref(), Some("1 true"), "{dsn}");
        assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done), "{dsn}");
        assert_eq!(server.ask(OURS).as_deref(), Some("0 false"), "{dsn}");
    }
    let words = format!(
        "host=localhost port={} user=ann password=s3cret dbname=postgres sslmode=verify-full sslrootcert='{ca}'",
        server.port
    );
    landed(&injector, fault("idle-in-transaction table=orders"), &words).await;
    assert_eq!(injector.close().await, []);
    assert_eq!(server.ask(OURS).as_deref(), Some("0 false"));
    let ledger = std::fs::read_to_string(bench.ledger()).expect("readable");
    assert!(ledger.contains("verify-full") && ledger.contains(&ca) && !ledger.contains("s3cret"), "{ledger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_fill_a_server_or_end_others_speak_it_too() {
    let authority = Authority::new();
    let Some(server) = Server::secret(&authority, &authority.sign("postgres", HERE)) else { return };
    let dsn = format!("{}?sslmode=verify-full&sslrootcert={}", server.dsn(), file(&authority));
    let bench = Bench::new();
    let injector = bench.injector().await;
    let mut sleeper = server.sleeper("web");
    let injected = landed(&injector, fault("terminate-backends application=web"), &dsn).await;
    assert!(sleeper.wait().expect("ours").code().is_some());
    assert!(injector.undo(&injected.id, "asked").await.is_ok());
    let injected = landed(&injector, fault("exhaust-connections leave=2"), &dsn).await;
    let ours = server.ask(OURS).expect("a place is left");
    assert!(ours.ends_with(" true") && !ours.starts_with("0 "), "{ours}");
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(injector.close().await, []);
    assert_eq!(server.ask(OURS).as_deref(), Some("0 false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_ask_for_a_certificate_of_ours() {
    let authority = Authority::new();
    let signed = authority.sign("postgres", HERE);
    let rules = |hba: &str| format!("hostssl all ann 127.0.0.1/32 cert\n{hba}");
    let Some(server) = Server::start_with(&tls_options(&authority, &signed), rules) else { return };
    let ours = authority.sign("root", &["ann"]);
    let dsn = format!(
        "postgres://ann@127.0.0.1:{}/postgres?sslmode=verify-full&sslrootcert={}",
        server.port,
        file(&authority)
    );
    let with = format!("{dsn}&sslcert={}&sslkey={}", ours.certificate.display(), ours.key.display());
    let bench = Bench::new();
    let injector = bench.injector().await;
    let injected = landed(&injector, fault("lock advisory=7"), &with).await;
    assert_eq!(injector.undo(&injected.id, "asked").await, Ok(Undone::Done));
    assert_eq!(injector.close().await, []);
    refused(
        &fault("lock advisory=7"),
        &[
            (dsn.clone(), "certificate"),
            (format!("{dsn}&sslcert={0}&sslkey={0}", ours.certificate.display()), "no key in PEM"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_meant_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let Some(server) = Server::secret(&authority, &authority.sign("postgres", &["db.example"])) else {
        return;
    };
    let (dsn, ca) = (server.dsn(), file(&authority));
    refused(
        &fault("lock advisory=7"),
        &[
            (format!("{dsn}?sslmode=verify-full&sslrootcert={ca}"), "not for 127.0.0.1 but for"),
            (format!("{dsn}?sslmode=verify-ca&sslrootcert={}", file(&other)), "no authority"),
            (format!("{dsn}?sslmode=verify-ca"), "no authority"),
            (format!("{dsn}?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem"), "/nowhere/ca.pem"),
            (format!("{dsn}?sslmode=verify-ca&sslrootcert=/dev/null"), "no certificate in PEM"),
            (format!("{dsn}?sslmode=disable"), "no encryption"),
            (format!("{dsn}?sslmode=allow"), "verify-full"),
            (format!("{dsn}?sslrootcert={ca}"), "checks no certificate"),
        ],
    )
    .await;
    let bench = Bench::new();
    let injector = bench.injector().await;
    landed(&injector, fault("lock advisory=7"), &format!("{dsn}?sslmode=verify-ca&sslrootcert={ca}")).await;
    assert_eq!(injector.close().await, []);
    drop(server);

    let Some(plain) = Server::start() else { return };
    refused(
        &fault("lock advisory=7"),
        &[(format!("{}?sslmode=require", plain.dsn()), "does not support TLS")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_out_of_date_is_refused_and_one_that_signed_itself_may_be_trusted() {
    let authority = Authority::new();
    let old = authority.sign_as("postgres", HERE, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let Some(server) = Server::secret(&authority, &old) else { return };
    let (dsn, ca) = (server.dsn(), file(&authority));
    let itself = old.certificate.display();
    refused(
        &fault("lock advisory=7"),
        &[
            (format!("{dsn}?sslmode=verify-full&sslrootcert={ca}"), "has expired"),
            (format!("{dsn}?sslmode=verify-full&sslrootcert={itself}"), "has expired"),
        ],
    )
    .await;
    drop(server);

    // As `openssl req -x509` makes them: it says of itself that it is an authority.
    let signed = authority.sign_itself("postgres", HERE);
    let Some(server) = Server::secret(&authority, &signed) else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    let itself = signed.certificate.display();
    landed(
        &injector,
        fault("lock advisory=7"),
        &format!("{}?sslmode=verify-full&sslrootcert={itself}", server.dsn()),
    )
    .await;
    assert_eq!(injector.close().await, []);
    refused(
        &fault("lock advisory=7"),
        &[(format!("{}?sslmode=verify-ca&sslrootcert={ca}", server.dsn()), "certificate")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_handshake_succeeds_prefer_goes_on_without() {
    let authority = Authority::new();
    let signed = authority.sign("postgres", HERE);
    // Versions of before 1.2 are spoken by nobody any more.
    let options = tls_options(&authority, &signed)
        + " -c ssl_min_protocol_version=TLSv1 -c ssl_max_protocol_version=TLSv1.1";
    let Some(server) = Server::start_with(&options, str::to_owned) else { return };
    let bench = Bench::new();
    let injector = bench.injector().await;
    landed(&injector, fault("lock advisory=7"), &server.dsn()).await;
    assert_eq!(server.ask(OURS).as_deref(), Some("1 false"));
    assert_eq!(injector.close().await, []);
    refused(&fault("lock advisory=7"), &[(format!("{}?sslmode=require", server.dsn()), "TLS")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_own_authorities_are_asked_where_no_file_is_named() {
    let authority = Authority::new();
    let Some(server) = Server::secret(&authority, &authority.sign("postgres", HERE)) else { return };
    for (dsn, trusted) in [
        (format!("{}?sslmode=verify-full", server.dsn()), true),
        (format!("{}?sslrootcert=system", server.dsn()), true),
        (format!("{}?sslmode=verify-full", server.dsn()), false),
    ] {
        let order = serde_json::json!({
            "what": { "postgres": { "dsn": dsn, "held": { "advisory": { "number": 7, "mode": "exclusive" } } } },
            "application": "deadstick/test", "ends_boottime_ms": process::boottime_ms() + 30_000
        });
        let mut command = Command::new(program());
        command.arg("hold").env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        if trusted {
            command.env("SSL_CERT_FILE", authority.file());
        }
        let mut holder = Talker::start(&mut command);
        assert!(holder.tell(&order.to_string()));
        let said = holder.hear().expect("it says how it went");
        let word = if trusted { "ready" } else { "no authority" };
        assert!(said.contains(word), "{dsn}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardian_and_the_next_start_speak_it_too() {
    let authority = Authority::new();
    let Some(server) = Server::secret(&authority, &authority.sign("postgres", HERE)) else { return };
    let dsn = format!("{}?sslmode=verify-full&sslrootcert={}", server.dsn(), file(&authority));
    let bench = Bench::new();
    let injector = bench.injector().await;
    let injected = landed(&injector, fault("lock advisory=7"), &dsn).await;
    let mut intent = store::faults(&bench.ledger())[&injected.id].intent.clone();
    // Not by the holder's end: only the server can let go.
    let deadstick_core::ledger::Undo::EndHolder { process, .. } = &mut intent.undo else {
        panic!("{intent:?}")
    };
    process.start_ticks += 1;
    let failure = undo(&intent, &Secrets::default()).await.expect_err("no password, no look");
    assert!(
        failure.why.contains("PGPASSWORD") && failure.manual.contains("sslmode='verify-full'"),
        "{failure}"
    );
    assert_eq!(undo(&intent, &Secrets::with(Some("s3cret".to_owned()))).await, Ok(Undone::Done));
    assert_eq!(server.ask(OURS).as_deref(), Some("0 false"));
    assert_eq!(injector.close().await, []);
}
