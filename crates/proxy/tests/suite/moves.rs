//! Proxies that move, stand still or cannot come back, with connections alive: what the suites of public clients look at.

use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::json;

use crate::common::{Api, connect, echo, exchange, read_to_end};

fn listen(proxy: &serde_json::Value) -> SocketAddr {
    proxy["listen"].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

#[test]
fn the_same_place_by_another_name_cuts_nothing_and_another_place_cuts_all() {
    let api = Api::start();
    let upstream = echo();
    let at = api.proxy("p", upstream);
    let mut stream = connect(at);
    exchange(&mut stream, b"before");
    for change in [
        json!({"listen": format!("localhost:{}", at.port())}),
        json!({"listen": at.to_string(), "upstream": upstream.to_string(), "enabled": true, "toxics": null}),
        json!({}),
    ] {
        assert_eq!(listen(&api.ok("POST", "/proxies/p", &change.to_string())), at);
        exchange(&mut stream, b"kept");
    }
    let populated = json!([{"name": "p", "listen": format!("localhost:{}", at.port()), "upstream": upstream.to_string()}]);
    api.ok("POST", "/populate", &populated.to_string());
    exchange(&mut stream, b"kept");

    let taken = json!({"listen": api.address.to_string()}).to_string();
    assert_eq!(api.call("PATCH", "/proxies/p", &taken).status, 500);
    exchange(&mut stream, b"kept");

    let moved = listen(&api.ok("PATCH", "/proxies/p", r#"{"listen":"localhost:0"}"#));
    assert_ne!(moved, at);
    assert_eq!(read_to_end(&mut stream), Ok(Vec::new()));
    assert!(TcpStream::connect(at).is_err(), "nobody listens there any more");
    let mut stream = connect(moved);
    exchange(&mut stream, b"there");
    let elsewhere = json!({"upstream": format!("localhost:{}", upstream.port())}).to_string();
    assert_eq!(listen(&api.ok("PATCH", "/proxies/p", &elsewhere)), moved);
    assert_eq!(read_to_end(&mut stream), Ok(Vec::new()));
    exchange(&mut connect(moved), b"again");
}

#[test]
fn a_proxy_whose_port_was_taken_says_so_and_comes_back_when_it_is_free() {
    let api = Api::start();
    let at = api.proxy("p", echo());
    let other = api.proxy("q", echo());
    for name in ["p", "q"] {
        let toxics = format!("/proxies/{name}/toxics");
        api.ok("POST", &toxics, r#"{"type":"latency","stream":"upstream"}"#);
        api.ok("POST", &format!("/proxies/{name}"), r#"{"enabled":false}"#);
    }
    let thief = TcpListener::bind(at).expect("it is free by the time the reply is there");
    let refusal = format!("{{\"error\":\"listen tcp {at}: bind: address already in use\",\"status\":500}}\n");
    for (method, path, body) in
        [("PATCH", "/proxies/p", r#"{"enabled":true}"#), ("POST", "/reset", ""), ("POST", "/reset", "{}")]
    {
        let reply = api.call(method, path, body);
        assert_eq!((reply.status, reply.body), (500, refusal.clone()), "{method} {path}");
        let proxy = api.ok("GET", "/proxies/p", "");
        assert_eq!((&proxy["enabled"], listen(&proxy)), (&json!(false), at));
        assert_eq!(proxy["toxics"][0]["name"], "latency_upstream", "not reset");
    }
    exchange(&mut connect(other), b"the other one was reset all the same");
    assert_eq!(api.ok("GET", "/proxies/q/toxics", ""), json!([]));
    drop(thief);
    api.ok("POST", "/reset", "");
    exchange(&mut connect(at), b"back");
    assert_eq!(api.ok("GET", "/proxies/p/toxics", ""), json!([]));
}
