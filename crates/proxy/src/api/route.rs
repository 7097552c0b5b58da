//! From method and path to a call. Names are path segments, percent-decoded one by one, so that any name can be addressed.

use hyper::Method;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Proxies,
    CreateProxy,
    Proxy(String),
    UpdateProxy(String),
    DeleteProxy(String),
    Toxics(String),
    CreateToxic(String),
    Toxic(String, String),
    UpdateToxic(String, String),
    DeleteToxic(String, String),
    Populate,
    Reset,
    Version,
    Metrics,
    TlsAuthority,
}

/// Why a request is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unrouted {
    NotFound,
    MethodNotAllowed,
    /// The path has empty or dotted segments; this is the one without.
    Moved(String),
    /// A `%` without two hexadecimal digits.
    BadEscape,
}

/// Finds the call.
pub(crate) fn route(method: &Method, path: &str) -> Result<Call, Unrouted> {
    let clean = clean(path);
    if clean != path {
        return Err(Unrouted::Moved(clean));
    }
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        segments.push(decode(segment).ok_or(Unrouted::BadEscape)?);
    }
    if segments.iter().any(String::is_empty) {
        return Err(Unrouted::NotFound);
    }
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let update = method == Method::POST || method == Method::PATCH;
    let call = match words[..] {
        ["proxies"] if method == Method::GET => Call::Proxies,
        ["proxies"] if method == Method::POST => Call::CreateProxy,
        ["proxies", proxy] if method == Method::GET => Call::Proxy(proxy.to_owned()),
        ["proxies", proxy] if update => Call::UpdateProxy(proxy.to_owned()),
        ["proxies", proxy] if method == Method::DELETE => Call::DeleteProxy(proxy.to_owned()),
        ["proxies", proxy, "toxics"] if method == Method::GET => Call::Toxics(proxy.to_owned()),
        ["proxies", proxy, "toxics"] if method == Method::POST => Call::CreateToxic(proxy.to_owned()),
        ["proxies", proxy, "toxics", toxic] if method == Method::GET => {
            Call::Toxic(proxy.to_owned(), toxic.to_owned())
        }
        ["proxies", proxy, "toxics", toxic] if update => {
            Call::UpdateToxic(proxy.to_owned(), toxic.to_owned())
        }
        ["proxies", proxy, "toxics", toxic] if method == Method::DELETE => {
            Call::DeleteToxic(proxy.to_owned(), toxic.to_owned())
        }
        ["populate"] if method == Method::POST => Call::Populate,
        ["reset"] if method == Method::POST => Call::Reset,
        ["version"] if method == Method::GET => Call::Version,
        ["metrics"] => Call::Metrics,
        ["tls", "authority.pem"] if method == Method::GET => Call::TlsAuthority,
        ["proxies" | "populate" | "reset" | "version"]
        | ["proxies", _]
        | ["proxies", _, "toxics"]
        | ["proxies", _, "toxics", _] => return Err(Unrouted::MethodNotAllowed),
        _ => return Err(Unrouted::NotFound),
    };
    Ok(call)
}

/// The path without empty and dotted segments. A slash at the end stays.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first == b'%' {
            let (digits, more) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = more;
        } else {
            bytes.push(*first);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_calls() {
        let get = |path| route(&Method::GET, path);
        assert_eq!(get("/proxies"), Ok(Call::Proxies));
        assert_eq!(get("/proxies/a%2Fb%3A1"), Ok(Call::Proxy("a/b:1".to_owned())));
        assert_eq!(get("/proxies/%C3%A4"), Ok(Call::Proxy("ä".to_owned())));
        assert_eq!(get("/proxies/"), Err(Unrouted::NotFound));
        assert_eq!(get("/"), Err(Unrouted::NotFound));
        assert_eq!(get("/proxies/a/b"), Err(Unrouted::NotFound));
        assert_eq!(get("//proxies"), Err(Unrouted::Moved("/proxies".to_owned())));
        assert_eq!(get("/a/../version"), Err(Unrouted::Moved("/version".to_owned())));
        assert_eq!(get("/proxies/%zz"), Err(Unrouted::BadEscape));
        assert_eq!(get("/proxies/%+1"), Err(Unrouted::BadEscape));
        assert_eq!(get("/reset"), Err(Unrouted::MethodNotAllowed));
        assert_eq!(route(&Method::HEAD, "/proxies"), Err(Unrouted::MethodNotAllowed));
        assert_eq!(route(&Method::PUT, "/metrics"), Ok(Call::Metrics));
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_answered(path in "\\PC*") {
            if let Err(Unrouted::Moved(to)) = route(&Method::GET, &path) {
                // A redirect leads to a path that is not redirected again.
                let again = route(&Method::GET, &to);
                proptest::prop_assert!(!matches!(again, Err(Unrouted::Moved(_))));
            }
        }
    }
}
