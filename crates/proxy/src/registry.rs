//! The set of proxies behind one API: names, creation, populate and reset.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as AsyncMutex;

use crate::control::lock;
use crate::lanes::Lanes;
use crate::listen::ListenError;
use crate::proxy::{Proxy, Series};
use crate::toxic::Toxic;

/// Counters of proxies that are gone, kept for the next scrapes.
const RETIRED: usize = 1_000;

/// A proxy as a request or a configuration file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The name.
    pub name: String,
    /// The listen address; empty: every interface, any port.
    pub listen: String,
    /// The upstream.
    pub upstream: String,
    /// Whether it listens from the start.
    pub enabled: bool,
    /// Toxics that are there before the first connection.
    pub toxics: Vec<Toxic>,
}

/// A change of the set that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The name is taken.
    #[error("proxy already exists")]
    Exists,
    /// No proxy has that name.
    #[error("proxy not found")]
    NotFound,
    /// The proxy cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// The proxies of one server.
#[derive(Debug)]
pub struct Registry {
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
    /// Held over changes of the set, so that checking a name and taking it are one. Reading never waits for it.
    changing: AsyncMutex<()>,
    retired: Mutex<VecDeque<(String, Series)>>,
    seed: u64,
    precise: bool,
    lanes: Arc<Lanes>,
}

impl Registry {
    /// An empty set whose chances all follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            proxies: Mutex::default(),
            changing: AsyncMutex::default(),
            retired: Mutex::default(),
            seed,
            precise: false,
            lanes: Arc::default(),
        }
    }

    /// Runs proxies made from now on on these instead of the runtime around.
    #[must_use]
    pub(crate) fn lanes(mut self, lanes: Lanes) -> Self {
        self.lanes = Arc::new(lanes);
        self
    }

    /// Whether proxies made from now on keep delays to the microsecond; see [`Builder::precise`](crate::Builder::precise).
    #[must_use]
    pub fn precise(mut self, precise: bool) -> Self {
        self.precise = precise;
        self
    }

    /// All proxies, by name.
    pub fn all(&self) -> Vec<Arc<Proxy>> {
        lock(&self.proxies).values().cloned().collect()
    }

    /// The proxy of that name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn get(&self, name: &str) -> Result<Arc<Proxy>, RegistryError> {
        lock(&self.proxies).get(name).cloned().ok_or(RegistryError::NotFound)
    }

    /// Creates a proxy. If it cannot listen, it does not exist.
    ///
    /// # Errors
    ///
    /// The name is taken, or the proxy cannot listen.
    pub async fn create(&self, plan: Plan) -> Result<Arc<Proxy>, RegistryError> {
        let _turn = self.changing.lock().await;
        if lock(&self.proxies).contains_key(&plan.name) {
            return Err(RegistryError::Exists);
        }
        let enabled = plan.enabled;
        let proxy = self.prepare(plan);
        if enabled {
            proxy.enable().await?;
        }
        self.insert(&proxy);
        Ok(proxy)
    }

    /// Removes a proxy and closes all it has; its port is free when this returns.
    ///
    /// # Errors
    ///
    /// No proxy has that name.
    pub async fn remove(&self, name: &str) -> Result<(), RegistryError> {
        let _turn = self.changing.lock().await;
        let proxy = lock(&self.proxies).remove(name);
        let proxy = proxy.ok_or(RegistryError::NotFound)?;
        proxy.disable().await;
        self.retire(&proxy);
        Ok(())
    }

    /// Makes sure that the planned proxies exist, one after the other. One that leads the same way already is left alone,
    /// toxics and all; one that does not is replaced. Stops at the first that cannot listen, which keeps what it was.
    pub async fn populate(&self, plans: Vec<Plan>) -> (Vec<Arc<Proxy>>, Option<RegistryError>) {
        let _turn = self.changing.lock().await;
        let mut done = Vec::with_capacity(plans.len());
        for plan in plans {
            match self.ensure(plan).await {
                Ok(proxy) => done.push(proxy),
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }

    async fn ensure(&self, plan: Plan) -> Result<Arc<Proxy>, RegistryError> {
        let old = lock(&self.proxies).get(&plan.name).cloned();
        if let Some(old) = &old
            && !old.differs(&plan.listen, &plan.upstream).await?
        {
            return Ok(Arc::clone(old));
        }
        let enabled = plan.enabled;
        let proxy = self.prepare(plan);
        let was_enabled = old.as_ref().is_some_and(|old| old.route().enabled);
        if let Some(old) = &old {
            old.disable().await;
        }
        if enabled && let Err(error) = proxy.enable().await {
            if let Some(old) = old.filter(|_| was_enabled) {
                old.enable().await?;
            }
            return Err(error.into());
        }
        if let Some(old) = &old {
            self.retire(old);
        }
        self.insert(&proxy);
        Ok(proxy)
    }

    /// Enables every proxy and takes all toxics away. One that cannot be enabled does not keep the others from it; the
    /// first such error is returned.
    ///
    /// # Errors
    ///
    /// A proxy cannot listen.
    pub async fn reset(&self) -> Result<(), RegistryError> {
        let _turn = self.changing.lock().await;
        let mut outcome = Ok(());
        for proxy in self.all() {
            match proxy.enable().await {
                Ok(()) => proxy.clear_toxics(),
                Err(error) => outcome = outcome.and(Err(error.into())),
            }
        }
        outcome
    }

    /// The counters of all proxies, and lately of those that are gone, by name.
    pub fn series(&self) -> Vec<(String, Series)> {
        let mut all: Vec<(String, Series)> = lock(&self.retired).iter().cloned().collect();
        for proxy in self.all() {
            let name = proxy.name();
            all.extend(proxy.series().into_iter().map(|series| (name.to_owned(), series)));
        }
        all
    }

    fn prepare(&self, plan: Plan) -> Arc<Proxy> {
        let proxy = Proxy::builder(plan.name, plan.upstream)
            .listen(plan.listen)
            .seed(self.seed)
            .precise(self.precise)
            .lanes(Arc::clone(&self.lanes))
            .disabled();
        for toxic in plan.toxics {
            let name = toxic.name.clone();
            if proxy.add_toxic(toxic).is_err() {
                tracing::error!(
                    proxy = proxy.name(),
                    toxic = name,
                    "a second toxic of that name is left out"
                );
            }
        }
        Arc::new(proxy)
    }

    fn insert(&self, proxy: &Arc<Proxy>) {
        lock(&self.proxies).insert(proxy.name().to_owned(), Arc::clone(proxy));
    }

    fn retire(&self, proxy: &Proxy) {
        let mut retired = lock(&self.retired);
        for series in proxy.series() {
            // A later proxy of the same name and addresses starts from nothing: two lines with the same labels are not allowed.
            retired.retain(|(name, old)| {
                name != proxy.name() || old.listen != series.listen || old.upstream != series.upstream
            });
            retired.push_back((proxy.name().to_owned(), series));
        }
        while retired.len() > RETIRED {
            retired.pop_front();
        }
    }
}
