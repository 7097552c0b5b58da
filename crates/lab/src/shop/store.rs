//! The shop's file: its tables and the three things done with them.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Result, Transaction, TransactionBehavior, params};
use serde::Serialize;

const PRODUCTS: i64 = 200;
const ORDERS: i64 = 2_000;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES products, cents INTEGER NOT NULL);
    CREATE TABLE report (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, orders INTEGER NOT NULL, cents INTEGER NOT NULL);
";

/// How often somebody who waits for the write lock looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long this process waits for the write lock, in milliseconds; 0 is for ever. Everybody in it waits by the same
/// rule, and the rule may change while they wait. A static, because SQLite's busy handler carries no context.
static LOCK_WAIT_MS: AtomicU64 = AtomicU64::new(0);

/// How many wait for the write lock at this moment.
static WAITING: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static WAITS_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// One product, as the catalogue shows it.
#[derive(Debug, Serialize)]
pub(super) struct Product {
    id: i64,
    name: String,
    cents: i64,
    stock: i64,
}

/// What one batch of the report is about.
pub(super) struct Batch {
    number: u32,
    orders: i64,
    cents: i64,
}

/// Makes the file.
pub(super) fn fill(file: &Path) -> Result<()> {
    let mut shop = Connection::open(file)?;
    without_syncing(&shop)?;
    shop.execute_batch(TABLES)?;
    let filling = shop.transaction()?;
    for id in 1..=PRODUCTS {
        filling.execute(
            "INSERT INTO products VALUES (?1, ?2, ?3, 1000000)",
            params![id, format!("Article {id:03}"), 100 + 37 * id % 4900],
        )?;
    }
    for id in 1..=ORDERS {
        let product = 1 + id * 7 % PRODUCTS;
        filling.execute(
            "INSERT INTO orders SELECT ?1, id, cents FROM products WHERE id = ?2",
            params![id, product],
        )?;
    }
    filling.commit()
}

/// The file is thrown away with the lab: nothing in it has to survive a crash of the machine.
fn without_syncing(shop: &Connection) -> Result<()> {
    shop.pragma_update(None, "synchronous", "OFF")
}

/// Opens the file, which must be there, under this process's waiting rule.
pub(super) fn open(file: &Path) -> Result<Connection> {
    let mut shop = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    without_syncing(&shop)?;
    shop.busy_handler(Some(wait_a_little))?;
    Ok(shop)
}

/// Sets this process's waiting rule; zero waits for ever.
pub(super) fn set_lock_wait(wait: Duration) {
    LOCK_WAIT_MS.store(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

pub(super) fn waiting() -> u64 {
    WAITING.load(Ordering::Relaxed)
}

fn wait_a_little(tries: i32) -> bool {
    let limit = LOCK_WAIT_MS.load(Ordering::Relaxed);
    let since = WAITS_SINCE.get().filter(|_| tries > 0).unwrap_or_else(Instant::now);
    WAITS_SINCE.set(Some(since));
    if limit > 0 && since.elapsed() >= Duration::from_millis(limit) {
        return false;
    }
    WAITING.fetch_add(1, Ordering::Relaxed);
    std::thread::sleep(LOOK_AGAIN);
    WAITING.fetch_sub(1, Ordering::Relaxed);
    true
}

/// What is on offer. Reads only: no lock of anybody's is in its way.
pub(super) fn catalogue(shop: &Connection) -> Result<Vec<Product>> {
    let mut query =
        shop.prepare_cached("SELECT id, name, cents, stock FROM products ORDER BY id LIMIT 20")?;
    let rows = query.query_map([], |row| {
        Ok(Product { id: row.get(0)?, name: row.get(1)?, cents: row.get(2)?, stock: row.get(3)? })
    })?;
    rows.collect()
}

/// Sells one piece; the number of the order. Takes the write lock first, and so is not refused half-way.
pub(super) fn checkout(shop: &mut Connection) -> Result<i64> {
    let sale = shop.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let product = rand::random_range(1..=PRODUCTS);
    sale.prepare_cached("UPDATE products SET stock = stock - 1 WHERE id = ?1")?.execute([product])?;
    sale.prepare_cached("INSERT INTO orders (product, cents) SELECT id, cents FROM products WHERE id = ?1")?
        .execute([product])?;
    let order = sale.last_insert_rowid();
    sale.commit()?;
    Ok(order)
}

/// Takes the write lock.
pub(super) fn begin(shop: &mut Connection) -> Result<Transaction<'_>> {
    shop.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Adds up one batch of the orders. Reads only.
pub(super) fn add_up(shop: &Connection, number: u32, batches: u32) -> Result<Batch> {
    shop.prepare_cached("SELECT count(*), coalesce(sum(cents), 0) FROM orders WHERE id % ?1 = ?2")?
        .query_row([batches, number], |row| Ok(Batch { number, orders: row.get(0)?, cents: row.get(1)? }))
}

/// Writes one batch into the report.
pub(super) fn write_down(shop: &Connection, batch: &Batch) -> Result<()> {
    shop.prepare_cached("INSERT INTO report (batch, orders, cents) VALUES (?1, ?2, ?3)")?
        .execute(params![batch.number, batch.orders, batch.cents])
        .map(drop)
}

/// Whether this is the lock's answer rather than a failure.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}
