//! The web front of the shop: catalogue, checkout, health.
//!
//! Owns HTTP and the settings; leaves the work to the pool.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadstick_core::units::HumanDuration;
use serde_json::json;
use tokio::net::TcpListener;

use super::pool::{Kind, Outcome, Pool};
use super::store;
use crate::process::{self, Arguments, Event, Misuse, Order, Orders, say};

/// Its settings, without the `front.` before them.
pub(super) const SETTINGS: &[&str] = &["lock-wait", "bulkhead", "workers"];

struct Settings {
    file: PathBuf,
    workers: usize,
    bulkhead: bool,
}

/// The part `shop-front`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    store::set_lock_wait(arguments.duration("lock-wait")?);
    let settings = Settings {
        file: arguments.path("file")?,
        workers: arguments.get("workers")?,
        bulkhead: arguments.text("bulkhead")? == "on",
    };
    Ok(process::serve(serve(settings)))
}

async fn serve(settings: Settings) -> std::io::Result<()> {
    let mut orders = Orders::listen()?;
    let pool = Pool::new(settings.file, settings.workers, settings.bulkhead)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let routes = Router::new()
        .route("/catalogue", get(catalogue))
        .route("/checkout", post(checkout))
        .route("/health", get(health))
        .with_state(pool.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    say(&Event::Ready { port });
    while let Some(Order::Set { key, value }) = orders.next().await {
        match take(&pool, &key, &value) {
            Some(()) => say(&Event::Taken { key, value }),
            None => say(&Event::Note(format!("{key} cannot be {value}"))),
        }
    }
    Ok(())
}

fn take(pool: &Pool, key: &str, value: &str) -> Option<()> {
    match key {
        "lock-wait" => store::set_lock_wait(value.parse::<HumanDuration>().ok()?.0),
        "bulkhead" => pool.set_bulkhead(value == "on"),
        "workers" => pool.resize(value.parse().ok()?).ok()?,
        _ => return None,
    }
    Some(())
}

async fn catalogue(State(pool): State<Pool>) -> Response {
    answer(pool.ask(Kind::Catalogue).await)
}

async fn checkout(State(pool): State<Pool>) -> Response {
    answer(pool.ask(Kind::Checkout).await)
}

/// Answers without a worker, so it tells how things stand even when nothing else goes.
async fn health(State(pool): State<Pool>) -> Response {
    Json(json!({ "status": "ok", "use": pool.usage() })).into_response()
}

fn answer(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Catalogue(products) => Json(json!({ "products": products })).into_response(),
        Outcome::Sold(order) => Json(json!({ "order": order })).into_response(),
        Outcome::TryLater(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "try-later": why }))).into_response()
        }
        Outcome::Failed(why) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "failed": why }))).into_response()
        }
    }
}
