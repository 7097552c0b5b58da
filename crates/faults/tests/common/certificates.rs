//! Throw-away authorities and the certificates that they sign: their dates are of today, so nothing expires.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A certificate and its key, in files.
pub(crate) struct Signed {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// An authority, and the folder with all its files; gone with the value.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        let folder = tempfile::Builder::new().prefix("deadstick-tls-").tempdir().expect("a folder");
        // Servers run as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        let authority = Self { folder, issuer: Issuer::new(params, key) };
        std::fs::write(authority.file(), pem).expect("written");
        authority
    }

    /// The file that says whom it is.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these names and addresses, in files of this user's.
    pub(crate) fn sign(&self, user: &str, names: &[&str]) -> Signed {
        self.sign_as(user, names, |_| {})
    }

    /// The same, changed before it is signed.
    pub(crate) fn sign_as(
        &self,
        user: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        let common = names.first().cloned().unwrap_or_default();
        params.distinguished_name.push(DnType::CommonName, common);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let pem = params.signed_by(&key, &self.issuer).expect("signed").pem();
        self.keep(user, &pem, &key)
    }

    /// One that is its own authority, beside this one.
    pub(crate) fn sign_itself(&self, user: &str, names: &[&str]) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        self.keep(user, &pem, &key)
    }

    fn keep(&self, user: &str, pem: &str, key: &KeyPair) -> Signed {
        let count = std::fs::read_dir(self.folder.path()).expect("ours").count();
        let file = |end: &str| self.folder.path().join(format!("{count}.{end}"));
        let signed = Signed { certificate: file("crt"), key: file("key") };
        std::fs::write(&signed.certificate, pem).expect("written");
        std::fs::write(&signed.key, key.serialize_pem()).expect("written");
        std::fs::set_permissions(&signed.key, std::fs::Permissions::from_mode(0o600)).expect("ours");
        if rustix::process::geteuid().is_root() {
            let status = std::process::Command::new("chown").arg(user).arg(&signed.key).status();
            assert!(status.is_ok_and(|status| status.success()), "chown {user}");
        }
        signed
    }
}
