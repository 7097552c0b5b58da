//! One HTTP exchange, judged.
//!
//! Owns the client's settings and the reading of answers. A probe sees what a new user would see: every request has
//! a connection of its own (a kept one could hang, or shine, by itself), no proxy from the environment, no redirect
//! followed, nothing sent twice. An answer that is wrong by its status is judged at once; a right one only when its
//! body is complete, or [`MOST`] bytes of it are here.

use std::error::Error;

use deadstick_core::probe::{HttpExpectation, HttpMethod, HttpProbe};
use reqwest::header::{CONNECTION, CONTENT_TYPE};
use reqwest::{Client, ClientBuilder, Method, Response};

use crate::failure;
use crate::verdict::Verdict;

/// How much of a body is read, in bytes.
const MOST: usize = 1024 * 1024;

/// The client for probes and load.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Err means that another thread installed one in between, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    // A machine without certificates has no say over plain HTTP: go on without roots there.
    settings().build().or_else(|_| settings().tls_certs_only([]).build())
}

fn settings() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("deadstick-probe/", env!("CARGO_PKG_VERSION")))
}

/// Asks once. The caller bounds the time; a status that was seen in time and is wrong does not wait for the body.
pub(crate) async fn ask(client: &Client, probe: &HttpProbe) -> Verdict {
    let method = match probe.method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
    };
    // The server closes first, so that a long load does not use up this side's ports.
    let mut request = client.request(method, &probe.url).header(CONNECTION, "close");
    if let Some(body) = &probe.body {
        request = request.header(CONTENT_TYPE, content_type(body)).body(body.clone());
    }
    match request.send().await {
        Ok(response) => judge(response, probe.expect.as_ref()).await,
        Err(error) => failed(&error.without_url()),
    }
}

/// Bodies in files carry no type: what looks like JSON is sent as JSON, the rest as text.
fn content_type(body: &str) -> &'static str {
    if body.trim_start().starts_with(['{', '[']) { "application/json" } else { "text/plain; charset=utf-8" }
}

async fn judge(mut response: Response, expect: Option<&HttpExpectation>) -> Verdict {
    let status = response.status();
    let code = status.as_str().to_owned();
    match expect.and_then(|e| e.status) {
        Some(wanted) if wanted != status.as_u16() => {
            return Verdict::unsatisfied(format!("answered {status}, expected {wanted}")).with_value(code);
        }
        None if !status.is_success() => {
            return Verdict::unsatisfied(format!("answered {status}, expected success")).with_value(code);
        }
        _ => {}
    }
    let body = match read(&mut response).await {
        Ok(body) => body,
        Err(error) => {
            let detail =
                format!("answered {status}, then the body broke off: {}", failure::innermost(&error));
            return failed(&error).with_detail(detail).with_value(code);
        }
    };
    let Some(wanted) = expect.and_then(|e| e.body_contains.as_deref()) else {
        return Verdict::satisfied(format!("answered {status}")).with_value(code);
    };
    if String::from_utf8_lossy(&body.bytes).contains(wanted) {
        Verdict::satisfied(format!("answered {status}, body holds {wanted:?}"))
    } else if body.whole {
        Verdict::unsatisfied(format!("answered {status}, but the body does not hold {wanted:?}"))
    } else {
        Verdict::unknown(format!("answered {status}; {wanted:?} is not in the first MiB of the body"))
    }
    .with_value(code)
}

/// What was read of a body.
struct Body {
    bytes: Vec<u8>,
    whole: bool,
}

async fn read(response: &mut Response) -> Result<Body, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MOST - bytes.len();
        if chunk.len() > room {
            bytes.extend(chunk.iter().take(room));
            return Ok(Body { bytes, whole: false });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body { bytes, whole: true })
}

/// What a failed exchange says.
fn failed(error: &(dyn Error + 'static)) -> Verdict {
    if let Some(verdict) = failure::of_chain(error) {
        return verdict;
    }
    for cause in failure::chain(error) {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_closed() {
                return failure::closed_early();
            }
            if error.is_parse() {
                return Verdict::unsatisfied(format!("what answers there does not speak HTTP: {error}"));
            }
        }
        if let Some(error) = cause.downcast_ref::<reqwest::Error>() {
            if error.is_builder() {
                return Verdict::unknown(format!(
                    "the request cannot be made: {}",
                    failure::innermost(error)
                ));
            }
            if error.is_dns() {
                return Verdict::unknown(format!("the name does not resolve: {}", failure::innermost(error)));
            }
        }
    }
    Verdict::unknown(format!("no answer that can be judged: {}", failure::innermost(error)))
}
