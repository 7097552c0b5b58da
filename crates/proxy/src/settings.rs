//! The server program: its settings, its start and its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::net::UnixListener;

use crate::api::Api;
use crate::api::server::{Socket, serve as serve_api};
use crate::dice::Dice;
use crate::lanes::Lanes;
use crate::listen::{self, ListenError};
use crate::plan;
use crate::registry::Registry;

/// How a server is to run. The default is the original's: `localhost:8474`, no configuration, no metrics.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API listens.
    pub host: String,
    /// The API's port; 0: any.
    pub port: u16,
    /// The text of the configuration file: a JSON array of proxies, each with its toxics.
    pub config: Option<String>,
    /// Repeats the run that had this seed.
    pub seed: Option<u64>,
    /// Keeps delays to the microsecond; see [`Builder::precise`](crate::Builder::precise).
    pub precise: bool,
    /// Serves traffic counters.
    pub proxy_metrics: bool,
    /// Serves numbers about the process.
    pub runtime_metrics: bool,
    /// What callers of the API must show as a bearer token.
    pub token: Option<String>,
    /// Serves the API on this socket too.
    pub unix_socket: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8474,
            config: None,
            seed: None,
            precise: false,
            proxy_metrics: false,
            runtime_metrics: false,
            token: None,
            unix_socket: None,
        }
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The API's address is wrong or taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The API's unix socket cannot be had.
    #[error("listen unix {}: {source}", path.display())]
    Unix {
        /// Where it was to be.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A server whose sockets are bound and whose configured proxies listen.
#[derive(Debug)]
pub struct Server {
    api: Arc<Api>,
    sockets: Vec<Socket>,
    seed: u64,
}

impl Server {
    /// Binds the API and starts the configured proxies. A configuration that cannot be read, or a proxy in it that cannot
    /// listen, is logged; what came before it stands, and the server runs.
    ///
    /// # Errors
    ///
    /// The API's address or socket cannot be had.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let host = match settings.host.as_str() {
            bare if bare.contains(':') && !bare.starts_with('[') => format!("[{bare}]"),
            host => host.to_owned(),
        };
        let address = listen::resolve(&format!("{host}:{}", settings.port), "tcp").await?;
        let mut sockets = vec![Socket::Tcp(listen::bind(address)?)];
        if !address.ip().is_loopback() && settings.token.is_none() {
            tracing::warn!(%address, "the API is open to other hosts, and whoever reaches it can open ports here: set a token");
        }
        if let Some(path) = &settings.unix_socket {
            sockets.push(unix(path)?);
        }
        let seed = settings.seed.unwrap_or_else(Dice::entropy);
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let api = Arc::new(Api {
            registry: Registry::new(seed).precise(settings.precise).lanes(Lanes::start(cores)),
            proxy_metrics: settings.proxy_metrics,
            runtime_metrics: settings.runtime_metrics,
            token: settings.token,
        });
        if let Some(text) = settings.config {
            populate(&api.registry, &text).await;
        }
        Ok(Self { api, sockets, seed })
    }

    /// Where the API listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.sockets.iter().find_map(Socket::address)
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The proxies.
    pub fn registry(&self) -> &Registry {
        &self.api.registry
    }

    /// Serves until `shutdown` resolves; calls in progress then have 30 seconds to end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        if let Some(address) = self.address() {
            tracing::info!(%address, seed = self.seed, "the API listens");
        }
        serve_api(self.sockets, self.api, shutdown).await;
    }
}

/// Binds and serves until `shutdown` resolves.
///
/// # Errors
///
/// The API's address or socket cannot be had.
pub async fn serve(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(settings).await?.run(shutdown).await;
    Ok(())
}

async fn populate(registry: &Registry, text: &str) {
    match plan::config(text) {
        Err(error) => {
            let error = error.of_a_file();
            tracing::error!(error, "the configuration cannot be read; no proxy of it was made");
        }
        Ok(plans) => {
            let (done, failed) = registry.populate(plans).await;
            tracing::info!(proxies = done.len(), "configured");
            if let Some(error) = failed {
                tracing::error!(%error, "a configured proxy cannot listen; those after it were not made");
            }
        }
    }
}

/// A socket only its owner can use. A file left by a server that died is replaced; one that answers is not.
fn unix(path: &Path) -> Result<Socket, ServeError> {
    match bind_unix(path) {
        Ok(listener) => Ok(Socket::Unix(listener, path.to_owned())),
        Err(source) => Err(ServeError::Unix { path: path.to_owned(), source }),
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
