//! TLS handshakes that go wrong: certificates that nobody should accept, made on the spot by throw-away authorities.
//!
//! The authority behind the expired certificates can be had as PEM, since a client that does not trust it never looks at dates.
//! Its key lives in this process only. Nothing is ever relayed: a client that accepts such a certificate is hung up on.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::toxic::TlsFault;

/// A client that neither goes on nor goes away is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("no certificate can be made: {0}")]
pub struct TlsError(#[from] rcgen::Error);

#[derive(Debug)]
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn make(name: &str) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The one whose certificates are expired.
    fn known() -> Result<&'static Self, TlsError> {
        static KNOWN: OnceLock<Authority> = OnceLock::new();
        match KNOWN.get() {
            Some(known) => Ok(known),
            None => {
                let made = Self::make("deadstick throw-away authority")?;
                Ok(KNOWN.get_or_init(|| made))
            }
        }
    }

    fn sign(&self, name: &str, expired: bool) -> Result<CertifiedKey, TlsError> {
        let mut params = CertificateParams::new(vec![name.to_owned(), "localhost".to_owned()])?;
        params.subject_alt_names.push(rcgen::SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
    }
}

/// The certificate of the authority behind expired certificates, in PEM.
///
/// # Errors
///
/// No key can be made.
pub fn authority_pem() -> Result<&'static str, TlsError> {
    Ok(&Authority::known()?.pem)
}

/// Makes a certificate for whatever name is asked for.
#[derive(Debug)]
struct Resolver(TlsFault);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or("localhost");
        let signed = match self.0 {
            TlsFault::Expired => Authority::known().and_then(|known| known.sign(name, true)),
            // An authority that nobody has seen before, or will again.
            TlsFault::Untrusted => Authority::make("unknown").and_then(|unknown| unknown.sign(name, false)),
            TlsFault::Stalled => return None,
        };
        match signed {
            Ok(signed) => Some(Arc::new(signed)),
            Err(error) => {
                tracing::error!(%error, "the handshake fails otherwise than asked");
                None
            }
        }
    }
}

/// Lets the client's handshake fail; returns when the client has gone or has been waited for long enough.
pub(crate) async fn fail(client: &mut TcpStream, fault: TlsFault) {
    if fault == TlsFault::Stalled {
        // What the client says is taken in, and nothing ever answered.
        drain(client).await;
        return;
    }
    let outcome = tokio::time::timeout(PATIENCE, async {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(fault)));
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(&mut *client).await?;
        // Accepted after all, or refused only now: either way nothing more is said.
        stream.read(&mut [0]).await
    });
    match outcome.await {
        Ok(Ok(_)) => tracing::warn!(?fault, "a client accepted the certificate"),
        Ok(Err(error)) => tracing::debug!(?fault, %error, "the handshake failed, as asked"),
        Err(_) => tracing::debug!(?fault, "the client neither went on nor away"),
    }
}

async fn drain(client: &mut TcpStream) {
    let mut scrap = [0; 1_024];
    while let Ok(1..) = client.read(&mut scrap).await {}
}
