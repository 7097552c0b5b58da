//! SQL probes against SQLite files: values, locks, and what must not be written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};
use deadstick_core::probe::{Observation, Probe, SqlExpectation, SqlProbe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Context, Prober};
use rusqlite::Connection;

struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn open(journal: &str) -> (Self, Connection) {
        let shop = Self { folder: tempfile::tempdir().expect("a folder") };
        let file = Connection::open(shop.path()).expect("a database");
        file.execute_batch(&format!(
            "PRAGMA journal_mode = {journal}; CREATE TABLE orders (n INTEGER, note TEXT);
             INSERT INTO orders VALUES (1, 'first'), (2, NULL), (3, 'third');"
        ))
        .expect("a table");
        (shop, file)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }
}

fn probe(path: &Path, query: &str, expect: Option<SqlExpectation>, timeout_ms: u64) -> Probe {
    let timeout = HumanDuration::millis(timeout_ms);
    Probe::Sql(SqlProbe {
        connect: format!("sqlite:{}", path.display()),
        query: query.to_owned(),
        expect,
        timeout,
    })
}

async fn ask(path: &Path, query: &str, expect: Option<SqlExpectation>, timeout_ms: u64) -> Observation {
    Prober::new().expect("a client").ask(&probe(path, query, expect, timeout_ms), &Context::default()).await
}

#[tokio::test]
async fn values_of_every_type_are_text() {
    let (shop, _file) = Shop::open("WAL");
    for (query, value) in [
        ("SELECT count(*) FROM orders", Some("3")),
        ("SELECT 2.5", Some("2.5")),
        ("SELECT note FROM orders ORDER BY n", Some("first")),
        ("SELECT NULL", Some("null")),
        ("SELECT x'00ff'", Some("x'00ff'")),
        ("SELECT n FROM orders WHERE n > 3", None),
        ("PRAGMA user_version", Some("0")),
        ("SELECT 1; -- and no more", Some("1")),
    ] {
        let seen = ask(&shop.path(), query, None, 5000).await;
        assert_eq!((seen.answer, seen.value.as_deref()), (Satisfied, value), "{query}: {seen:?}");
    }
    let rows = |n| Some(SqlExpectation::Rows(n));
    assert_eq!(ask(&shop.path(), "SELECT * FROM orders", rows(3), 5000).await.answer, Satisfied);
    assert_eq!(ask(&shop.path(), "SELECT * FROM orders", rows(2), 5000).await.answer, Unsatisfied);
    let equals = Some(SqlExpectation::Equals("3".to_owned()));
    assert_eq!(ask(&shop.path(), "SELECT max(n) FROM orders", equals, 5000).await.answer, Satisfied);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let (shop, file) = Shop::open("WAL");
    let other = shop.folder.path().join("other.db");
    for query in [
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING n",
        "SELECT 1; DELETE FROM orders",
        "PRAGMA user_version = 7",
        "DROP TABLE orders",
        "VACUUM",
        &format!("ATTACH '{}' AS other", other.display()),
        &format!("VACUUM INTO '{}'", other.display()),
        "",
    ] {
        let seen = ask(&shop.path(), query, None, 5000).await;
        assert_eq!(seen.answer, Unknown, "{query}: {seen:?}");
    }
    let rows: i64 = file.query_row("SELECT count(*) FROM orders", [], |r| r.get(0)).expect("a count");
    let version: i64 = file.query_row("PRAGMA user_version", [], |r| r.get(0)).expect("a number");
    assert_eq!((rows, version, other.exists()), (3, 0, false));
    let missing = shop.folder.path().join("missing.db");
    assert_eq!(ask(&missing, "SELECT 1", None, 5000).await.answer, Unknown);
    assert!(!missing.exists(), "asking made a file");
}

#[tokio::test]
async fn a_lock_is_waited_for_and_then_unknown() {
    let (shop, file) = Shop::open("DELETE");
    file.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
    // On a busy machine the time may be over before the database has said why; it says so another time.
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "another holds the database locked") {
        let one = ask(&shop.path(), "SELECT count(*) FROM orders", None, 2000).await;
        assert_eq!(one.answer, Unknown, "{one:?}");
        seen.push(one.detail);
        assert!(seen.len() < 20, "{seen:?}");
    }
    // Given back in time, it is as if it had not been.
    let asked = tokio::spawn({
        let path = shop.path();
        async move { ask(&path, "SELECT count(*) FROM orders", None, 20_000).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    file.execute_batch("ROLLBACK").expect("the lock goes");
    assert_eq!(asked.await.expect("no panic").value.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_write_ahead_log_lets_readers_pass() {
    let (shop, file) = Shop::open("WAL");
    file.execute_batch("BEGIN IMMEDIATE; DELETE FROM orders").expect("the write lock");
    assert_eq!(
        ask(&shop.path(), "SELECT count(*) FROM orders", None, 5000).await.value.as_deref(),
        Some("3")
    );
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// The runtime waits for its blocking threads, so these tests end only if the query does.
#[test]
fn an_endless_query_ends_with_its_time_or_its_asker() {
    let (shop, _file) = Shop::open("WAL");
    for (timeout_ms, dropped_after_ms) in [(300, 60_000), (600_000, 50)] {
        let begun = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let seen = runtime.block_on(async {
            let path = shop.path();
            let asked = ask(&path, ENDLESS, None, timeout_ms);
            tokio::time::timeout(Duration::from_millis(dropped_after_ms), asked).await.ok()
        });
        drop(runtime);
        assert!(begun.elapsed() < Duration::from_secs(60), "the query went on");
        if let Some(seen) = seen {
            assert_eq!(seen.answer, Unknown, "{seen:?}");
            assert_eq!(seen.detail, "no answer within 300ms", "{seen:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_database_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "dear diary ".repeat(100)).expect("a file");
    assert_eq!(ask(&path, "SELECT count(*) FROM sqlite_schema", None, 5000).await.answer, Unknown);
}
