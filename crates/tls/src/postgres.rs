//! TLS for PostgreSQL's client library: a DSN, and the connection that it asks for.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use deadstick_core::dsn::{self, DsnError, DsnProblem};
use deadstick_core::tls::{TlsMode, TlsSettings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Connection, Socket};

use crate::binding::end_point;
use crate::client;
use crate::error::TlsFailure;

/// A DSN, read.
#[derive(Clone, Debug)]
pub struct Address {
    /// All that is not about TLS.
    pub config: Config,
    /// What is.
    pub tls: TlsSettings,
    files: Files,
}

/// What is in the files that a DSN names.
#[derive(Clone, Debug)]
enum Files {
    /// They are read for each connection.
    Unread,
    /// They were read.
    Read(client::Client),
}

impl Address {
    /// Reads a DSN, as a URL or in words and values.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(dsn: &str) -> Result<Self, DsnError> {
        let (rest, tls) = dsn::postgres::read(dsn)?;
        let config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            DsnError::whole(DsnProblem::Client { why })
        })?;
        Ok(Self { config, tls, files: Files::Unread })
    }

    /// Reads the files that it names once and for all, for whoever may not later. What cannot be read is said by the
    /// connections that need it: one without TLS needs none.
    pub fn read_files(&mut self) {
        if self.tls.has_files()
            && let Ok(client) = client::Client::with_protocol(&self.tls, self.protocol())
        {
            self.files = Files::Read(client);
        }
    }

    /// The protocol, which must be named where it is not asked first whether TLS is spoken.
    fn protocol(&self) -> Option<&'static [u8]> {
        (self.config.get_ssl_negotiation() == SslNegotiation::Direct).then_some(&b"postgresql"[..])
    }

    /// Connects. In the mode `prefer` a server with which no handshake succeeds is spoken to without TLS, as libpq does it.
    ///
    /// # Errors
    /// Nothing answers, or one side does not accept the other; a failed handshake is a [`TlsFailure`] among the sources.
    pub async fn connect(
        &self,
    ) -> Result<(Client, Connection<Socket, Secret<Socket>>), tokio_postgres::Error> {
        match self.try_as(self.mode()).await {
            Err(error) if self.mode() == SslMode::Prefer && is_of_handshake(&error) => {
                self.try_as(SslMode::Disable).await
            }
            other => other,
        }
    }

    async fn try_as(
        &self,
        mode: SslMode,
    ) -> Result<(Client, Connection<Socket, Secret<Socket>>), tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let (settings, files) = (self.tls.clone(), self.files.clone());
        config.connect(Maker { settings, files, protocol: self.protocol() }).await
    }

    /// A local socket has no TLS, and nobody on the way.
    fn mode(&self) -> SslMode {
        let hosts = self.config.get_hosts();
        let local = !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_)));
        match self.tls.mode {
            _ if local => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        }
    }
}

fn is_of_handshake(error: &tokio_postgres::Error) -> bool {
    let failure = error.source().and_then(|source| source.downcast_ref::<TlsFailure>());
    failure.is_some_and(TlsFailure::is_of_handshake)
}

#[derive(Clone)]
struct Maker {
    settings: TlsSettings,
    files: Files,
    protocol: Option<&'static [u8]>,
}

impl MakeTlsConnect<Socket> for Maker {
    type Stream = Secret<Socket>;
    type TlsConnect = Connector;
    type Error = TlsFailure;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connector, TlsFailure> {
        Ok(Connector { maker: self.clone(), host: host.to_owned() })
    }
}

struct Connector {
    maker: Maker,
    host: String,
}

impl TlsConnect<Socket> for Connector {
    type Stream = Secret<Socket>;
    type Error = TlsFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Secret<Socket>, TlsFailure>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let Maker { settings, files, protocol } = self.maker;
            let client = match files {
                Files::Read(client) => client,
                // Only now: a connection without TLS needs none.
                Files::Unread => client::Client::with_protocol(&settings, protocol)?,
            };
            Ok(Secret(client.secure(&self.host, stream).await?))
        })
    }
}

/// A connection with TLS.
#[derive(Debug)]
pub struct Secret<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secret<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secret<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Secret<S> {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        certificate
            .and_then(|certificate| end_point(certificate))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}
