//! The shop on PostgreSQL, part by part: settings, hosts, doors, the front's pool.

use std::time::Duration;

use deadstick_lab::{LabClient, LabError, SHOP_POSTGRES};
use tokio::time::timeout;

use super::common::{Bench, Http, Shop, may_make_namespaces, until};

async fn set(client: &LabClient, key: &str, value: &str) {
    client.set(key, value).await.unwrap_or_else(|e| panic!("{key}: {e}"));
}

#[tokio::test]
async fn settings_are_in_force_for_later_sessions() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    let shown = async |name: &str| -> String {
        let row =
            Shop::of(client).await.primary.query_one(&format!("SHOW {name}"), &[]).await.expect("a setting");
        row.get(0)
    };
    assert_eq!(shown("tcp_keepalives_idle").await, "1");
    set(client, "postgres.tcp_keepalives_idle", "7200s").await;
    assert_eq!(shown("tcp_keepalives_idle").await, "7200");
    let bad = client.set("postgres.tcp_keepalives_idle", "1500ms").await;
    assert!(matches!(bad, Err(LabError::BadValue { .. })), "{bad:?}");

    // A statement of the front's that waits for a lock is cut short by the front's own limit.
    let mut shop = Shop::of(client).await;
    let http = Http::of(client).await;
    set(client, "front.statement-timeout", "300ms").await;
    let holding = shop.primary.transaction().await.expect("it begins");
    holding.batch_execute("LOCK TABLE orders").await.expect("it is free");
    assert_eq!(http.checkout().await, Some(503));
    holding.rollback().await.expect("it ends");
    assert_eq!(http.checkout().await, Some(200));

    let health = http.get("/health").await.expect("it answers").body;
    assert!(health.contains("\"busy\":0"), "{health}");
    let hosts = client.status().await.expect("status").hosts;
    for (name, host) in &hosts {
        assert_eq!(host.process.is_some(), name != "job", "{name}");
        assert!(host.network.is_some() && host.address.is_some() && host.witness.is_some(), "{name}");
    }
    bench.stop(lab).await;
}

#[tokio::test]
async fn the_front_recovers_when_its_pool_was_used_up() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let client = lab.client();
    let mut shop = Shop::of(client).await;
    let http = Http::of(client).await;
    let holding = shop.primary.transaction().await.expect("it begins");
    holding.batch_execute("LOCK TABLE orders").await.expect("it is free");
    // Customers who give up: their statements stay, and use up the pool.
    for _ in 0..30 {
        let http = http.clone();
        tokio::spawn(async move { timeout(Duration::from_millis(300), http.post("/checkout")).await });
    }
    until("every connection is busy", || async {
        http.get("/health").await.is_some_and(|h| h.body.contains("\"busy\":20"))
    })
    .await;
    assert!(
        timeout(Duration::from_millis(300), http.get("/catalogue")).await.is_err(),
        "nobody is left for it"
    );
    holding.rollback().await.expect("it ends");
    until("it sells again", || async { http.checkout().await == Some(200) }).await;
    assert_eq!(http.get("/catalogue").await.map(|a| a.status), Some(200));
    bench.stop(lab).await;
}

#[tokio::test]
async fn the_role_at_the_door_owns_the_shop_and_no_more() {
    if !may_make_namespaces() {
        return;
    }
    let bench = Bench::new();
    let lab = bench.start(&SHOP_POSTGRES).await;
    let variables = lab.client().variables().await.expect("variables");
    let shop = Shop::of(lab.client()).await;
    let program = shop.primary.batch_execute("COPY products TO PROGRAM 'true'").await;
    assert!(program.is_err(), "no programs on the server's host");
    let replica = variables.get("db.replica").expect("there is a replica");
    let (replica, connection) =
        tokio_postgres::connect(replica, tokio_postgres::NoTls).await.expect("it lets us in");
    tokio::spawn(connection);
    let row = replica.query_one("SELECT pg_is_in_recovery()", &[]).await.expect("it answers");
    assert!(row.get::<_, bool>(0));
    // Nobody comes through a door as the superuser.
    for door in ["db.primary", "db.replica"] {
        let url = variables.get(door).expect("a URL").replace("shop@", "postgres@");
        assert!(tokio_postgres::connect(&url, tokio_postgres::NoTls).await.is_err(), "{door}");
    }
    // What is written on the primary arrives.
    shop.primary.batch_execute("UPDATE products SET name = 'Kite' WHERE id = 1").await.expect("it writes");
    until("the replica follows", || async {
        let row = replica.query_one("SELECT name FROM products WHERE id = 1", &[]).await.expect("it answers");
        row.get::<_, String>(0) == "Kite"
    })
    .await;
    drop((shop, replica));
    bench.stop(lab).await;
}
