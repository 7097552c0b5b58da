//! The client's side of a handshake.

use std::sync::Arc;

use deadstick_core::tls::{TlsMode, TlsSettings};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::TlsFailure;
use crate::trust;
use crate::verify::Verifier;

/// Makes handshakes as a DSN asks for them.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    /// Reads the files that are named.
    ///
    /// # Errors
    /// What cannot be read or used. The mode that wants no TLS has no client: to ask for one is to ask for `Prefer`.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsFailure> {
        Self::with_protocol(settings, None)
    }

    /// The same, naming the protocol that is to be spoken.
    pub(crate) fn with_protocol(settings: &TlsSettings, protocol: Option<&[u8]>) -> Result<Self, TlsFailure> {
        let provider = Arc::new(ring::default_provider());
        let trusted = match settings.mode {
            TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => None,
            TlsMode::VerifyCa | TlsMode::VerifyFull => Some(trust::trusted(&settings.roots)?),
        };
        let name = settings.mode == TlsMode::VerifyFull;
        let verifier = Verifier { provider: Arc::clone(&provider), trusted, name };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsFailure::Identity)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = trust::identity(files)?;
                builder.with_client_auth_cert(chain, key).map_err(TlsFailure::Identity)?
            }
        };
        config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
        Ok(Self { config: Arc::new(config) })
    }

    /// A handshake over a stream with the server of this name or address. It may take for ever.
    ///
    /// # Errors
    /// It broke off, or one side does not accept the other.
    pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, TlsFailure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFailure::Name(host.to_owned()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(|error| TlsFailure::of_handshake(error, host))
    }
}
