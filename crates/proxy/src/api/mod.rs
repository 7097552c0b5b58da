//! The HTTP API: Toxiproxy's contract, byte for byte where a client may look.
//!
//! [`route`] finds the call, this module answers it, [`reply`] writes it down, [`server`] owns sockets and time limits.
//! No call waits for the data path.

pub(crate) mod error;
mod metrics;
mod reply;
mod route;
pub(crate) mod server;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;

use self::error::ApiError;
use self::reply::Reply;
use self::route::Call;
use crate::dice::Dice;
use crate::json;
use crate::plan;
use crate::proxy::{Change, Proxy};
use crate::registry::Registry;

/// The level of the original's API that is served. Clients compare it as a number and choose their calls by it.
pub(crate) const API_VERSION: &str = "2.12.0";

/// The proxies and what guards them.
#[derive(Debug)]
pub(crate) struct Api {
    /// The proxies.
    pub(crate) registry: Registry,
    /// Whether traffic counters are served.
    pub(crate) proxy_metrics: bool,
    /// Whether numbers about this process are served.
    pub(crate) runtime_metrics: bool,
    /// What callers must show, if anything.
    pub(crate) token: Option<String>,
}

/// A request before its body has been read: a call to be answered, or a reply at once.
pub(crate) enum Opened {
    Call(Call),
    Reply(Reply),
}

impl Api {
    /// Decides what a request is from its head alone.
    pub(crate) fn open(&self, head: &Parts) -> Opened {
        if let Some(token) = &self.token {
            let shown = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
            let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
            if !shown.is_some_and(|shown| same(shown, token.as_bytes())) {
                return Opened::Reply(reply::error(&ApiError::Unauthorized));
            }
        }
        let call = match route::route(&head.method, head.uri.path()) {
            Ok(Call::Metrics) if !self.proxy_metrics && !self.runtime_metrics => {
                return Opened::Reply(reply::unrouted(route::Unrouted::NotFound, head.uri.query()));
            }
            Ok(call) => call,
            Err(unrouted) => return Opened::Reply(reply::unrouted(unrouted, head.uri.query())),
        };
        let agent = head.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        if agent.is_some_and(|agent| agent.starts_with(b"Mozilla/")) {
            return Opened::Reply(identified(reply::no_browsers()));
        }
        Opened::Call(call)
    }

    /// Answers a call.
    pub(crate) async fn answer(&self, call: Call, body: Result<Bytes, ApiError>) -> Reply {
        let answered = match body {
            Ok(body) => self.call(call, &body).await,
            Err(error) => Err(error),
        };
        identified(answered.unwrap_or_else(|error| {
            tracing::debug!(%error, "call failed");
            reply::error(&error)
        }))
    }

    async fn call(&self, call: Call, body: &[u8]) -> Result<Reply, ApiError> {
        let registry = &self.registry;
        let mut out = String::new();
        let status = match call {
            Call::Proxies => {
                let mut separator = '{';
                for proxy in registry.all() {
                    out.push(separator);
                    separator = ',';
                    json::string(&mut out, proxy.name());
                    out.push(':');
                    reply::write_proxy(&mut out, &proxy);
                }
                out.push_str(if separator == '{' { "{}" } else { "}" });
                StatusCode::OK
            }
            Call::CreateProxy => {
                let proxy = registry.create(plan::create(body)?).await?;
                reply::write_proxy(&mut out, &proxy);
                StatusCode::CREATED
            }
            Call::Proxy(name) => {
                reply::write_proxy(&mut out, &*registry.get(&name)?);
                StatusCode::OK
            }
            Call::UpdateProxy(name) => {
                let proxy = registry.get(&name)?;
                update(&proxy, body).await?;
                reply::write_proxy(&mut out, &proxy);
                StatusCode::OK
            }
            Call::DeleteProxy(name) => {
                registry.remove(&name).await?;
                return Ok(reply::empty(StatusCode::NO_CONTENT));
            }
            Call::Toxics(proxy) => {
                reply::write_toxics(&mut out, &registry.get(&proxy)?.toxics());
                StatusCode::OK
            }
            Call::CreateToxic(proxy) => {
                let proxy = registry.get(&proxy)?;
                let wanted = plan::toxic(body)?;
                if proxy.toxic(&wanted.name).is_some() {
                    return Err(ApiError::ToxicExists);
                }
                let toxic = wanted.build()?;
                toxic.write(&mut out);
                proxy.add_toxic(toxic)?;
                StatusCode::OK
            }
            Call::Toxic(proxy, toxic) => {
                let proxy = registry.get(&proxy)?;
                let toxic = proxy.toxic(&toxic).ok_or(ApiError::ToxicNotFound)?;
                toxic.write(&mut out);
                StatusCode::OK
            }
            Call::UpdateToxic(proxy, toxic) => {
                let proxy = registry.get(&proxy)?;
                if proxy.toxic(&toxic).is_none() {
                    return Err(ApiError::ToxicNotFound);
                }
                let object = json::object(json::first_value(body)?, "")?;
                proxy.update_toxic(&toxic, |toxic| plan::changed(toxic, &object))?.write(&mut out);
                StatusCode::OK
            }
            Call::DeleteToxic(proxy, toxic) => {
                registry.get(&proxy)?.remove_toxic(&toxic)?;
                return Ok(reply::empty(StatusCode::NO_CONTENT));
            }
            Call::Populate => {
                let (done, failed) = match plan::populate(body) {
                    Ok(plans) => registry.populate(plans).await,
                    Err(error) => return Ok(reply::populated(&[], Some(&error))),
                };
                return Ok(reply::populated(&done, failed.map(Into::into).as_ref()));
            }
            Call::Reset => {
                registry.reset().await?;
                return Ok(reply::empty(StatusCode::NO_CONTENT));
            }
            Call::Version => {
                let body = format!("{{\"version\": \"{API_VERSION}\"}}\n");
                let mut reply = reply::with(StatusCode::OK, "application/json;charset=utf-8", body);
                reply
                    .headers_mut()
                    .insert("x-deadstick-version", HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
                return Ok(reply);
            }
            Call::TlsAuthority => {
                let pem = crate::tls::authority_pem()?;
                return Ok(reply::with(StatusCode::OK, "application/x-pem-file", pem));
            }
            Call::Metrics => {
                let body = metrics::exposition(self);
                return Ok(reply::with(StatusCode::OK, metrics::CONTENT_TYPE, body));
            }
        };
        Ok(reply::json(status, out))
    }
}

/// Changes a proxy as the body says. The name in it is not looked at: names do not change.
async fn update(proxy: &Proxy, body: &[u8]) -> Result<(), ApiError> {
    let object = json::object(json::first_value(body)?, "")?;
    let change = Change {
        listen: json::field(&object, "listen")?,
        upstream: json::field(&object, "upstream")?,
        enabled: json::field(&object, "enabled")?,
    };
    Ok(proxy.change(change).await?)
}

/// Adds the id that every routed reply carries: 20 characters of 0-9 and a-v.
fn identified(mut reply: Reply) -> Reply {
    let mut dice = Dice::new(Dice::entropy());
    let id: String =
        (0..20).map(|_| char::from(b"0123456789abcdefghijklmnopqrstuv"[dice.below(32)])).collect();
    if let Ok(id) = HeaderValue::from_str(&id) {
        reply.headers_mut().insert("x-toxiproxy-request-id", id);
    }
    reply
}

/// Compares without telling by the time it takes how much was right.
fn same(shown: &[u8], token: &[u8]) -> bool {
    shown.len() == token.len()
        && shown.iter().zip(token).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
