//! SQL probes against a real PostgreSQL: values, locks, errors, and what must not be written.
//!
//! One server serves all the parts, one after the other, because starting it takes most of the time.

use std::time::{Duration, Instant};

use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};
use deadstick_core::probe::{Observation, Probe, SqlExpectation, SqlProbe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Context, Prober};
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::support::database::{self, Postgres};
use crate::support::required;

/// Who asks, and where.
struct Asker {
    prober: Prober,
    url: String,
}

impl Asker {
    async fn ask(&self, query: &str, expect: Option<SqlExpectation>, timeout_ms: u64) -> Observation {
        let timeout = HumanDuration::millis(timeout_ms);
        let probe =
            Probe::Sql(SqlProbe { connect: self.url.clone(), query: query.to_owned(), expect, timeout });
        let seen = self.prober.ask(&probe, &Context::default()).await;
        assert!(!seen.detail.contains("hunter2"), "the password is out: {seen:?}");
        assert!(seen.took < timeout.0 + Duration::from_secs(5), "{query}: {seen:?}");
        seen
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn a_real_server() {
    let Some(programs) = database::programs() else {
        assert!(!required(), "CI must have PostgreSQL (package postgresql)");
        eprintln!("skipped: no PostgreSQL here (package postgresql)");
        return;
    };
    let mut server = Postgres::start(&programs).await;
    let asker = Asker { prober: Prober::new().expect("a client"), url: server.url("deadstick") };
    let session = server.session().await;
    session
        .batch_execute(
            "CREATE TABLE orders (n int, note text); INSERT INTO orders VALUES (1, 'first'), (2, NULL);
             CREATE TYPE mood AS ENUM ('calm', 'busy'); CREATE SEQUENCE ticket;
             CREATE ROLE guest LOGIN CONNECTION LIMIT 0;",
        )
        .await
        .expect("a schema");
    values(&asker).await;
    writes(&asker, &session).await;
    locks(&asker, &session).await;
    errors(&asker, &server, &session).await;
    secrecy(&asker, &server, &session).await;
    drop(session);
    silence_and_end(&asker, &mut server).await;
}

async fn values(asker: &Asker) {
    for (query, value) in [
        ("SELECT count(*) FROM orders", Some("2")),
        ("SELECT 1;", Some("1")),
        ("SELECT 1 -- and no more", Some("1")),
        ("SELECT 2.50::numeric", Some("2.50")),
        ("SELECT 0.1::float8", Some("0.1")),
        ("SELECT 'x'::text, 'unread'", Some("x")),
        ("SELECT 't'::text", Some("t")),
        ("SELECT true", Some("true")),
        ("SELECT 1 > 2", Some("false")),
        ("SELECT NULL::int", Some("null")),
        ("SELECT 'busy'::mood", Some("busy")),
        ("SELECT timestamptz '2026-11-21 10:00Z' AT TIME ZONE 'UTC'", Some("2026-11-21 10:00:00")),
        ("SELECT interval '90 seconds'", Some("00:01:30")),
        ("SELECT '{\"a\": 1}'::jsonb", Some("{\"a\": 1}")),
        ("SELECT n FROM orders WHERE n > 2", None),
        ("VALUES (7), (8)", Some("7")),
        ("TABLE orders", Some("1")),
        ("(SELECT 1)", Some("1")),
        ("WITH x AS (SELECT 5 AS i) SELECT i FROM x", Some("5")),
        ("SHOW transaction_read_only", Some("on")),
        (" show application_name", Some("deadstick-probe")),
        ("SELECT E'\\x1b[2Jgone'", Some("[2Jgone")),
    ] {
        let seen = asker.ask(query, None, 10_000).await;
        assert_eq!((seen.answer, seen.value.as_deref()), (Satisfied, value), "{query}: {seen:?}");
    }
    for (query, expect, answer) in [
        ("SELECT g FROM generate_series(1, 5000) g", SqlExpectation::Rows(5000), Satisfied),
        ("SELECT g FROM generate_series(1, 5000) g", SqlExpectation::Rows(4999), Unsatisfied),
        ("SELECT 1 WHERE false", SqlExpectation::Rows(0), Satisfied),
        ("SELECT count(*) FROM orders", SqlExpectation::Equals("2".to_owned()), Satisfied),
        ("SELECT count(*) FROM orders", SqlExpectation::AtMost(1.0), Unsatisfied),
        ("SELECT max(n) FROM orders WHERE n > 9", SqlExpectation::AtMost(1.0), Unknown),
    ] {
        let seen = asker.ask(query, Some(expect.clone()), 10_000).await;
        assert_eq!(seen.answer, answer, "{query} {expect:?}: {seen:?}");
    }
}

async fn writes(asker: &Asker, session: &Client) {
    let folder = tempfile::tempdir().expect("a folder");
    // Anybody may write there, so that only the probe stands in the way.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("a folder of ours");
    let file = folder.path().join("out");
    for query in [
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING n",
        "WITH gone AS (DELETE FROM orders RETURNING n) SELECT n FROM gone",
        "SELECT 1; DELETE FROM orders",
        "COMMIT; DELETE FROM orders",
        "ROLLBACK",
        "SELECT nextval('ticket')",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET TRANSACTION READ WRITE",
        "SELECT * INTO copied FROM orders",
        "SELECT n FROM orders FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "SELECT query_to_xml('DELETE FROM orders RETURNING n', true, true, '')",
        &format!("COPY orders TO '{}'", file.display()),
        &format!("COPY (SELECT 1) TO PROGRAM 'cat > {}'", file.display()),
        "",
        "-- nothing",
    ] {
        let seen = asker.ask(query, None, 10_000).await;
        assert_eq!(seen.answer, Unknown, "{query}: {seen:?}");
    }
    let after = session
        .query_one("SELECT (SELECT count(*) FROM orders), (SELECT NOT is_called FROM ticket)", &[])
        .await
        .expect("counts");
    assert_eq!((after.get::<_, i64>(0), after.get::<_, bool>(1), file.exists()), (2, true, false));
}

/// How many sessions of probes the server has.
async fn sessions(session: &Client) -> i64 {
    // Within a transaction the view is kept as it was first seen.
    session.batch_execute("SELECT pg_stat_clear_snapshot()").await.expect("a fresh look");
    let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'deadstick-probe'";
    session.query_one(query, &[]).await.expect("a count").get(0)
}

async fn none_left(session: &Client) {
    let begun = Instant::now();
    while sessions(session).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a probe's session stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn locks(asker: &Asker, session: &Client) {
    session.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.expect("the lock");
    let seen = asker.ask("SELECT count(*) FROM orders", None, 2000).await;
    assert_eq!(seen.answer, Unknown, "{seen:?}");
    assert!(
        seen.detail.contains("no answer within 2s (canceling statement due to statement timeout)"),
        "{seen:?}"
    );
    assert_eq!(asker.ask("SELECT 1", None, 10_000).await.answer, Satisfied, "what waits for no lock");
    // Dropped while it waits for the lock: the server ends it by itself.
    let patience = Duration::from_millis(300);
    let dropped = tokio::time::timeout(patience, asker.ask("SELECT n FROM orders", None, 2000)).await;
    assert!(dropped.is_err(), "it was still waiting");
    none_left(session).await;
    session.batch_execute("ROLLBACK").await.expect("the lock goes");
    assert_eq!(asker.ask("SELECT count(*) FROM orders", None, 10_000).await.value.as_deref(), Some("2"));
}

async fn errors(asker: &Asker, server: &Postgres, session: &Client) {
    for (query, code) in
        [("SELEC 1", "42601"), ("SELECT 1 FROM no_such_table", "42P01"), ("SELECT 1 / 0", "22012")]
    {
        let seen = asker.ask(query, None, 10_000).await;
        assert_eq!(seen.answer, Unknown, "{seen:?}");
        assert!(seen.detail.contains(code), "{seen:?}");
    }
    // The server has no room for this role: it says that it cannot serve.
    let guest = Asker { prober: asker.prober.clone(), url: server.url("guest") };
    let seen = guest.ask("SELECT 1", None, 10_000).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("53300")), "{seen:?}");
    let stranger = Asker { prober: asker.prober.clone(), url: server.url("nobody-known") };
    assert_eq!(stranger.ask("SELECT 1", None, 10_000).await.answer, Unknown);
    for url in ["", "hunter2", "mysql://u:hunter2@h/db", "postgres://u:hunter2@h:port/db"] {
        let odd = Asker { prober: asker.prober.clone(), url: url.to_owned() };
        assert_eq!(odd.ask("SELECT 1", None, 5000).await.answer, Unknown, "{url}");
    }
    // An operator ends the probe's session under it.
    let asked = asker.ask("SELECT pg_sleep(30)", None, 30_000);
    let ended = async {
        while sessions(session).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'deadstick-probe'";
        session.query_one(end, &[]).await.expect("the end of a session");
    };
    let (seen, ()) = tokio::join!(asked, ended);
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("57P01")), "{seen:?}");
}

/// TLS as far as the address asks for it.
async fn secrecy(asker: &Asker, server: &Postgres, session: &Client) {
    let at = |parameters: &str| Asker {
        prober: asker.prober.clone(),
        url: format!("{}{parameters}", server.url("deadstick")),
    };
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let ca = server.authority();
    for (parameters, value) in [
        (String::new(), "true"),
        ("?sslmode=disable".to_owned(), "false"),
        ("?sslmode=require".to_owned(), "true"),
        (format!("?sslmode=verify-full&sslrootcert={ca}"), "true"),
    ] {
        let seen = at(&parameters).ask(query, None, 10_000).await;
        assert_eq!(seen.value.as_deref(), Some(value), "{parameters}: {seen:?}");
    }
    for (parameters, word) in [
        ("?sslmode=verify-full", "no authority"),
        ("?sslmode=verify-ca&sslrootcert=/nowhere.pem", "/nowhere.pem"),
        ("?sslmode=sometimes", "verify-full"),
    ] {
        let seen = at(parameters).ask(query, None, 10_000).await;
        assert!(seen.answer == Unknown && seen.detail.contains(word), "{parameters}: {seen:?}");
    }
    session.batch_execute("ALTER SYSTEM SET ssl = off").await.expect("written");
    session.batch_execute("SELECT pg_reload_conf()").await.expect("read again");
    let began = Instant::now();
    while at("").ask(query, None, 10_000).await.value.as_deref() != Some("false") {
        assert!(began.elapsed() < Duration::from_secs(30), "the server still has TLS");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = at("?sslmode=require").ask(query, None, 10_000).await;
    assert!(seen.answer == Unknown && seen.detail.contains("does not support TLS"), "{seen:?}");
}

async fn silence_and_end(asker: &Asker, server: &mut Postgres) {
    server.signal(Signal::STOP);
    let seen = asker.ask("SELECT 1", None, 400).await;
    assert_eq!((seen.answer, seen.detail.as_str()), (Unknown, "no answer within 400ms"), "{seen:?}");
    server.stop();
    let seen = asker.ask("SELECT 1", None, 10_000).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("refused")), "{seen:?}");
}
