//! A query asked of PostgreSQL.
//!
//! Owns the session: a fresh one for each question, named `deadstick-probe`, with TLS as the address asks for it (a
//! certificate that is not accepted is answered unknown). The server itself ends the statement a little before the probe's timeout, so that neither a
//! dropped question nor a cut network leaves one running.
//!
//! Errors follow the rule of the crate. The server says that it cannot serve (no connection slots, starting up,
//! shutting down, disk full, internal error): unsatisfied. The question cannot be judged (syntax, privileges, login,
//! a lock still held when time is up, an attempt to write): unknown.

use std::time::{Duration, Instant};

use deadstick_core::probe::SqlProbe;
use deadstick_tls::postgres::Address;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::{Reading, counts_rows, judge, time_to_work};
use crate::failure;
use crate::verdict::{Verdict, humane};

/// How long a session whose answer is here may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);

/// Asks once. The caller bounds the time.
pub(super) async fn ask(probe: &SqlProbe) -> Verdict {
    let started = Instant::now();
    let timeout = probe.timeout.0;
    let mut address = match Address::read(&probe.connect) {
        Ok(address) => address,
        Err(error) => {
            return Verdict::unknown(format!("the database's address cannot be read: {error}"));
        }
    };
    address.config.application_name("deadstick-probe");
    let secret = address.config.get_password().map(|p| String::from_utf8_lossy(p).into_owned());
    let verdict = match session(&address, probe, started).await {
        Ok(Some(reading)) => judge(&reading, probe.expect.as_ref()),
        Ok(None) => {
            Verdict::unknown("the query returns nothing; a probe needs a SELECT, VALUES, TABLE or SHOW")
        }
        Err(error) => failed(&error, timeout),
    };
    verdict.without(secret.as_deref().unwrap_or_default())
}

/// One session from greeting to goodbye, all within this future.
async fn session(address: &Address, probe: &SqlProbe, started: Instant) -> Result<Option<Reading>, Error> {
    let (client, connection) = address.connect().await?;
    let mut connection = std::pin::pin!(connection);
    let reading = {
        let mut reading = std::pin::pin!(read(&client, probe, started));
        tokio::select! {
            biased;
            reading = &mut reading => reading,
            ended = &mut connection => match (reading.await, ended) {
                // The session's own end says more than "closed".
                (Err(closed), Err(cause)) if closed.is_closed() => return Err(cause),
                (other, _) => return other,
            },
        }
    };
    drop(client);
    // The answer counts, whatever becomes of the goodbye.
    drop(tokio::time::timeout(GOODBYE, connection).await);
    reading
}

/// The question itself; nothing when the statement returns no columns.
async fn read(client: &Client, probe: &SqlProbe, started: Instant) -> Result<Option<Reading>, Error> {
    let limit = time_to_work(probe.timeout.0, started.elapsed()).as_millis();
    // The transaction is never committed. What a closed session cannot undo, it cannot have done.
    client
        .simple_query(&format!(
            "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {limit}; \
             SET LOCAL idle_in_transaction_session_timeout = {limit}"
        ))
        .await?;
    // Preparing takes exactly one statement: a second one behind a semicolon is an error.
    let statement = client.prepare(&probe.query).await?;
    let Some(column) = statement.columns().first() else { return Ok(None) };
    let truth = *column.type_() == Type::BOOL;
    let shows = probe.query.trim_start().get(..4).is_some_and(|word| word.eq_ignore_ascii_case("show"));
    let mut reading = if shows {
        first_of(&client.simple_query(&probe.query).await?)
    } else {
        // A cursor takes only what reads, by the server's own grammar, and sends no more rows than asked.
        client
            .batch_execute(&format!("DECLARE deadstick_probe NO SCROLL CURSOR FOR {}", probe.query))
            .await?;
        let mut reading = first_of(&client.simple_query("FETCH FORWARD 1 FROM deadstick_probe").await?);
        if counts_rows(probe) && reading.rows > 0 {
            reading.rows += moved(&client.simple_query("MOVE FORWARD ALL IN deadstick_probe").await?);
        }
        reading
    };
    if truth {
        reading.first = reading.first.map(|v| match v.as_str() {
            "t" => "true".to_owned(),
            "f" => "false".to_owned(),
            _ => v,
        });
    }
    Ok(Some(reading))
}

fn first_of(messages: &[SimpleQueryMessage]) -> Reading {
    let mut reading = Reading::default();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            if reading.rows == 0 {
                reading.first = Some(row.get(0).unwrap_or("null").to_owned());
            }
            reading.rows += 1;
        }
    }
    reading
}

fn moved(messages: &[SimpleQueryMessage]) -> u64 {
    messages.iter().map(|m| if let SimpleQueryMessage::CommandComplete(n) = m { *n } else { 0 }).sum()
}

/// What an error says.
fn failed(error: &Error, timeout: Duration) -> Verdict {
    let Some(said) = error.as_db_error() else {
        if let Some(verdict) = failure::of_chain(error) {
            return verdict;
        }
        if error.is_closed() {
            return failure::closed_early();
        }
        return Verdict::unknown(format!("no answer that can be judged: {}", failure::innermost(error)));
    };
    let code = said.code();
    let detail = format!("{} {}: {}", said.severity(), code.code(), said.message());
    if *code == SqlState::QUERY_CANCELED {
        return Verdict::unknown(format!("no answer within {} ({})", humane(timeout), said.message()));
    }
    if cannot_serve(code) {
        Verdict::unsatisfied(detail).with_value(code.code())
    } else {
        Verdict::unknown(detail)
    }
}

/// Whether a code says that the server cannot do its work (Appendix A of the PostgreSQL manual): insufficient
/// resources, operator intervention, errors of the system below, broken files, internal errors.
fn cannot_serve(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    matches!(class, "53" | "57" | "58" | "F0" | "XX")
}
