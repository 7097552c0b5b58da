//! How a conversation begins: the greeting of the server, and the answers to it.

use super::MysqlError;
use super::wire::{error, take, until_nul};

const CONNECT_WITH_DB: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

/// What the server says first.
pub(super) struct Greeting {
    /// Whether it has TLS.
    pub(super) tls: bool,
    pub(super) method: String,
    pub(super) nonce: Vec<u8>,
}

impl Greeting {
    pub(super) fn read(packet: &[u8]) -> Result<Self, MysqlError> {
        let mut rest = packet;
        match take(&mut rest, 1)? {
            [10] => {}
            [0xff] => return Err(error(rest)),
            _ => return Err(MysqlError::Form("a greeting of another protocol")),
        }
        until_nul(&mut rest)?;
        take(&mut rest, 4)?;
        let mut nonce = take(&mut rest, 8)?.to_vec();
        // A filler.
        take(&mut rest, 1)?;
        let [low, high] = *take(&mut rest, 2)? else { return Err(MysqlError::Form("capabilities")) };
        let tls = u32::from(u16::from_le_bytes([low, high])) & TLS != 0;
        // The character set, the status, more capabilities.
        take(&mut rest, 1 + 2 + 2)?;
        let length = usize::from(take(&mut rest, 1)?[0]);
        take(&mut rest, 10)?;
        let left = rest.len();
        let second = take(&mut rest, length.saturating_sub(8).max(13).min(left))?;
        nonce.extend(second.iter().take(12));
        let method = until_nul(&mut rest).unwrap_or(b"mysql_native_password");
        Ok(Self { tls, method: String::from_utf8_lossy(method).into_owned(), nonce })
    }
}

/// How an answer to the greeting begins.
fn beginning(secret: bool, database: &str) -> Vec<u8> {
    let mut flags = PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH;
    if secret {
        flags |= TLS;
    }
    if !database.is_empty() {
        flags |= CONNECT_WITH_DB;
    }
    let mut body = flags.to_le_bytes().to_vec();
    body.extend(0x0100_0000_u32.to_le_bytes());
    body.push(CHARSET);
    body.extend([0; 23]);
    body
}

/// The answer to the greeting that asks for TLS before anything else is said. Some servers go by these flags later, too,
/// and not by those of the login.
pub(super) fn tls_request(database: &str) -> Vec<u8> {
    beginning(true, database)
}

/// The answer to the greeting.
pub(super) fn login(secret: bool, user: &str, database: &str, method: &str, proof: &[u8]) -> Vec<u8> {
    let mut body = beginning(secret, database);
    body.extend(user.bytes().chain([0]));
    // A proof is at most a digest of 32 bytes.
    body.push(u8::try_from(proof.len()).unwrap_or(0));
    body.extend_from_slice(proof);
    if !database.is_empty() {
        body.extend(database.bytes().chain([0]));
    }
    body.extend(method.bytes().chain([0]));
    body
}

/// The server asks for another method: its name and its nonce.
pub(super) fn switch(mut rest: &[u8]) -> Result<(String, Vec<u8>), MysqlError> {
    if rest.is_empty() {
        return Err(MysqlError::Refused(
            "the server asks for a login of before 4.1, which is not spoken here".to_owned(),
        ));
    }
    let method = String::from_utf8_lossy(until_nul(&mut rest)?).into_owned();
    Ok((method, rest.strip_suffix(&[0]).unwrap_or(rest).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_that_is_cut_short_is_an_error_and_no_panic() {
        let mut greeting = b"\x0a10.11\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xff\x15".to_vec();
        greeting.extend([0; 10]);
        greeting.extend(b"ijklmnopqrst\0mysql_native_password\0");
        let read = Greeting::read(&greeting).expect("whole");
        assert_eq!(
            (read.tls, read.method.as_str(), read.nonce.as_slice()),
            (true, "mysql_native_password", &b"abcdefghijklmnopqrst"[..])
        );
        for length in 0..30 {
            assert!(Greeting::read(&greeting[..length]).is_err(), "{length}");
        }
    }
}
