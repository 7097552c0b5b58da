//! The API's sockets and time limits.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::error::ApiError;
use super::reply::{self, Reply};
use super::{Api, Opened};

/// A call that takes longer is answered with 503.
const HANDLER: Duration = Duration::from_secs(25);

/// A body must have arrived by then.
const BODY: Duration = Duration::from_secs(15);

/// The head of the next request must have arrived by then.
const IDLE: Duration = Duration::from_secs(60);

/// The largest body that is read.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// How long calls in progress may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(30);

/// Where the API is served.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Socket {
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self
            && let Err(error) = std::fs::remove_file(&*path)
        {
            tracing::debug!(%error, "the API's socket file stays");
        }
    }
}

/// Serves the API on all of `sockets` until `shutdown` resolves.
pub(crate) async fn serve(sockets: Vec<Socket>, api: Arc<Api>, shutdown: impl Future<Output = ()>) {
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut serving = tokio::task::JoinSet::new();
    for socket in sockets {
        serving.spawn(serve_one(socket, Arc::clone(&api), stopped.clone()));
    }
    drop(stopped);
    shutdown.await;
    drop(stop);
    if tokio::time::timeout(GRACE, serving.join_all()).await.is_err() {
        tracing::warn!("calls in progress were cut off");
    }
}

async fn serve_one(socket: Socket, api: Arc<Api>, mut stopped: tokio::sync::watch::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            // Resolves, with an error, when the sender is dropped.
            _ = stopped.changed() => break,
            accepted = accept(&socket) => accepted,
        };
        match accepted {
            Ok(Accepted::Tcp(stream)) => spawn(stream, &api, &graceful),
            Ok(Accepted::Unix(stream)) => spawn(stream, &api, &graceful),
            Err(error) => {
                tracing::warn!(%error, "the API cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(socket);
    graceful.shutdown().await;
}

enum Accepted {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(socket: &Socket) -> io::Result<Accepted> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "an API connection has gone already");
            }
            Ok(Accepted::Tcp(stream))
        }
        Socket::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0)),
    }
}

fn spawn<S>(stream: S, api: &Arc<Api>, graceful: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let api = Arc::clone(api);
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<Reply, Infallible>(respond(&api, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .half_close(true)
        // As every reply of the original is written; scripts look for `Content-Type:` in so many letters.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an API connection broke");
        }
    });
}

async fn respond(api: &Api, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    tracing::debug!(method = %head.method, path = head.uri.path(), "call");
    let call = match api.open(&head) {
        Opened::Call(call) => call,
        Opened::Reply(reply) => return reply,
    };
    let answered = async {
        let body = read(body).await;
        api.answer(call, body).await
    };
    tokio::time::timeout(HANDLER, answered).await.unwrap_or_else(|_| reply::timeout())
}

async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(BODY, Limited::new(body, LARGEST_BODY).collect())
        .await
        .map_err(|_| ApiError::Transfer("i/o timeout".to_owned()))?;
    match collected {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge),
        Err(_broken_off) => Err(ApiError::Transfer("unexpected EOF".to_owned())),
    }
}
