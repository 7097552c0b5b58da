//! The nightly report on PostgreSQL: reads the orders, batch by batch.
//!
//! With one transaction around the whole run it is idle in transaction nearly always, and holds its share of the table
//! lock all the while. Batch by batch, each batch is a single message that is a transaction of its own: wherever the
//! link is cut, the server finishes the message and holds nothing.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::Error;

use super::JOB;
use super::client::{self, Session, said};
use crate::process::{Arguments, DONE, Event, FAILED, Misuse, Orders, asked_to_end, say};

/// Its settings, without the `job.` before them; which server it reads from, it is told as a host.
pub(super) const SETTINGS: &[&str] = &["transaction", "run-time", "batches"];

/// How long the goodbye to a server may take that may no longer be there.
const GOODBYE_WITHIN: Duration = Duration::from_millis(300);

struct Report {
    host: String,
    whole_run: bool,
    batches: u32,
    /// Between two batches.
    pause: Duration,
}

/// The part `postgres-job`.
pub(crate) fn main(arguments: &Arguments) -> Result<u8, Misuse> {
    let batches: u32 = arguments.get("batches")?;
    let report = Report {
        host: arguments.get("host")?,
        whole_run: arguments.text("transaction")? == "whole-run",
        batches,
        pause: arguments.duration("run-time")? / batches.max(1),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome =
        runtime.and_then(|runtime| runtime.block_on(async { Ok(report.run(Orders::listen()?).await) }));
    let (event, status) = match outcome {
        Ok(Ok(())) => (Event::Note("the report is written".to_owned()), DONE),
        Ok(Err(Cut::Asked)) => (Event::Note("the report was ended before it was whole".to_owned()), DONE),
        Ok(Err(Cut::Database(error))) => (Event::Failed(said(&error)), FAILED),
        Err(error) => (Event::Failed(error.to_string()), FAILED),
    };
    say(&event);
    Ok(status)
}

/// Why a report is not whole.
enum Cut {
    Asked,
    Database(Error),
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Report {
    async fn run(&self, orders: Orders) -> Result<(), Cut> {
        let session = client::connect(&client::config(&self.host, JOB)).await?;
        say(&Event::Session(client::identity(&session.client).await?));
        let outcome = tokio::select! {
            outcome = self.read(&session) => outcome.map_err(Cut::Database),
            () = asked_to_end(orders) => Err(Cut::Asked),
        };
        self.say_goodbye(session).await;
        outcome
    }

    async fn read(&self, session: &Session) -> Result<(), Error> {
        if self.whole_run {
            session.client.batch_execute("BEGIN").await?;
        }
        for number in 0..self.batches {
            let query =
                format!("SELECT count(*), sum(cents) FROM orders WHERE id % {} = {number}", self.batches);
            session.client.simple_query(&query).await?;
            if number == 0 {
                say(&Event::Begun);
            }
            sleep(self.pause).await;
        }
        if self.whole_run {
            session.client.batch_execute("COMMIT").await?;
        }
        Ok(())
    }

    /// Rolls back what is open, and closes the connection in order, so that the server need not find out by itself. Both
    /// are tried only for so long: the host may be off the network by now, and the process has to end all the same.
    async fn say_goodbye(&self, session: Session) {
        let Session { client, connection } = session;
        if self.whole_run {
            timeout(GOODBYE_WITHIN, client.batch_execute("ROLLBACK")).await.ok();
        }
        drop(client);
        timeout(GOODBYE_WITHIN, connection).await.ok();
    }
}
