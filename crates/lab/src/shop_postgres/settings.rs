//! The servers' own settings: written down, loaded, and read back from a session that came later.

use std::time::Duration;

use deadstick_core::units::HumanDuration;
use tokio::time::sleep;

use super::client::said;
use super::server::Server;
use crate::LabError;

/// How long a server may take to have new sessions see a new value.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// One of PostgreSQL's parameters: in which unit it counts, and what a session shows for 0, "the system's default".
struct Parameter {
    name: &'static str,
    unit: Unit,
    shown_for_zero: u64,
}

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
    Count,
}

/// Those that can be set, as `postgres.NAME`. Shown for zero: the kernel's values in a fresh network namespace.
const PARAMETERS: [Parameter; 5] = [
    Parameter { name: "tcp_keepalives_idle", unit: Unit::Seconds, shown_for_zero: 7200 },
    Parameter { name: "tcp_keepalives_interval", unit: Unit::Seconds, shown_for_zero: 75 },
    Parameter { name: "tcp_keepalives_count", unit: Unit::Count, shown_for_zero: 9 },
    Parameter { name: "tcp_user_timeout", unit: Unit::Milliseconds, shown_for_zero: 0 },
    Parameter { name: "idle_in_transaction_session_timeout", unit: Unit::Milliseconds, shown_for_zero: 0 },
];

impl Parameter {
    fn find(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }

    /// The number that the server is given.
    fn number(&self, value: &str) -> Result<u64, LabError> {
        let bad = |expected: &str| LabError::BadValue {
            key: format!("postgres.{}", self.name),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        if let Unit::Count = self.unit {
            return value.parse().map_err(|_| bad("a whole number"));
        }
        let duration = value.parse::<HumanDuration>().map_err(|_| bad("a duration"))?.0;
        match self.unit {
            Unit::Seconds if duration.subsec_nanos() != 0 => Err(bad("whole seconds")),
            Unit::Seconds => Ok(duration.as_secs()),
            _ if duration.subsec_nanos() % 1_000_000 != 0 => Err(bad("whole milliseconds")),
            _ => u64::try_from(duration.as_millis()).map_err(|_| bad("a shorter duration")),
        }
    }
}

/// A line of the configuration.
pub(super) fn line(name: &str, value: &str) -> Result<String, LabError> {
    let parameter = Parameter::find(name).ok_or_else(|| unknown(name))?;
    Ok(format!("{name} = {}\n", parameter.number(value)?))
}

fn unknown(name: &str) -> LabError {
    LabError::start("setting a parameter", format!("{name} is none that this lab knows"))
}

/// Sets a parameter on a server. Sessions that are opened after this returns have it.
pub(super) async fn set(server: &Server, name: &str, value: &str) -> Result<(), LabError> {
    let parameter = Parameter::find(name).ok_or_else(|| unknown(name))?;
    let number = parameter.number(value)?;
    let refused = |e: tokio_postgres::Error| LabError::Database {
        doing: format!("set {name} to {value}"),
        detail: said(&e),
    };
    let keeper = server.session().await?;
    // The name is one of ours and the value a number: there is nothing in it to escape.
    keeper.batch_execute(&format!("ALTER SYSTEM SET {name} = {number}")).await.map_err(refused)?;
    keeper.batch_execute("SELECT pg_reload_conf()").await.map_err(refused)?;
    let wanted = if number == 0 { parameter.shown_for_zero } else { number };
    let deadline = tokio::time::Instant::now() + TAKEN_WITHIN;
    loop {
        let later = server.session().await?;
        let row = later
            .query_one("SELECT setting FROM pg_settings WHERE name = $1", &[&name])
            .await
            .map_err(refused)?;
        let seen: String = row.get(0);
        if seen == wanted.to_string() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(LabError::NotTaken {
                key: format!("postgres.{name}"),
                wanted: wanted.to_string(),
                seen,
            });
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_servers() {
        for (name, value, expected) in [
            ("tcp_keepalives_idle", "2m", "tcp_keepalives_idle = 120\n"),
            ("tcp_keepalives_count", "3", "tcp_keepalives_count = 3\n"),
            ("tcp_user_timeout", "3s", "tcp_user_timeout = 3000\n"),
            ("tcp_user_timeout", "0s", "tcp_user_timeout = 0\n"),
        ] {
            assert_eq!(line(name, value), Ok(expected.to_owned()));
        }
        assert!(matches!(line("tcp_keepalives_idle", "500ms"), Err(LabError::BadValue { .. })));
        assert!(line("shared_buffers", "1s").is_err());
    }
}
