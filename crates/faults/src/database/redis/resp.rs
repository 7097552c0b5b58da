//! The Redis protocol, version 2: a command as a list of texts, and its reply.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::RedisError;

/// The longest reply that is read; none that is asked for here is as long.
const MOST: usize = 1 << 20;

/// A reply; what it is made of is not asked for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Text(String),
    Number(i64),
    Nothing,
}

pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), words: &[&str]) -> Result<(), RedisError> {
    let mut line = format!("*{}\r\n", words.len());
    for word in words {
        line += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(line.as_bytes()).await?;
    stream.flush().await?;
    Ok(())
}

pub(super) async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Reply, RedisError> {
    let mut line = Vec::new();
    (&mut *stream).take(MOST as u64).read_until(b'\n', &mut line).await?;
    let line = match line.strip_suffix(b"\r\n") {
        Some(line) => String::from_utf8_lossy(line).into_owned(),
        None if line.is_empty() => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
        None => return Err(RedisError::Form("a line without an end")),
    };
    let number = |text: &str| text.parse::<i64>().map_err(|_| RedisError::Form("a number"));
    match line.split_at_checked(1) {
        Some(("+", text)) => Ok(Reply::Text(text.to_owned())),
        Some(("-", text)) => Err(RedisError::Server(deadstick_core::text::printable(text))),
        Some((":", text)) => Ok(Reply::Number(number(text)?)),
        Some(("$", text)) => match usize::try_from(number(text)?) {
            Err(_) => Ok(Reply::Nothing),
            Ok(length) if length > MOST => Err(RedisError::Form("a text that is too long")),
            Ok(length) => {
                let mut text = vec![0; length + 2];
                stream.read_exact(&mut text).await?;
                text.truncate(length);
                Ok(Reply::Text(String::from_utf8_lossy(&text).into_owned()))
            }
        },
        _ => Err(RedisError::Form("a reply of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Reply, RedisError> {
        receive(&mut &*bytes).await
    }

    #[tokio::test]
    async fn replies_are_read() {
        assert_eq!(read(b"+OK\r\n").await.expect("whole"), Reply::Text("OK".to_owned()));
        assert_eq!(read(b":-3\r\n").await.expect("whole"), Reply::Number(-3));
        assert_eq!(read(b"$-1\r\n").await.expect("whole"), Reply::Nothing);
        assert_eq!(read(b"$4\r\na\r\nb\r\n").await.expect("whole"), Reply::Text("a\r\nb".to_owned()));
        assert!(
            matches!(read(b"-NOAUTH no\x1b\r\n").await, Err(RedisError::Server(why)) if why == "NOAUTH no")
        );
        for bad in [&b""[..], b"+OK", b"$99999999\r\n", b"$5\r\nab", b"*1\r\n", b"\r\n", b":x\r\n"] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn commands_are_written_by_length() {
        let mut out = Vec::new();
        send(&mut out, &["AUTH", "s3 crét\r\n"]).await.expect("written");
        assert_eq!(out, "*2\r\n$4\r\nAUTH\r\n$10\r\ns3 crét\r\n\r\n".as_bytes());
    }
}
