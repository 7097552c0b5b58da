//! PostgreSQL's DSNs, as URLs or in words and values: which parameters there are, and what they can be.
//!
//! Owns the check; what is not about TLS goes on to the client library as it was written.

use std::net::IpAddr;

use super::{DsnError, DsnProblem, Parameter, Url, words};
use crate::tls::{TlsSettings, postgres};

/// The schemes of its URLs.
pub const SCHEMES: &[&str] = &["postgres", "postgresql"];

/// What a parameter can be.
enum Allowed {
    Text,
    Number,
    Ports,
    Addresses,
    Words(&'static [&'static str], &'static str),
}

/// Those of libpq that the client library has, beside those about TLS.
const PARAMETERS: [(&str, Allowed); 17] = [
    ("user", Allowed::Text),
    ("password", Allowed::Text),
    ("dbname", Allowed::Text),
    ("options", Allowed::Text),
    ("application_name", Allowed::Text),
    ("host", Allowed::Text),
    ("hostaddr", Allowed::Addresses),
    ("port", Allowed::Ports),
    ("connect_timeout", Allowed::Number),
    ("tcp_user_timeout", Allowed::Number),
    ("keepalives", Allowed::Number),
    ("keepalives_idle", Allowed::Number),
    ("keepalives_interval", Allowed::Number),
    ("keepalives_retries", Allowed::Number),
    (
        "target_session_attrs",
        Allowed::Words(&["any", "read-write", "read-only"], "any, read-write or read-only"),
    ),
    ("channel_binding", Allowed::Words(&["disable", "prefer", "require"], "disable, prefer or require")),
    ("load_balance_hosts", Allowed::Words(&["disable", "random"], "disable or random")),
];

const NEGOTIATION: (&str, Allowed) =
    ("sslnegotiation", Allowed::Words(&["postgres", "direct"], "postgres or direct"));

/// A DSN without its options about TLS, for the client library, and what these ask for.
///
/// # Errors
/// Whatever cannot be read, is not known, or would change nothing.
pub fn read(dsn: &str) -> Result<(String, TlsSettings), DsnError> {
    let url = Url::split(dsn);
    let all = match &url {
        Some(url) if !SCHEMES.contains(&url.scheme) => {
            return Err(DsnError::at_byte(dsn, 0, DsnProblem::Scheme(SCHEMES)));
        }
        Some(url) => {
            url.user()?;
            url.hosts()?;
            url.database()?;
            url.parameters()?
        }
        None if !dsn.contains('=') => return Err(DsnError::whole(DsnProblem::NoScheme(SCHEMES))),
        None => words(dsn)?,
    };
    let (settings, others) = postgres::read(all)?;
    for parameter in &others {
        check(parameter)?;
    }
    let others: Vec<&str> = others.iter().map(|parameter| parameter.raw).collect();
    let rest = match &url {
        None => others.join(" "),
        Some(url) if others.is_empty() => url.before_parameters().to_owned(),
        Some(url) => format!("{}?{}", url.before_parameters(), others.join("&")),
    };
    Ok((rest, settings))
}

fn check(parameter: &Parameter<'_>) -> Result<(), DsnError> {
    let all = || PARAMETERS.iter().chain([&NEGOTIATION]);
    let Some((name, allowed)) = all().find(|(name, _)| *name == parameter.key) else {
        let known: Vec<_> = all().map(|(name, _)| *name).chain(postgres::OPTIONS).collect();
        return Err(parameter.unknown(&known));
    };
    let value = parameter.value.as_str();
    let (fits, allowed) = match allowed {
        Allowed::Text => return Ok(()),
        Allowed::Number => (value.parse::<i64>().is_ok(), "a whole number"),
        Allowed::Ports => (
            value.split(',').all(|port| port.is_empty() || port.parse::<u16>().is_ok()),
            "a number up to 65535",
        ),
        Allowed::Addresses => (value.split(',').all(|one| one.parse::<IpAddr>().is_ok()), "an IP address"),
        Allowed::Words(words, allowed) => (words.contains(&value), *allowed),
    };
    if fits { Ok(()) } else { Err(parameter.wrong(DsnProblem::Value { parameter: name, allowed })) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_said_by_its_place_and_without_the_secret() {
        for (dsn, word, at) in [
            ("postgres://u:s3cret@h:x/db", "port", Some(23)),
            ("postgres://u:s3cret", "port", Some(14)),
            ("postgres://u:s3cret@[::1/db", "bracket", Some(21)),
            ("postgres://u:s3cret@h/d%b", "percent", Some(24)),
            ("postgres://u:s3cret@h/db?sslmod=require", "did you mean sslmode?", Some(26)),
            ("postgres://u:s3cret@h/db?keepalives=on", "whole number", Some(37)),
            ("postgres://u:s3cret@h/db?channel_binding=yes", "require", Some(42)),
            ("postgres://u:s3cret@h/db?hostaddr=h", "IP address", Some(35)),
            ("pstgres://u:s3cret@h/db", "postgres://…", Some(1)),
            ("s3cret", "scheme", None),
            ("host=h password=two s3cret user=u", "value", Some(21)),
            ("host=h password=two s3cret=x user=u", "parameter", Some(21)),
            ("host=h password='s3cret", "quote", Some(17)),
            ("host=h port=s3cret", "65535", Some(13)),
            ("password=s3cret user=", "value", Some(17)),
        ] {
            let error = read(dsn).expect_err(dsn);
            let why = error.to_string();
            assert!(why.contains(word) && !why.contains("s3cret"), "{dsn}: {why}");
            assert_eq!(error.at, at, "{dsn}: {why}");
        }
    }
}
