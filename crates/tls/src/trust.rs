//! Files of certificates and keys, and the machine's own authorities.

use std::path::Path;
use std::sync::OnceLock;

use deadstick_core::tls::{ClientIdentity, Roots};
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::TlsFailure;

/// Whom we trust.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    pub(crate) authorities: RootCertStore,
    /// The certificates of a file as they are: a server may have one of them for itself.
    pub(crate) themselves: Vec<CertificateDer<'static>>,
}

pub(crate) fn trusted(roots: &Roots) -> Result<Trusted, TlsFailure> {
    match roots {
        Roots::System => system().map(|authorities| Trusted { authorities, themselves: Vec::new() }),
        Roots::File(path) => {
            let themselves = certificates(path)?;
            let mut authorities = RootCertStore::empty();
            for certificate in &themselves {
                authorities.add(certificate.clone()).map_err(|error| unreadable(path, error))?;
            }
            Ok(Trusted { authorities, themselves })
        }
    }
}

/// Read once: they are a few hundred kilobytes.
fn system() -> Result<RootCertStore, TlsFailure> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let store = SYSTEM.get_or_init(|| {
        let mut store = RootCertStore::empty();
        // One that cannot be read is one that nobody trusts.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        store
    });
    if store.is_empty() { Err(TlsFailure::NoRoots) } else { Ok(store.clone()) }
}

pub(crate) fn identity(
    files: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsFailure> {
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match error {
        PemError::NoItemsFound => unreadable(&files.key, "it holds no key in PEM that has no passphrase"),
        other => unreadable(&files.key, other),
    })?;
    Ok((certificates(&files.certificate)?, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFailure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable(path, error))?;
    if certificates.is_empty() {
        return Err(unreadable(path, "it holds no certificate in PEM"));
    }
    Ok(certificates)
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> TlsFailure {
    TlsFailure::File { path: path.to_owned(), why: why.to_string() }
}
