//! An HTTP server that behaves as told, down to the TCP segment.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the server does with a request from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// This status line and body.
    Answer(&'static str, &'static str),
    /// Nothing, until the mode changes; then what the new mode says.
    Hang,
    /// RST instead of an answer.
    Reset,
    /// FIN instead of an answer.
    Close,
    /// Bytes that are not HTTP.
    Garbage,
    /// A good head, and a body that never ends its promise.
    Stuck,
    /// A good head, half of the body, then RST.
    BrokenBody,
    /// 200 with a body of this many bytes, then `needle`.
    Long(usize),
    /// What was received, as the body.
    Echo,
}

/// Ends with its value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket");
        let mode = watch::Sender::new(mode);
        let modes = mode.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, modes.clone()));
            }
        });
        Self { address, mode, accepting }
    }

    pub(crate) fn turn(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Goes, so that nothing listens there any more.
    pub(crate) async fn leave(&self) {
        self.accepting.abort();
        while !self.accepting.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/checkout", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request, one answer. Errors are the client's business: it hung up.
async fn serve(mut stream: TcpStream, mut modes: watch::Receiver<Mode>) -> Option<()> {
    let request = request(&mut stream).await?;
    let mode = modes.wait_for(|m| *m != Mode::Hang).await.ok()?.clone();
    match mode {
        Mode::Answer(status, body) => answer(&mut stream, status, body).await?,
        Mode::Hang | Mode::Close => {}
        Mode::Reset => reset(&stream),
        Mode::Garbage => stream.write_all(b"220 mail.example ESMTP\r\n").await.ok()?,
        Mode::Stuck => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.ok()?;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Mode::BrokenBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.ok()?;
            // The head must have left before the reset overtakes it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(&stream);
        }
        Mode::Long(size) => answer(&mut stream, "200 OK", &format!("{}needle", "x".repeat(size))).await?,
        Mode::Echo => answer(&mut stream, "200 OK", &request).await?,
    }
    Some(())
}

/// Linger of zero makes the close a reset.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()
}

/// Head and body of a request.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        seen.extend_from_slice(chunk.get(..n)?);
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .next()
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
    }
}
