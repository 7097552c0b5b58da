//! The embedded shop, for real: every beat of the first lesson, and an end that leaves nothing.

use std::time::{Duration, Instant};

use super::common::{Bench, Http, LONG, none, signal, until};
use deadstick_lab::{LabClient, LabError, RunState, SHOP};
use nix::sys::signal::Signal;

/// Waits until the job has committed its first batch, or holds the write lock for its whole run.
async fn has_begun(client: &LabClient, batch_by_batch: bool) {
    let variables = client.variables().await.expect("variables");
    let file = variables["db.file"].strip_prefix("sqlite:").expect("a file").to_owned();
    until("the job has begun", || async {
        let shop = rusqlite::Connection::open(&file).expect("it is there");
        shop.busy_timeout(Duration::ZERO).expect("a setting");
        if batch_by_batch {
            shop.query_row("SELECT count(*) FROM report", [], |row| row.get::<_, u32>(0)) == Ok(1)
        } else {
            shop.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
        }
    })
    .await;
}

#[tokio::test]
async fn the_shop_serves_and_leaves_nothing() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let client = lab.client().clone();
    let shop = Http::of(&client).await;
    assert_eq!(shop.get("/catalogue").await.map(|a| a.status), Some(200));
    assert_eq!(shop.post("/checkout").await.map(|a| a.status), Some(200));
    let health = shop.get("/health").await.expect("it answers");
    assert!(health.body.contains("\"workers\":4"), "{}", health.body);

    let found = LabClient::connect(client.folder()).await.expect("it is there");
    assert_eq!(found.description().name, "shop");
    let status = found.status().await.expect("it answers");
    assert_eq!(status.settings.get("front.lock-wait").map(String::as_str), Some("250ms"));
    assert!(status.variables.get("db.file").is_some_and(|f| f.starts_with("sqlite:")));
    assert!(!status.variables.contains_key("job.pid"), "no job runs yet");
    bench.stop(lab).await;
    assert!(matches!(client.status().await, Err(LabError::Ended)));
}

#[tokio::test]
async fn a_hung_job_with_all_holes_open_takes_the_catalogue_along() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let client = lab.client();
    for (key, value) in
        [("job.transaction", "whole-run"), ("front.lock-wait", "0s"), ("front.bulkhead", "off")]
    {
        client.set(key, value).await.expect("it is a setting");
    }
    let started = client.run("job", &none()).await.expect("it starts");
    has_begun(client, false).await;
    signal(&started.process, Signal::SIGSTOP);
    assert_eq!(
        client.variables().await.expect("variables").get("job.pid"),
        Some(&started.process.pid.to_string())
    );
    assert!(matches!(client.run("job", &none()).await, Err(LabError::StillRunning { .. })));

    let shop = Http::of(client).await;
    let customers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let shop = shop.clone();
                async move { shop.post("/checkout").await }
            })
        })
        .collect();
    until("every worker waits for the lock", || async {
        shop.get("/health").await.is_some_and(|h| h.body.contains("\"waiting-for-write-lock\":4"))
    })
    .await;
    let catalogue = tokio::time::timeout(Duration::from_millis(700), shop.get("/catalogue")).await;
    assert!(catalogue.is_err(), "the catalogue hangs, too: {catalogue:?}");

    // What the responder does: a stopped process does not hear SIGTERM.
    client.end("job").await.expect("it is ended");
    for customer in customers {
        let answer = customer.await.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200, "whoever waited is served: {}", answer.body);
    }
    assert_eq!(shop.get("/catalogue").await.map(|a| a.status), Some(200));
    let run = client.status().await.expect("status").runs.remove(0);
    assert_eq!(run.state, RunState::Killed { signal: Signal::SIGKILL as i32 });
    bench.stop(lab).await;
}

#[tokio::test]
async fn each_defence_holds_by_itself() {
    let holes = [("job.transaction", "whole-run"), ("front.lock-wait", "0s"), ("front.bulkhead", "off")];
    for (closed, _) in holes {
        let bench = Bench::new();
        let lab = bench.start(&SHOP).await;
        let client = lab.client();
        // One batch at once, and the other one in an hour: between them is where it hangs.
        let slow = [("job.batches", "2"), ("job.run-time", "2h")];
        for (key, value) in slow.into_iter().chain(holes.into_iter().filter(|(key, _)| *key != closed)) {
            client.set(key, value).await.expect("it is a setting");
        }
        let started = client.run("job", &none()).await.expect("it starts");
        has_begun(client, closed == "job.transaction").await;
        signal(&started.process, Signal::SIGSTOP);
        let shop = Http::of(client).await;
        let mut customers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let shop = shop.clone();
            customers.spawn(async move { shop.post("/checkout").await });
        }
        let began = Instant::now();
        until("the catalogue answers", || async {
            let ask = tokio::time::timeout(Duration::from_secs(1), shop.get("/catalogue")).await;
            began.elapsed() > Duration::from_millis(300)
                && ask.ok().flatten().is_some_and(|a| a.status == 200)
        })
        .await;
        // The others wait for ever where the wait has no limit: reset lets them go.
        client.reset().await.expect("it resets");
        while let Some(customer) = customers.join_next().await {
            let answer = customer.expect("no panic").expect("an answer");
            let allowed: &[u16] = if closed == "front.lock-wait" { &[503, 200] } else { &[200] };
            assert!(allowed.contains(&answer.status), "{closed}: {} {}", answer.status, answer.body);
        }
        bench.stop(lab).await;
    }
}

#[tokio::test]
async fn the_job_asked_to_end_rolls_back_and_says_so() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let client = lab.client();
    for (key, value) in [("job.transaction", "whole-run"), ("job.run-time", "1h"), ("job.batches", "2")] {
        client.set(key, value).await.expect("it is a setting");
    }
    let started = client.run("job", &none()).await.expect("it starts");
    let shop = Http::of(client).await;
    assert_eq!(shop.post("/checkout").await.map(|a| a.status), Some(503), "the lock is held");
    signal(&started.process, Signal::SIGTERM);
    until("the job ended", || async {
        client
            .status()
            .await
            .is_ok_and(|s| s.runs.iter().all(|run| run.state == RunState::Exited { code: 0 }))
    })
    .await;
    assert_eq!(shop.post("/checkout").await.map(|a| a.status), Some(200));
    assert!(client.host("job").await.expect("a host").process.is_none());
    bench.stop(lab).await;
}

#[tokio::test]
async fn settings_take_effect_while_it_runs_and_nonsense_is_refused() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let client = lab.client();
    let shop = Http::of(client).await;
    for workers in ["9", "1", "4"] {
        client.set("front.workers", workers).await.expect("it is a number");
        let health = shop.get("/health").await.expect("it answers").body;
        assert!(health.contains(&format!("\"workers\":{workers}")), "{health}");
        assert_eq!(shop.get("/catalogue").await.map(|a| a.status), Some(200));
    }
    assert!(matches!(client.set("front.workers", "many").await, Err(LabError::BadValue { .. })));
    assert!(matches!(client.set("font.workers", "2").await, Err(LabError::UnknownSetting { .. })));
    assert!(matches!(client.run("migrate", &none()).await, Err(LabError::UnknownCommand { .. })));
    assert!(matches!(client.end("job").await, Err(LabError::NothingRuns { .. })));
    assert!(matches!(client.end("db").await, Err(LabError::UnknownHost { .. })));
    assert!(matches!(client.terminate(1).await, Err(LabError::NoServer { .. })));
    client.end("front").await.expect("it runs");
    assert!(shop.get("/health").await.is_none(), "the front is gone");
    assert!(matches!(client.set("front.workers", "2").await, Err(LabError::Failed { .. })));
    bench.stop(lab).await;
}

#[tokio::test]
async fn another_process_may_end_it() {
    let bench = Bench::new();
    let lab = bench.start(&SHOP).await;
    let client = LabClient::connect(lab.client().folder()).await.expect("it is there");
    client.down().await.expect("it agrees");
    tokio::time::timeout(LONG, lab.ended()).await.expect("it ends");
    bench.stop(lab).await;
}
