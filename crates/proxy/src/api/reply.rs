//! Replies, to the byte: bodies, content types and the headers clients sniff for.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::route::Unrouted;
use crate::json;
use crate::proxy::Proxy;
use crate::toxic::Toxic;

/// A reply of the API.
pub(crate) type Reply = Response<Full<Bytes>>;

/// A reply with a body of that type.
pub(crate) fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A reply without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// A success with a JSON body.
pub(crate) fn json(status: StatusCode, body: String) -> Reply {
    with(status, "application/json", body)
}

fn plain(status: StatusCode, body: String) -> Reply {
    let mut reply = with(status, "text/plain; charset=utf-8", body);
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// An error: JSON, though called text, as it always was; one client sniffs for exactly that.
pub(crate) fn error(error: &ApiError) -> Reply {
    let mut body = String::from("{");
    write_error(&mut body, error);
    body.push_str("}\n");
    let mut reply = plain(error.status(), body);
    if matches!(error, ApiError::Unauthorized) {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

fn write_error(out: &mut String, error: &ApiError) {
    out.push_str("\"error\":");
    json::string(out, &error.to_string());
    out.push_str(&format!(",\"status\":{}", error.status().as_u16()));
}

/// The reply to a populate request: what was done, and why it stopped.
pub(crate) fn populated(done: &[std::sync::Arc<Proxy>], failed: Option<&ApiError>) -> Reply {
    let mut body = String::from("{");
    if let Some(error) = failed {
        write_error(&mut body, error);
        body.push(',');
    }
    body.push_str("\"proxies\":[");
    for (index, proxy) in done.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        write_proxy(&mut body, proxy);
    }
    body.push_str("]}");
    json(failed.map_or(StatusCode::CREATED, ApiError::status), body)
}

/// The reply to a request that is no call.
pub(crate) fn unrouted(unrouted: Unrouted, query: Option<&str>) -> Reply {
    match unrouted {
        Unrouted::NotFound => plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        Unrouted::MethodNotAllowed => empty(StatusCode::METHOD_NOT_ALLOWED),
        Unrouted::BadEscape => plain(StatusCode::BAD_REQUEST, "400 Bad Request".to_owned()),
        Unrouted::Moved(mut to) => {
            if let Some(query) = query {
                to.push('?');
                to.push_str(query);
            }
            let mut reply = empty(StatusCode::MOVED_PERMANENTLY);
            match HeaderValue::from_str(&to) {
                Ok(to) => {
                    reply.headers_mut().insert(LOCATION, to);
                    reply
                }
                Err(_) => empty(StatusCode::BAD_REQUEST),
            }
        }
    }
}

/// Browsers are not let in: a page they show could otherwise steer the proxies of whoever looks at it.
pub(crate) fn no_browsers() -> Reply {
    plain(StatusCode::FORBIDDEN, "User agent not allowed\n".to_owned())
}

/// The call took too long.
pub(crate) fn timeout() -> Reply {
    with(
        StatusCode::SERVICE_UNAVAILABLE,
        "text/html; charset=utf-8",
        "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>",
    )
}

/// Appends a proxy.
pub(crate) fn write_proxy(out: &mut String, proxy: &Proxy) {
    let route = proxy.route();
    for (key, value) in
        [("{\"name\":", proxy.name()), (",\"listen\":", &route.listen), (",\"upstream\":", &route.upstream)]
    {
        out.push_str(key);
        json::string(out, value);
    }
    out.push_str(if route.enabled { ",\"enabled\":true" } else { ",\"enabled\":false" });
    // An accident of the original, there for years: somebody's strict decoder may count on it.
    out.push_str(",\"Logger\":{},\"toxics\":");
    write_toxics(out, &proxy.toxics());
    out.push('}');
}

/// Appends a list of toxics.
pub(crate) fn write_toxics(out: &mut String, toxics: &[Toxic]) {
    out.push('[');
    for (index, toxic) in toxics.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        toxic.write(out);
    }
    out.push(']');
}
