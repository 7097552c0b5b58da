//! The web front of the shop on PostgreSQL: catalogue, checkout, health.
//!
//! Owns HTTP and the pool of connections. A request that its caller gave up keeps its connection until the server has
//! answered, as in most fronts; a connection that broke is replaced by the next request that needs one.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadstick_core::units::HumanDuration;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, Statement};

use super::FRONT;
use super::client::{self, said};
use crate::process::{self, Arguments, Event, Misuse, Order, Orders, say};

/// Its settings, without the `front.` before them.
pub(super) const SETTINGS: &[&str] = &["statement-timeout"];

const PORT: u16 = 8080;
/// Connections to the primary; as many requests are worked on at a time.
const CONNECTIONS: usize = 20;
const PRODUCTS: i32 = 200;

const CATALOGUE: &str = "SELECT id, name, cents, stock FROM products ORDER BY id LIMIT 20";
/// One statement, so one round trip and one short transaction.
const CHECKOUT: &str = "
    WITH sold AS (UPDATE products SET stock = stock - 1 WHERE id = $1 RETURNING id, cents)
    INSERT INTO orders (product, cents) SELECT id, cents FROM sold RETURNING id";

/// The part `postgres-front`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    let host = arguments.text("host")?;
    let statement_timeout = arguments.duration("statement-timeout")?;
    Ok(process::serve(serve(Pool::new(host, statement_timeout))))
}

async fn serve(pool: Pool) -> std::io::Result<()> {
    let mut orders = Orders::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let routes = Router::new()
        .route("/catalogue", get(catalogue))
        .route("/checkout", post(checkout))
        .route("/health", get(health))
        .with_state(pool.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    say(&Event::Ready { port: PORT });
    while let Some(Order::Set { key, value }) = orders.next().await {
        match value.parse::<HumanDuration>() {
            Ok(limit) if key == "statement-timeout" => {
                pool.set_statement_timeout(limit.0);
                say(&Event::Taken { key, value });
            }
            _ => say(&Event::Note(format!("{key} cannot be {value}"))),
        }
    }
    Ok(())
}

/// One connection, with what has been prepared on it so far. Prepared at first use: preparing a checkout needs the same
/// table lock as a checkout, and a catalogue must not wait for that.
struct Link {
    client: Client,
    catalogue: Option<Statement>,
    checkout: Option<Statement>,
    statement_timeout_ms: u64,
}

struct Shared {
    config: Config,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Link>>,
    waiting: AtomicUsize,
    statement_timeout_ms: AtomicU64,
}

/// Cheap to clone.
#[derive(Clone)]
struct Pool(Arc<Shared>);

#[derive(Clone, Copy)]
enum Kind {
    Catalogue,
    Checkout,
}

impl Pool {
    fn new(host: &str, statement_timeout: Duration) -> Self {
        let mut config = client::config(host, FRONT);
        // The front itself must notice a primary that is gone, or it would never try another connection.
        config.keepalives_idle(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(10));
        let pool = Self(Arc::new(Shared {
            config,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
            statement_timeout_ms: AtomicU64::new(0),
        }));
        pool.set_statement_timeout(statement_timeout);
        pool
    }

    /// Every statement that is sent from now on has this limit; zero is none.
    fn set_statement_timeout(&self, limit: Duration) {
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.0.statement_timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// Queues for a connection and waits for the outcome. Who gives up in the queue leaves it; who gives up later leaves
    /// the statement running.
    async fn ask(&self, kind: Kind) -> Response {
        let waits = Waits::count(&self.0);
        let Ok(place) = Arc::clone(&self.0.places).acquire_owned().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        drop(waits);
        let pool = self.clone();
        let work = tokio::spawn(async move {
            let outcome = pool.work(kind).await;
            drop(place);
            outcome
        });
        match work.await {
            Ok(Ok(body)) => Json(body).into_response(),
            Ok(Err(error)) => refusal(&error),
            Err(panicked) => (StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()).into_response(),
        }
    }

    async fn work(&self, kind: Kind) -> Result<Value, Error> {
        let idle = self.idle().pop().filter(|link| !link.client.is_closed());
        let mut link = match idle {
            Some(link) => link,
            None => {
                let client = client::connect(&self.0.config).await?.client;
                Link { client, catalogue: None, checkout: None, statement_timeout_ms: 0 }
            }
        };
        let outcome = link.serve(kind, self.0.statement_timeout_ms.load(Ordering::Relaxed)).await;
        if !link.client.is_closed() {
            self.idle().push(link);
        }
        outcome
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts somebody in the queue, also when they give up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn count(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&shared.waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    async fn serve(&mut self, kind: Kind, statement_timeout_ms: u64) -> Result<Value, Error> {
        if self.statement_timeout_ms != statement_timeout_ms {
            self.client.batch_execute(&format!("SET statement_timeout = {statement_timeout_ms}")).await?;
            self.statement_timeout_ms = statement_timeout_ms;
        }
        match kind {
            Kind::Catalogue => {
                let statement = prepared(&self.client, &mut self.catalogue, CATALOGUE).await?;
                let rows = self.client.query(&statement, &[]).await?;
                let product = |row: &tokio_postgres::Row| {
                    let (id, name, cents, stock): (i32, String, i32, i32) =
                        (row.get(0), row.get(1), row.get(2), row.get(3));
                    json!({ "id": id, "name": name, "cents": cents, "stock": stock })
                };
                Ok(json!({ "products": rows.iter().map(product).collect::<Vec<_>>() }))
            }
            Kind::Checkout => {
                let statement = prepared(&self.client, &mut self.checkout, CHECKOUT).await?;
                let product = rand::random_range(1..=PRODUCTS);
                let order: i64 = self.client.query_one(&statement, &[&product]).await?.get(0);
                Ok(json!({ "order": order }))
            }
        }
    }
}

async fn prepared(client: &Client, kept: &mut Option<Statement>, text: &str) -> Result<Statement, Error> {
    if let Some(statement) = kept {
        return Ok(statement.clone());
    }
    let statement = client.prepare(text).await?;
    *kept = Some(statement.clone());
    Ok(statement)
}

/// A limit that was reached or a server that is away may be different in a moment; anything else is a failure.
fn refusal(error: &Error) -> Response {
    let later = error
        .code()
        .is_none_or(|code| [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code));
    let status = if later { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, Json(json!({ "failed": said(error) }))).into_response()
}

async fn catalogue(State(pool): State<Pool>) -> Response {
    pool.ask(Kind::Catalogue).await
}

async fn checkout(State(pool): State<Pool>) -> Response {
    pool.ask(Kind::Checkout).await
}

/// Answers without a connection, so it tells how things stand even when nothing else goes.
async fn health(State(pool): State<Pool>) -> Response {
    let busy = CONNECTIONS - pool.0.places.available_permits();
    let waiting = pool.0.waiting.load(Ordering::Relaxed);
    Json(json!({ "status": "ok", "use": { "connections": CONNECTIONS, "busy": busy, "queued": waiting } }))
        .into_response()
}
