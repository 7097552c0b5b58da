//! The shop on PostgreSQL, for real: every beat of the flagship story, with each of its defences.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::common::{Bench, Http, Shop, cut, may_make_namespaces, none, signal, until};
use deadstick_lab::{Lab, LabClient, LabError, RunState, SHOP_POSTGRES};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How the server is told to be patient with the dead: the system's defaults.
const PATIENT: [(&str, &str); 4] = [
    ("postgres.tcp_keepalives_idle", "0s"),
    ("postgres.tcp_keepalives_interval", "0s"),
    ("postgres.tcp_keepalives_count", "0"),
    ("postgres.tcp_user_timeout", "0s"),
];

async fn set(client: &LabClient, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        client.set(key, value).await.unwrap_or_else(|e| panic!("{key}: {e}"));
    }
}

/// What the primary says of the job's session: its state, and whether it holds its share of the table lock.
async fn session(shop: &Shop) -> Option<(String, bool)> {
    let query =
        "SELECT state, EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation = 'orders'::regclass
                                       AND l.mode = 'AccessShareLock' AND l.granted)
                 FROM pg_stat_activity a WHERE application_name = 'deadstick-lab job'";
    let row = shop.primary.query_opt(query, &[]).await.expect("the primary answers")?;
    Some((row.get(0), row.get(1)))
}

/// Starts the job, waits until it reads, cuts its host off and kills it.
async fn lose_the_job(lab: &Lab) {
    let client = lab.client();
    let started = client.run("job", &none()).await.expect("it starts");
    let shop = Shop::of(client).await;
    let backend = client.variables().await.expect("variables").get("job.backend").cloned();
    assert_eq!(backend, started.session.map(|s| s.pid.to_string()));
    sleep(Duration::from_millis(150)).await;
    cut(&client.host("job").await.expect("a host"));
    signal(&started.process, Signal::SIGKILL);
    until("the door refuses", || async {
        let refused = TcpStream::connect(&shop.job).await;
        refused.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
    })
    .await;
    assert!(client.host("job").await.expect("a host").process.is_none());
}

async fn migrate(client: &LabClient, options: &[(&str, &str)]) {
    let options: BTreeMap<_, _> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    client.run("migrate", &options).await.expect("it starts");
}

async fn migration_state(client: &LabClient) -> Option<(RunState, Option<String>)> {
    let runs = client.status().await.ok()?.runs;
    runs.into_iter().find(|run| run.command == "migrate").map(|run| (run.state, run.said))
}

#[tokio::test]
async fn all_holes_open_queue_the_shop_behind_a_dead_job() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.database", "primary"), ("job.transaction", "whole-run")]).await;
    set(client, &PATIENT).await;
    let (shop, http) = (Shop::of(client).await, Http::of(client).await);
    assert_eq!(http.checkout().await, Some(200));
    assert!(TcpStream::connect(&shop.job).await.is_ok(), "its host is well");
    lose_the_job(&lab).await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(
        session(&shop).await,
        Some(("idle in transaction".to_owned(), true)),
        "the dead keep their lock"
    );
    assert_eq!(http.checkout().await, Some(200), "which harms nobody yet");

    migrate(client, &[("lock-timeout", "0s")]).await;
    until("checkouts hang", || async { http.hangs().await }).await;
    assert_eq!(http.get("/catalogue").await.map(|a| a.status), Some(200), "the catalogue is another table");

    let backend =
        client.variables().await.expect("variables").get("job.backend").cloned().expect("it is known");
    assert!(matches!(client.terminate(999_999).await, Err(LabError::NoSession { pid: 999_999 })));
    client.terminate(backend.parse().expect("a pid")).await.expect("it is there");
    assert_eq!(session(&shop).await, None);
    until("checkouts go through", || async { http.checkout().await == Some(200) }).await;
    until("the migration is done", || async {
        migration_state(client).await.is_some_and(|(state, _)| state == RunState::Exited { code: 0 })
    })
    .await;
    bench.stop(lab).await;
}

#[tokio::test]
async fn a_tuned_server_drops_the_dead() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.database", "primary"), ("job.transaction", "whole-run")]).await;
    let shop = Shop::of(client).await;
    let began = Instant::now();
    lose_the_job(&lab).await;
    // Measured: about 4 s. No test of speed: the untuned server takes two hours.
    until("the session is gone", || async { session(&shop).await.is_none() }).await;
    eprintln!("the session was gone after {:.1?}", began.elapsed());
    bench.stop(lab).await;
}

#[tokio::test]
async fn a_job_that_commits_batch_by_batch_leaves_no_lock() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.database", "primary")]).await;
    set(client, &PATIENT).await;
    let (shop, http) = (Shop::of(client).await, Http::of(client).await);
    lose_the_job(&lab).await;
    // A batch that was on its way is finished first.
    until("it is there, but empty-handed", || async {
        session(&shop).await.expect("there") == ("idle".to_owned(), false)
    })
    .await;
    migrate(client, &[("lock-timeout", "0s")]).await;
    until("the migration is done", || async {
        migration_state(client).await.is_some_and(|(state, _)| state == RunState::Exited { code: 0 })
    })
    .await;
    assert_eq!(http.checkout().await, Some(200));
    client.reset().await.expect("it resets");
    assert_eq!(session(&shop).await, None);
    assert!(!client.variables().await.expect("variables").contains_key("job.backend"));
    bench.stop(lab).await;
}

#[tokio::test]
async fn a_job_on_the_replica_is_not_in_the_way() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.transaction", "whole-run")]).await;
    set(client, &PATIENT).await;
    let (shop, http) = (Shop::of(client).await, Http::of(client).await);
    lose_the_job(&lab).await;
    assert_eq!(session(&shop).await, None, "it is a session of the replica");
    migrate(client, &[("lock-timeout", "0s")]).await;
    until("the migration is done", || async {
        migration_state(client).await.is_some_and(|(state, _)| state == RunState::Exited { code: 0 })
    })
    .await;
    assert_eq!(http.checkout().await, Some(200));
    bench.stop(lab).await;
}

#[tokio::test]
async fn a_job_asked_to_end_rolls_back_at_once() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.database", "primary"), ("job.transaction", "whole-run"), ("job.batches", "2")]).await;
    set(client, &PATIENT).await;
    let shop = Shop::of(client).await;
    let started = client.run("job", &none()).await.expect("it starts");
    assert_eq!(session(&shop).await, Some(("idle in transaction".to_owned(), true)));
    assert!(matches!(client.run("job", &none()).await, Err(LabError::StillRunning { .. })));
    // It is asleep between its two batches.
    signal(&started.process, Signal::SIGTERM);
    until("it is gone, in order", || async {
        let state = client.status().await.expect("status").runs.remove(0).state;
        assert!(!matches!(state, RunState::Killed { .. }), "{state:?}");
        state == RunState::Exited { code: 0 } && session(&shop).await.is_none()
    })
    .await;
    bench.stop(lab).await;
}

#[tokio::test]
async fn a_migration_that_gives_up_lets_everybody_through() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    set(client, &[("job.database", "primary"), ("job.transaction", "whole-run")]).await;
    set(client, &PATIENT).await;
    let http = Http::of(client).await;
    lose_the_job(&lab).await;
    migrate(client, &[("lock-timeout", "1s"), ("retry-after", "1m")]).await;
    until("it gives up for now", || async {
        migration_state(client).await.is_some_and(|(state, said)| {
            state == RunState::Running && said.is_some_and(|s| s.contains("try 1 of 10"))
        })
    })
    .await;
    assert_eq!(http.checkout().await, Some(200));
    client.reset().await.expect("it resets");
    let states: Vec<_> =
        client.status().await.expect("status").runs.into_iter().map(|run| run.state).collect();
    assert!(!states.contains(&RunState::Running), "{states:?}");
    bench.stop(lab).await;
}
