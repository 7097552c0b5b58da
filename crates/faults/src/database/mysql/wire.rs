//! Packets of the `MySQL` client protocol, version 10 with protocol 4.1, as far as text statements need them.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{MysqlError, Row};

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

pub(super) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], MysqlError> {
    let (taken, left) = rest.split_at_checked(count).ok_or(MysqlError::Form("a packet cut short"))?;
    *rest = left;
    Ok(taken)
}

pub(super) fn until_nul<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], MysqlError> {
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
