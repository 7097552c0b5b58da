//! Packets of the `MySQL` client protocol, version 10 with protocol 4.1, as far as text statements need them.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{MysqlError, Row};

const CONNECT_WITH_DB: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;
/// The largest packet that is read; no answer to a statement of ours is as long.
const MOST: usize = 0xff_ffff - 1;
const QUERY: u8 = 0x03;

/// Packets over a stream.
pub(super) struct Packets<S> {
    stream: S,
    sequence: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, sequence: 0 }
    }

    /// The stream, and the number of the next packet.
    pub(super) fn into_parts(self) -> (S, u8) {
        (self.stream, self.sequence)
    }

    /// Goes on over another stream.
    pub(super) const fn from_parts(stream: S, sequence: u8) -> Self {
        Self { stream, sequence }
    }

    pub(super) const fn stream(&self) -> &S {
        &self.stream
    }

    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, MysqlError> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if length > MOST {
            return Err(MysqlError::Form("a packet that is too long"));
        }
        self.sequence = head[3].wrapping_add(1);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(body)
    }

    pub(super) async fn send(&mut self, body: &[u8]) -> Result<(), MysqlError> {
        let length = u32::try_from(body.len()).ok().filter(|length| *length < 0xff_ffff);
        let [a, b, c, _] = length.ok_or(MysqlError::Form("a statement that is too long"))?.to_le_bytes();
        let mut packet = vec![a, b, c, self.sequence];
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        // One more follows at once where TLS was asked for; otherwise the answer says where the count is.
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// A statement and its rows.
    pub(super) async fn question(&mut self, sql: &str) -> Result<Vec<Row>, MysqlError> {
        self.sequence = 0;
        let mut body = vec![QUERY];
        body.extend_from_slice(sql.as_bytes());
        self.send(&body).await?;
        let first = self.receive().await?;
        match first.split_first() {
            Some((0x00, _)) => return Ok(Vec::new()),
            Some((0xff, rest)) => return Err(error(rest)),
            _ => {}
        }
        let columns = number(&mut first.as_slice())?.ok_or(MysqlError::Form("the number of columns"))?;
        // The columns are described, which is of no interest, up to a mark.
        while !is_end(&self.receive().await?) {}
        let mut rows = Vec::new();
        loop {
            let packet = self.receive().await?;
            if is_end(&packet) {
                return Ok(rows);
            }
            if let Some((0xff, rest)) = packet.split_first() {
                return Err(error(rest));
            }
            let mut rest = packet.as_slice();
            rows.push((0..columns).map(|_| text(&mut rest)).collect::<Result<_, _>>()?);
        }
    }
}

fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

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

/// What is behind the mark of an error.
pub(super) fn error(rest: &[u8]) -> MysqlError {
    let Some(([low, high], rest)) = rest.split_first_chunk() else { return MysqlError::Form("an error") };
    let words = match rest.split_first() {
        // The state of the SQL standard: five letters.
        Some((b'#', rest)) => rest.get(5..).unwrap_or_default(),
        _ => rest,
    };
    let message = deadstick_core::text::printable(&String::from_utf8_lossy(words));
    MysqlError::Server { code: u16::from_le_bytes([*low, *high]), message }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], MysqlError> {
    let (taken, left) = rest.split_at_checked(count).ok_or(MysqlError::Form("a packet cut short"))?;
    *rest = left;
    Ok(taken)
}

fn until_nul<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], MysqlError> {
    let at = rest.iter().position(|byte| *byte == 0).ok_or(MysqlError::Form("a text without an end"))?;
    let text = take(rest, at)?;
    take(rest, 1)?;
    Ok(text)
}

/// A number of one to nine bytes; none for null.
fn number(rest: &mut &[u8]) -> Result<Option<usize>, MysqlError> {
    let count = match take(rest, 1)?[0] {
        0xfb => return Ok(None),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => return Ok(Some(usize::from(small))),
    };
    let mut bytes = [0; 8];
    bytes[..count].copy_from_slice(take(rest, count)?);
    let number = usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| MysqlError::Form("a length"))?;
    Ok(Some(number))
}

fn text(rest: &mut &[u8]) -> Result<Option<String>, MysqlError> {
    let Some(length) = number(rest)? else { return Ok(None) };
    Ok(Some(String::from_utf8_lossy(take(rest, length)?).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_an_error_and_no_panic() {
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
        for packet in [&b""[..], b"\x01", b"\xff\x13"] {
            assert!(matches!(error(packet), MysqlError::Form(_) | MysqlError::Server { .. }));
        }
        let mut rest = &b"\x03abc\xfb\xfc\x01\x00x\x05y"[..];
        let mut next = || text(&mut rest);
        assert_eq!(next().expect("whole").as_deref(), Some("abc"));
        assert_eq!(next().expect("whole"), None);
        assert_eq!(next().expect("whole").as_deref(), Some("x"));
        assert!(next().is_err());
    }

    #[test]
    fn errors_are_the_servers_words() {
        let said = error(b"\x15\x04#28000Access denied\x1b[31m");
        assert!(matches!(said, MysqlError::Server { code: 1045, message } if message == "Access denied[31m"));
    }
}
