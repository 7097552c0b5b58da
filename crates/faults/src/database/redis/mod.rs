//! Redis: a session that asks and gets one answer at a time.
//!
//! Owns the login, the questions that look at a server without changing it, and the turn of a session into one that a pause
//! does not hold up; [`resp`] has the words on the wire.

mod resp;

use std::time::Duration;

use deadstick_core::dsn::DsnError;
use deadstick_core::fault::RedisCommands;
use deadstick_core::tls::TlsMode;
use deadstick_tls::{Stream, TlsFailure};
use tokio::io::BufReader;
use tokio::time::timeout;

use super::address::Address;
use super::{PATIENCE, nobody_listens};
pub(crate) use resp::Reply;

/// What a server did not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisError {
    /// The connection broke, or never was.
    #[error("the server cannot be reached: {0}")]
    Connection(#[from] std::io::Error),
    /// Nobody knows where it is.
    #[error(transparent)]
    Dsn(#[from] DsnError),
    /// There is no TLS with it.
    #[error("{0}")]
    Tls(#[from] TlsFailure),
    /// Nothing came of the question for TLS: a server without it waits for the end of a line.
    #[error(
        "the server accepts the connection, but makes no TLS handshake within {} s; if it has no TLS on this port, write \
         redis://",
        PATIENCE.as_secs()
    )]
    NoHandshake,
    /// The server said no.
    #[error("{0}")]
    Server(String),
    /// The server said something that cannot be read.
    #[error("the server's answer cannot be read: {0}")]
    Form(&'static str),
    /// Nothing came of the connection.
    #[error("the server does not accept a connection within {} s", PATIENCE.as_secs())]
    NoConnection,
    /// The server did not answer.
    #[error("the server did not answer in time")]
    Silent,
}

impl RedisError {
    /// Nothing listens there any more.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Connection(error) if nobody_listens(error))
    }
}

/// What a server says of itself.
pub(crate) struct About {
    /// Which run of the server it is.
    pub(crate) run: String,
    /// Its version: major and minor.
    pub(crate) version: (u32, u32),
    /// Why it is paused, as servers from 7.4 on tell.
    pub(crate) paused: Option<String>,
}

/// A session.
pub(crate) struct Session {
    stream: BufReader<Stream>,
    patience: Duration,
    /// Whether commands of others come in between answers.
    monitors: bool,
}

impl Session {
    /// Connects and logs in; no answer may take longer than given.
    pub(crate) async fn open(address: &Address, patience: Duration) -> Result<Self, RedisError> {
        let connecting = timeout(PATIENCE, address.connect());
        let stream = connecting.await.map_err(|_| RedisError::NoConnection)??;
        let stream = match address.tls.mode {
            TlsMode::Disable => Stream::Plain(stream),
            _ => {
                let handshake = timeout(PATIENCE, address.secure(stream));
                handshake.await.map_err(|_| RedisError::NoHandshake)??
            }
        };
        let mut session = Self { stream: BufReader::new(stream), patience, monitors: false };
        if let Some(password) = &address.password {
            if address.user.is_empty() {
                session.ask(&["AUTH", password]).await?;
            } else {
                session.ask(&["AUTH", &address.user, password]).await?;
            }
        }
        Ok(session)
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> Result<Reply, RedisError> {
        let conversation = async {
            resp::send(&mut self.stream, words).await?;
            loop {
                match resp::receive(&mut self.stream).await? {
                    // A command of somebody else begins with its time.
                    Reply::Text(text) if self.monitors && text.starts_with(|c: char| c.is_ascii_digit()) => {}
                    reply => return Ok(reply),
                }
            }
        };
        timeout(self.patience, conversation).await.map_err(|_| RedisError::Silent)?
    }

    /// Makes this session one that no pause holds up: a server treats who listens to all its commands as it does its
    /// replicas. A pause of all commands can be ended early by nobody else.
    pub(crate) async fn stand_apart(&mut self) -> Result<(), RedisError> {
        self.ask(&["MONITOR"]).await?;
        self.monitors = true;
        Ok(())
    }

    /// What the server says of itself.
    pub(crate) async fn about(&mut self) -> Result<About, RedisError> {
        let (Reply::Text(mut text), Reply::Text(clients)) =
            (self.ask(&["INFO", "server"]).await?, self.ask(&["INFO", "clients"]).await?)
        else {
            return Err(RedisError::Form("INFO"));
        };
        text += &clients;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let version = field("redis_version").ok_or(RedisError::Form("no redis_version in INFO"))?;
        let mut numbers = version.split('.').map_while(|part| part.parse().ok());
        Ok(About {
            run: field("run_id").ok_or(RedisError::Form("no run_id in INFO"))?,
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            paused: field("paused_reason").filter(|reason| reason != "none"),
        })
    }

    /// Asks what a pause of these commands holds up, and nothing else does. It changes nothing: what is published to a
    /// channel that nobody listens to is gone.
    pub(crate) async fn touch(&mut self, commands: RedisCommands) -> Result<(), RedisError> {
        match commands {
            RedisCommands::All => self.ask(&["PING"]).await?,
            RedisCommands::Writes => self.ask(&["PUBLISH", "deadstick", "is this held up?"]).await?,
        };
        Ok(())
    }
}
