//! The migration: adds a column to `orders`, which needs the table for itself for a moment.
//!
//! Waiting for that moment, it makes everybody queue who comes after it. A limit to the wait lets them through; without
//! one they wait as long as it does.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, NoTls};

use super::MIGRATE;
use super::client::{self, Session, said};
use crate::process::{Arguments, DONE, Event, FAILED, Misuse, Orders, asked_to_end, say};

/// Its options.
pub(super) const OPTIONS: &[&str] = &["lock-timeout", "retry-after", "tries"];

/// How long it may take to call the statement back when asked to end.
const CALL_BACK_WITHIN: Duration = Duration::from_millis(500);

struct Migration {
    host: String,
    column: String,
    lock_timeout: Duration,
    retry_after: Duration,
    tries: u32,
}

/// The part `postgres-migrate`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    let migration = Migration {
        host: arguments.get("host")?,
        column: arguments.get("column")?,
        lock_timeout: arguments.duration("lock-timeout")?,
        retry_after: arguments.duration("retry-after")?,
        tries: arguments.get("tries")?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome =
        runtime.and_then(|runtime| runtime.block_on(async { Ok(migration.run(Orders::listen()?).await) }));
    let (event, status) = match outcome {
        Ok(Ok(Outcome::Migrated)) => {
            (Event::Note(format!("orders has the column {}", migration.column)), DONE)
        }
        Ok(Ok(Outcome::CalledBack)) => (Event::Note("called back before the lock was had".to_owned()), DONE),
        Ok(Ok(Outcome::GaveUp)) => (Event::Failed(format!("no lock in {} tries", migration.tries)), FAILED),
        Ok(Err(error)) => (Event::Failed(said(&error)), FAILED),
        Err(error) => (Event::Failed(error.to_string()), FAILED),
    };
    say(&event);
    Ok(status)
}

enum Outcome {
    Migrated,
    CalledBack,
    GaveUp,
}

impl Migration {
    async fn run(&self, orders: Orders) -> Result<Outcome, Error> {
        let session = client::connect(&client::config(&self.host, MIGRATE)).await?;
        say(&Event::Session(client::identity(&session.client).await?));
        let limit = format!("SET lock_timeout = {}", self.lock_timeout.as_millis());
        session.client.batch_execute(&limit).await?;
        say(&Event::Begun);
        tokio::select! {
            outcome = self.try_and_try_again(&session) => outcome,
            () = asked_to_end(orders) => {
                // A server does not notice that the client of a waiting statement has gone: it has to be told.
                let token = session.client.cancel_token();
                timeout(CALL_BACK_WITHIN, token.cancel_query(NoTls)).await.ok();
                Ok(Outcome::CalledBack)
            }
        }
    }

    async fn try_and_try_again(&self, session: &Session) -> Result<Outcome, Error> {
        for number in 1..=self.tries {
            // The column's name is made by the supervisor, of letters and digits.
            let alter = format!("ALTER TABLE orders ADD COLUMN {} text", self.column);
            match session.client.batch_execute(&alter).await {
                Ok(()) => return Ok(Outcome::Migrated),
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                    let (limit, tries) = (self.lock_timeout, self.tries);
                    say(&Event::Note(format!("no lock within {limit:?}, try {number} of {tries}")));
                }
                Err(error) => return Err(error),
            }
            if number < self.tries {
                sleep(self.retry_after).await;
            }
        }
        Ok(Outcome::GaveUp)
    }
}
