//! `MySQL` and `MariaDB`: a session over TCP that sends statements and reads rows as text.
//!
//! Owns who speaks when; [`handshake`] has how it begins, [`wire`] the packets, [`scramble`] the passwords. Written by hand
//! because the ready-made clients would be a tenth of the program, for five statements.

mod handshake;
mod scramble;
mod wire;

use std::time::Duration;

use deadstick_core::dsn::DsnError;
use deadstick_core::tls::TlsMode;
use deadstick_tls::{Stream, TlsFailure};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Address;
use super::{PATIENCE, nobody_listens};
use handshake::Greeting;
use wire::Packets;

/// Waited too long for a lock (`ER_LOCK_WAIT_TIMEOUT`).
pub(crate) const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// There is no such session (`ER_NO_SUCH_THREAD`).
pub(crate) const NO_SUCH_THREAD: u16 = 1094;

/// A row: each field as text, or null.
pub(crate) type Row = Vec<Option<String>>;

/// What a server did not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MysqlError {
    /// The connection broke, or never was.
    #[error("the server cannot be reached: {0}")]
    Connection(#[from] std::io::Error),
    /// Nobody knows where it is.
    #[error(transparent)]
    Dsn(#[from] DsnError),
    /// There is no TLS with it.
    #[error("{0}")]
    Tls(#[from] TlsFailure),
    /// The server said no.
    #[error("{message} ({code})")]
    Server {
        /// Its number for it.
        code: u16,
        /// Its words.
        message: String,
    },
    /// The server asks for what is not spoken here.
    #[error("{0}")]
    Refused(String),
    /// The server said something that cannot be read.
    #[error("the server's answer cannot be read: {0}")]
    Form(&'static str),
    /// The server did not answer.
    #[error("the server did not answer in time")]
    Silent,
}

impl MysqlError {
    /// Nothing listens there any more.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Connection(error) if nobody_listens(error))
    }

    /// The server's number for what went wrong.
    pub(crate) const fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A session.
pub(crate) struct Session {
    packets: Packets<Stream>,
}

impl Session {
    /// Connects and logs in. In the mode `PREFERRED` a server with which no handshake succeeds is spoken to without TLS, as
    /// its own programs do it.
    pub(crate) async fn open(address: &Address) -> Result<Self, MysqlError> {
        let opening = async {
            match Self::log_in(address, address.tls.mode).await {
                Err(MysqlError::Tls(failure))
                    if address.tls.mode == TlsMode::Prefer && failure.is_of_handshake() =>
                {
                    Self::log_in(address, TlsMode::Disable).await
                }
                other => other,
            }
        };
        timeout(PATIENCE, opening).await.map_err(|_| MysqlError::Silent)?
    }

    async fn log_in(address: &Address, mode: TlsMode) -> Result<Self, MysqlError> {
        let mut packets = Packets::new(address.connect().await?);
        let greeting = Greeting::read(&packets.receive().await?)?;
        let mut packets = secured(address, mode, &greeting, packets).await?;
        let secret = packets.stream().is_secret();
        let password = address.password.as_deref().unwrap_or_default();
        // An answer by another method is asked for by the server when it is needed.
        let proof = scramble::answer(&greeting.method, password, &greeting.nonce).unwrap_or_default();
        packets
            .send(&handshake::login(secret, &address.user, &address.database, &greeting.method, &proof))
            .await?;
        loop {
            let packet = packets.receive().await?;
            match packet.split_first() {
                Some((0x00, _)) => return Ok(Self { packets }),
                Some((0xff, rest)) => return Err(wire::error(rest)),
                Some((0xfe, rest)) => {
                    let (method, nonce) = handshake::switch(rest)?;
                    let proof = scramble::answer(&method, password, &nonce).ok_or_else(|| {
                        MysqlError::Refused(format!(
                            "the server asks for the login method {method:?}, which is not spoken here"
                        ))
                    })?;
                    packets.send(&proof).await?;
                }
                // The server knows the password by heart.
                Some((0x01, [0x03])) => {}
                Some((0x01, [0x04])) if secret => {
                    packets.send(&[password.as_bytes(), &[0]].concat()).await?;
                }
                Some((0x01, [0x04])) => {
                    return Err(MysqlError::Refused(
                        "the server asks for the password itself, which is not sent without TLS; write ?ssl-mode=REQUIRED, \
                         or log in once with another client, after which it asks for a proof only"
                            .to_owned(),
                    ));
                }
                _ => return Err(MysqlError::Form("an answer to the login")),
            }
        }
    }

    /// Sends a statement and reads its rows.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, MysqlError> {
        self.query_within(PATIENCE, sql).await
    }

    /// The same for a statement that may wait.
    pub(crate) async fn query_within(
        &mut self,
        patience: Duration,
        sql: &str,
    ) -> Result<Vec<Row>, MysqlError> {
        timeout(patience, self.packets.question(sql)).await.map_err(|_| MysqlError::Silent)?
    }

    /// The one number that a statement asks for.
    pub(crate) async fn number(&mut self, sql: &str) -> Result<Option<u64>, MysqlError> {
        let rows = self.query(sql).await?;
        let field = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        field.map(|text| text.parse().map_err(|_| MysqlError::Form("a number"))).transpose()
    }
}

/// TLS as far as it is asked for and the server has it.
async fn secured(
    address: &Address,
    mode: TlsMode,
    greeting: &Greeting,
    mut packets: Packets<TcpStream>,
) -> Result<Packets<Stream>, MysqlError> {
    match (mode, greeting.tls) {
        (TlsMode::Disable, _) | (TlsMode::Prefer, false) => {
            let (stream, sequence) = packets.into_parts();
            Ok(Packets::from_parts(Stream::Plain(stream), sequence))
        }
        (_, false) => Err(MysqlError::Refused(
            "the server has no TLS, and the DSN's ssl-mode asks for it; switch it on at the server, or write \
             ssl-mode=PREFERRED"
                .to_owned(),
        )),
        (_, true) => {
            packets.send(&handshake::tls_request(&address.database)).await?;
            let (stream, sequence) = packets.into_parts();
            Ok(Packets::from_parts(address.secure(stream).await?, sequence))
        }
    }
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A table's name, with or without its database, quoted. Names in backticks may hold anything.
pub(crate) fn table(name: &str) -> Result<String, String> {
    let (mut parts, mut part, mut quoted, mut rest) =
        (Vec::new(), String::new(), false, name.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '`' if quoted && rest.peek() == Some(&'`') => {
                rest.next();
                part.push('`');
            }
            '`' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    if quoted || parts.len() > 2 || parts.iter().any(|part| part.trim().is_empty()) {
        return Err(format!("{name:?} is no name of a table: write table, or database.table"));
    }
    let parts: Vec<String> =
        parts.iter().map(|part| format!("`{}`", part.trim().replace('`', "``"))).collect();
    Ok(parts.join("."))
}

#[cfg(test)]
mod tests;
