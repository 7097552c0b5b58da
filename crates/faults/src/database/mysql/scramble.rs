//! How a password is proved to a `MySQL` or `MariaDB` server without being sent.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The answer to a server's nonce; none for a method that is not spoken here.
pub(super) fn answer(method: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let password = password.as_bytes();
    match method {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Some(Vec::new()),
        "mysql_native_password" => {
            let once = Sha1::digest(password);
            let mask = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
            Some(both(&once, &mask))
        }
        "caching_sha2_password" => {
            let once = Sha256::digest(password);
            let mask = Sha256::new().chain_update(Sha256::digest(once)).chain_update(nonce).finalize();
            Some(both(&once, &mask))
        }
        _ => None,
    }
}

fn both(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server does: it knows only a digest of a digest, and finds the first one under the mask.
    #[test]
    fn a_server_that_knows_the_digest_of_the_digest_is_convinced() {
        let nonce = b"abcdefghijklmnopqrst";
        let proof = answer("mysql_native_password", "s3cret", nonce).expect("spoken");
        let known = Sha1::digest(Sha1::digest("s3cret"));
        let once = both(&proof, &Sha1::new().chain_update(nonce).chain_update(known).finalize());
        assert_eq!(Sha1::digest(once), known);
        let proof = answer("caching_sha2_password", "s3cret", nonce).expect("spoken");
        let known = Sha256::digest(Sha256::digest("s3cret"));
        let once = both(&proof, &Sha256::new().chain_update(known).chain_update(nonce).finalize());
        assert_eq!(Sha256::digest(once), known);
        assert_eq!(answer("client_ed25519", "s3cret", nonce), None);
        assert_eq!(answer("caching_sha2_password", "", nonce), Some(Vec::new()));
    }
}
