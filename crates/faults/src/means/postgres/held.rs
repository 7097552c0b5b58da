//! What a session of ours can hold, in SQL: how it is taken, and what cannot be taken beside it.

use deadstick_core::fault::LockMode;
use serde::{Deserialize, Serialize};

/// What is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Held {
    /// A lock on a table.
    Table { table: String, mode: LockMode },
    /// Locks on the rows that meet a condition. The condition is SQL as it was written, in one statement; what it calls is
    /// called, but it is tried in a read-only transaction before, so what writes is refused.
    Rows { table: String, rows: String, mode: LockMode },
    /// An advisory lock.
    Advisory { number: i64, mode: LockMode },
    /// A transaction, which has read the table.
    Idle { table: Option<String> },
}

/// PostgreSQL's words for a table lock.
pub(crate) const fn table_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "SHARE",
        LockMode::Exclusive => "ACCESS EXCLUSIVE",
    }
}

const fn row_mode(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "share",
        LockMode::Exclusive => "update",
    }
}

const fn suffix(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Share => "_shared",
        LockMode::Exclusive => "",
    }
}

impl Held {
    /// What a plan says of it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Table { table, mode } => format!("holds {table} in {} mode", table_mode(*mode)),
            Self::Rows { table, rows, mode } => {
                format!("holds the rows of {table} where {rows}, as FOR {}", row_mode(*mode).to_uppercase())
            }
            Self::Advisory { number, mode } => format!("holds the advisory lock {number} ({mode})"),
            Self::Idle { table: Some(table) } => {
                format!("opens a transaction, reads one row of {table}, then does nothing")
            }
            Self::Idle { table: None } => "opens a transaction, then does nothing".to_owned(),
        }
    }

    /// The table it is about.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Self::Table { table, .. } | Self::Rows { table, .. } => Some(table),
            Self::Advisory { .. } => None,
            Self::Idle { table } => table.as_deref(),
        }
    }

    /// The lock on its table, as `pg_locks` calls it.
    pub(crate) const fn table_lock(&self) -> &'static str {
        match self {
            Self::Table { mode: LockMode::Exclusive, .. } => "AccessExclusiveLock",
            Self::Table { mode: LockMode::Share, .. } => "ShareLock",
            Self::Rows { .. } => "RowShareLock",
            Self::Advisory { .. } | Self::Idle { .. } => "AccessShareLock",
        }
    }

    /// Takes it, inside a transaction. `table` is its name as the server writes it.
    pub(crate) fn statement(&self, table: &str) -> String {
        match self {
            Self::Table { mode, .. } => format!("lock table {table} in {} mode", table_mode(*mode)),
            Self::Rows { rows, mode, .. } => {
                format!("select 1 from {table} where (\n{rows}\n) for {}", row_mode(*mode))
            }
            Self::Advisory { number, mode } => {
                format!("select pg_advisory_xact_lock{}({number})", suffix(*mode))
            }
            Self::Idle { table: Some(_) } => format!("select from {table} limit 1"),
            Self::Idle { table: None } => "select 1".to_owned(),
        }
    }

    /// Asks, inside a read-only transaction, whether there is anything to hold.
    pub(crate) fn beforehand(&self, table: &str) -> Option<String> {
        match self {
            Self::Rows { rows, .. } => Some(format!("select 1 from {table} where (\n{rows}\n) limit 1")),
            _ => None,
        }
    }

    /// What must be refused to another session, inside a transaction that is rolled back.
    pub(crate) fn forbidden(&self, table: &str) -> Option<String> {
        match self {
            Self::Rows { rows, .. } => {
                Some(format!("select 1 from {table} where (\n{rows}\n) for update nowait"))
            }
            Self::Advisory { number, mode } => {
                let other = if *mode == LockMode::Share { "" } else { "_shared" };
                Some(format!("set local lock_timeout = 100; select pg_advisory_xact_lock{other}({number})"))
            }
            Self::Table { .. } | Self::Idle { .. } => None,
        }
    }
}
