//! The digest of a server's certificate to which the proof of a password is bound (RFC 5929, `tls-server-end-point`).
//!
//! It is made with the digest of the certificate's own signature, so that much of a certificate is read here. Where that
//! is not known, there is no digest, and the password is proved without.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// `sequence { body, sequence { signature algorithm, … }, signature }`
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (fields, _) = element(SEQUENCE, certificate)?;
    let (_body, rest) = element(SEQUENCE, fields)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    let (identifier, _) = element(OBJECT, algorithm)?;
    Some(match digest(identifier)? {
        // Anything weaker is replaced by it.
        Kind::Sha256 => Sha256::digest(certificate).to_vec(),
        Kind::Sha384 => Sha384::digest(certificate).to_vec(),
        Kind::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sha256,
    Sha384,
    Sha512,
}

/// The digest in a signature algorithm, by its object identifier.
fn digest(identifier: &[u8]) -> Option<Kind> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    match identifier.split_last()? {
        // MD5, SHA-1 and SHA-256 with RSA.
        (4 | 5 | 11, RSA) | (2, ECDSA) => Some(Kind::Sha256),
        (12, RSA) | (3, ECDSA) => Some(Kind::Sha384),
        (13, RSA) | (4, ECDSA) => Some(Kind::Sha512),
        // RSASSA-PSS names its digest in its parameters, and Ed25519 has none that all agree on.
        _ => None,
    }
}

/// The content of the element at the beginning, and what is behind it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
            let certificate = rcgen::CertificateParams::new(vec!["h".to_owned()])
                .and_then(|params| params.self_signed(&key))
                .expect("a certificate");
            assert_eq!(end_point(certificate.der()).map(|digest| digest.len()), length, "{algorithm:?}");
            for end in 0..certificate.der().len().min(300) {
                assert_eq!(end_point(&certificate.der()[..end]), None, "cut short at {end}");
            }
        }
    }
}
