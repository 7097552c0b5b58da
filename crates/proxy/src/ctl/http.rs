//! One HTTP call to the API, over TCP or a unix socket.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// The server gives up after 25 seconds, so nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// No connection.
    #[error("cannot reach {url}: {source}")]
    Unreachable {
        /// Where the server was expected.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("the server's reply broke off: {0}")]
    Http(#[from] hyper::Error),
    /// What came back is not JSON.
    #[error("the server's reply is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// No reply in time.
    #[error("no reply from {0} in {PATIENCE:?}")]
    Timeout(String),
    /// The server refuses.
    #[error("HTTP {status}: {error}")]
    Refused {
        /// The status.
        status: u16,
        /// The server's reason, printable.
        error: String,
    },
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Output(io::Error),
}

/// A way to call one server.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    token: Option<String>,
}

impl Client {
    /// Calls the server at `url`: `http://HOST:PORT`, `HOST:PORT` or `unix:PATH`.
    ///
    /// # Errors
    ///
    /// The URL is of another kind.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, CtlError> {
        if url.contains("://") && !url.starts_with("http://") {
            return Err(CtlError::Usage(format!("{url} is neither http:// nor unix:")));
        }
        Ok(Self { url: url.to_owned(), token: token.map(str::to_owned) })
    }

    /// One call. The path is given in segments, unescaped. A reply without a body is `null`.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub async fn call(&self, method: &str, path: &[&str], body: Option<&Value>) -> Result<Value, CtlError> {
        tokio::time::timeout(PATIENCE, self.attempt(method, path, body))
            .await
            .unwrap_or_else(|_| Err(CtlError::Timeout(self.url.clone())))
    }

    async fn attempt(&self, method: &str, path: &[&str], body: Option<&Value>) -> Result<Value, CtlError> {
        let unreachable = |source| CtlError::Unreachable { url: self.url.clone(), source };
        let path: String = path.iter().map(|segment| format!("/{}", escape(segment))).collect();
        if let Some(socket) = self.url.strip_prefix("unix:") {
            let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
            return self.exchange(stream, "localhost", method, &path, body).await;
        }
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let stream = TcpStream::connect(&address).await.map_err(unreachable)?;
        self.exchange(stream, &address, method, &path, body).await
    }

    async fn exchange<S>(
        &self,
        stream: S,
        host: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CtlError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let agent = concat!("deadstick-proxy-ctl/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("user-agent", agent)
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|error| CtlError::Usage(error.to_string()))?;
        let reply = async {
            let reply = sender.send_request(request).await?;
            let status = reply.status();
            let body = reply.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        let (status, body) = tokio::select! {
            reply = reply => reply?,
            // Drives the sockets; ends before the reply only by an error.
            Err(error) = connection => return Err(error.into()),
        };
        if status.is_success() {
            return if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) };
        }
        let error: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let error = error["error"].as_str().unwrap_or(text.trim());
        Err(CtlError::Refused { status: status.as_u16(), error: deadstick_core::text::printable(error) })
    }
}

fn escape(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' => {
                char::from(byte).to_string()
            }
            // A dot too: a name of dots alone would be taken for a way up.
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
