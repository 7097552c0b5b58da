//! The HTTP API against its contract: exchanges written from the reference, compared to the byte where a client may look.

use crate::common::{Api, Reply, call_with, echo};

/// `METHOD PATH BODY -> STATUS TYPE BODY`, with `{port}` for the port of the first listener.
fn exchange(api: &Api, port: &mut String, call: &str, wanted: &str) {
    let mut parts = call.splitn(3, ' ');
    let (method, path) = (parts.next().expect("method"), parts.next().expect("path"));
    let body = parts.next().unwrap_or("").replace("{port}", port);
    let reply = api.call(method, path, &body);
    if port.is_empty()
        && let Some(at) = reply.body.find("127.0.0.1:")
    {
        *port = reply.body[at + 10..].chars().take_while(char::is_ascii_digit).collect();
    }
    let got = format!("{} {} {}", reply.status, reply.header("content-type").unwrap_or("-"), reply.body);
    assert_eq!(got, wanted.replace("{port}", port), "{call}");
}

#[test]
fn recorded_exchanges() {
    const JSON: &str = "application/json";
    const TEXT: &str = "text/plain; charset=utf-8";
    let api = Api::start();
    let mut port = String::new();
    let proxy =
        r#"{"name":"p","listen":"127.0.0.1:{port}","upstream":"u:1","enabled":true,"Logger":{},"toxics":[]}"#;
    let off = r#"{"name":"p","listen":"127.0.0.1:{port}","upstream":"u:1","enabled":false,"Logger":{},"toxics":[]}"#;
    let latency = r#"{"attributes":{"latency":100,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}"#;
    let error =
        |text: &str, status: u16| format!("{status} {TEXT} {{\"error\":\"{text}\",\"status\":{status}}}\n");
    let ok = |status: u16, body: &str| format!("{status} {JSON} {body}");
    let steps: Vec<(&str, String)> = vec![
        ("GET /proxies", ok(200, "{}")),
        ("GET /version", "200 application/json;charset=utf-8 {\"version\": \"2.12.0\"}\n".to_owned()),
        ("POST /proxies", error("bad request body: EOF", 400)),
        ("POST /proxies {\"name\":", error("bad request body: unexpected EOF", 400)),
        ("POST /proxies {}", error("missing required field: name", 400)),
        ("POST /proxies null", error("missing required field: name", 400)),
        ("POST /proxies {\"name\":\"p\"}", error("missing required field: upstream", 400)),
        (r#"POST /proxies {"NAME":"p","Listen":"localhost:0","upstream":"u:1","enabled":null,"other":1} trailing"#, ok(201, proxy)),
        (r#"POST /proxies {"name":"p","upstream":"u:1"}"#, error("proxy already exists", 409)),
        (r#"POST /proxies {"name":"q","upstream":"u:1","listen":"127.0.0.1:{port}"}"#, error("listen tcp 127.0.0.1:{port}: bind: address already in use", 500)),
        (r#"POST /proxies {"name":"q","upstream":"u:1","listen":"nohost"}"#, error("listen tcp: address nohost: missing port in address", 500)),
        (r#"POST /proxies {"name":"q","upstream":"u:1","listen":"127.0.0.1:99999"}"#, error("listen tcp: address 99999: invalid port", 500)),
        ("GET /proxies/q", error("proxy not found", 404)),
        ("GET /proxies", ok(200, &format!("{{\"p\":{proxy}}}"))),
        (r#"PATCH /proxies/p {"name":"ignored","enabled":false}"#, ok(200, off)),
        (r#"POST /proxies/p {"enabled":true}"#, ok(200, proxy)),
        (r#"POST /proxies/p {"listen":"localhost:{port}"}"#, ok(200, proxy)),
        ("GET /proxies/p/toxics", ok(200, "[]")),
        (r#"POST /proxies/p/toxics {"type":"latency","attributes":{"latency":100,"unknown":1}}"#, ok(200, latency)),
        (r#"POST /proxies/p/toxics {"type":"latency"}"#, error("toxic already exists", 409)),
        (r#"POST /proxies/p/toxics {"type":"latency","stream":""}"#, error("stream was invalid, can be either upstream or downstream", 400)),
        (r#"POST /proxies/p/toxics {"type":"","stream":"upstream"}"#, error("invalid toxic type", 400)),
        (r#"POST /proxies/p/toxics {"type":"latency","name":"x","attributes":{"latency":100.0}}"#, error("bad request body: json: cannot unmarshal number into field latency of type int64", 400)),
        (r#"POST /proxies/p/toxics {"type":"latency","name":"x","attributes":{"latency":"100"}}"#, error("bad request body: json: cannot unmarshal string into field latency of type int64", 400)),
        (r#"POST /proxies/p/toxics {"type":"noop","stream":"UPSTREAM","toxicity":0.1}"#, ok(200, r#"{"attributes":{},"name":"noop_UPSTREAM","type":"noop","stream":"UPSTREAM","toxicity":0.1}"#)),
        (r#"POST /proxies/p/toxics {"type":"latency","name":"odd<&>","toxicity":7.5,"attributes":{"latency":-5}}"#, ok(200, r#"{"attributes":{"latency":-5,"jitter":0},"name":"odd\u003c\u0026\u003e","type":"latency","stream":"downstream","toxicity":7.5}"#)),
        ("DELETE /proxies/p/toxics/odd%3C%26%3E", "204 - ".to_owned()),
        (r#"POST /proxies/p/toxics/latency_downstream {"attributes":{"jitter":7},"name":"z","type":"z","stream":"z"}"#, ok(200, &latency.replace("\"jitter\":0", "\"jitter\":7"))),
        (r#"PATCH /proxies/p/toxics/latency_downstream {"attributes":{"jitter":0}}"#, ok(200, latency)),
        (r#"PATCH /proxies/p/toxics/latency_downstream {"attributes":{"latency":1,"jitter":"x"},"toxicity":0}"#, error("bad request body: json: cannot unmarshal string into field jitter of type int64", 400)),
        ("GET /proxies/p/toxics/latency_downstream", ok(200, latency)),
        ("GET /proxies/p/toxics/none", error("toxic not found", 404)),
        ("PATCH /proxies/p/toxics/none {}", error("toxic not found", 404)),
        ("POST /proxies/none/toxics {}", error("proxy not found", 404)),
        ("GET /proxies/p/toxics", ok(200, &format!(r#"[{{"attributes":{{}},"name":"noop_UPSTREAM","type":"noop","stream":"UPSTREAM","toxicity":0.1}},{latency}]"#))),
        ("DELETE /proxies/p/toxics/latency_downstream", "204 - ".to_owned()),
        ("DELETE /proxies/p/toxics/latency_downstream", error("toxic not found", 404)),
        (r#"PATCH /proxies/p {"enabled":false}"#, ok(200, &off.replace("[]", r#"[{"attributes":{},"name":"noop_UPSTREAM","type":"noop","stream":"UPSTREAM","toxicity":0.1}]"#))),
        ("POST /reset whatever", "204 - ".to_owned()),
        ("GET /proxies/p", ok(200, proxy)),
        ("DELETE /proxies/p", "204 - ".to_owned()),
        ("DELETE /proxies/p", error("proxy not found", 404)),
        ("GET /", format!("404 {TEXT} 404 page not found\n")),
        ("GET /proxies/", format!("404 {TEXT} 404 page not found\n")),
        ("GET /metrics", format!("404 {TEXT} 404 page not found\n")),
        ("PUT /proxies", "405 - ".to_owned()),
        ("OPTIONS /version", "405 - ".to_owned()),
    ];
    for (call, wanted) in steps {
        exchange(&api, &mut port, call, &wanted);
    }
}

#[test]
fn headers_clients_look_at() {
    let api = Api::start();
    let id = |reply: &Reply| reply.header("x-toxiproxy-request-id").map(str::to_owned);
    let version = api.call("GET", "/version", "");
    let first = id(&version).expect("an id");
    assert_eq!(first.len(), 20);
    assert!(first.chars().all(|c| c.is_ascii_digit() || ('a'..='v').contains(&c)));
    assert_ne!(id(&api.call("GET", "/version", "")), Some(first));
    assert!(version.header("x-deadstick-version").is_some());

    let missing = api.call("GET", "/proxies/x", "");
    assert_eq!(missing.header("x-content-type-options"), Some("nosniff"));
    assert!(id(&missing).is_some());
    assert_eq!(id(&api.call("GET", "/nowhere", "")), None);
    let refused = api.call("DELETE", "/version", "");
    assert_eq!((id(&refused), refused.header("allow")), (None, None));

    let moved = api.call("GET", "//proxies?a=b", "");
    assert_eq!((moved.status, moved.header("location")), (301, Some("/proxies?a=b")));

    let browser = call_with(api.address, "GET", "/version", "User-Agent: Mozilla/5.0\r\n", "");
    assert_eq!((browser.status, browser.body.as_str()), (403, "User agent not allowed\n"));
    let lower = call_with(api.address, "GET", "/version", "User-Agent: mozilla/5.0\r\n", "");
    assert_eq!(lower.status, 200);
    let lost = call_with(api.address, "GET", "/x", "User-Agent: Mozilla/5.0\r\n", "");
    assert_eq!(lost.status, 404);
}

#[test]
fn no_content_type_is_ever_looked_at() {
    let api = Api::start();
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "nonsense"] {
        let header = format!("Content-Type: {content_type}\r\n");
        let body = r#"{"name":"p","upstream":"u:1","listen":"127.0.0.1:0"}"#;
        assert_eq!(call_with(api.address, "POST", "/proxies", &header, body).status, 201);
        assert_eq!(api.call("DELETE", "/proxies/p", "").status, 204);
    }
}

#[test]
fn listen_addresses_are_reported_as_bound() {
    let api = Api::start();
    let create = |listen: &str| {
        let body = format!(r#"{{"name":"p","upstream":"u:1"{listen}}}"#);
        let proxy = api.ok("POST", "/proxies", &body);
        api.ok("DELETE", "/proxies/p", "");
        proxy["listen"].as_str().expect("text").to_owned()
    };
    assert!(create("").starts_with("[::]:"));
    assert!(create(r#","listen":null"#).starts_with("[::]:"));
    assert!(create(r#","listen":"0.0.0.0:0""#).starts_with("[::]:"));
    assert!(create(r#","listen":":0""#).starts_with("[::]:"));
    assert!(create(r#","listen":"localhost:0""#).starts_with("127.0.0.1:"));
    assert!(create(r#","listen":"[::1]:0""#).starts_with("[::1]:"));
    assert_eq!(create(r#","listen":"localhost:0","enabled":false"#), "localhost:0");
}

#[test]
fn populate_keeps_replaces_and_stops() {
    let api = Api::start();
    let empty = api.call("POST", "/populate", "[]");
    assert_eq!((empty.status, empty.body.as_str()), (201, r#"{"proxies":[]}"#));
    let invalid = api.call("POST", "/populate", r#"[{"name":"a","upstream":"u:1"},{"name":"b"}]"#);
    assert_eq!(invalid.header("content-type"), Some("application/json"));
    assert_eq!(
        (invalid.status, invalid.body.as_str()),
        (400, r#"{"error":"missing required field: upstream at proxy 2","status":400,"proxies":[]}"#)
    );
    assert_eq!(api.call("GET", "/proxies", "").body, "{}", "nothing is done before all is read");

    let first = api.ok("POST", "/populate", r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"u:1","toxics":[{"type":"latency"}]},{"name":"b","listen":"127.0.0.1:0","upstream":"u:1","enabled":false}]"#);
    assert_eq!(first.as_object().expect("an object").len(), 1, "only the key proxies");
    assert_eq!(first["proxies"][0]["toxics"].as_array().map(Vec::len), Some(0));
    assert_eq!(first["proxies"][1]["enabled"], false);
    let listen = first["proxies"][0]["listen"].as_str().expect("text");
    api.ok("POST", "/proxies/a/toxics", r#"{"type":"noop"}"#);
    let same = format!(r#"[{{"name":"a","listen":"{listen}","upstream":"u:1","enabled":false}}]"#);
    let same = api.ok("POST", "/populate", &same);
    assert_eq!(same["proxies"][0]["toxics"].as_array().map(Vec::len), Some(1), "left alone");
    assert_eq!(same["proxies"][0]["enabled"], true, "left alone");
    let other = format!(r#"[{{"name":"a","listen":"{listen}","upstream":"v:1"}}]"#);
    let other = api.ok("POST", "/populate", &other);
    assert_eq!(other["proxies"][0]["toxics"].as_array().map(Vec::len), Some(0), "replaced");

    let taken = api.call("POST", "/populate", &format!(r#"[{{"name":"c","listen":"127.0.0.1:0","upstream":"u:1"}},{{"name":"d","listen":"{listen}","upstream":"u:1"}},{{"name":"e","upstream":"u:1"}}]"#));
    assert_eq!(taken.status, 500);
    assert_eq!(taken.json()["proxies"].as_array().map(Vec::len), Some(1));
    let names: Vec<String> =
        api.ok("GET", "/proxies", "").as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn proxies_are_listed_by_name_and_odd_names_can_be_addressed() {
    let api = Api::start();
    let names = ["z", "a:1", "b c", "ä", "a/b", "..", "%41"];
    for name in names {
        let body = serde_json::json!({"name": name, "upstream": "u:1", "listen": "127.0.0.1:0"});
        api.ok("POST", "/proxies", &body.to_string());
    }
    let body = api.call("GET", "/proxies", "").body;
    let places: Vec<usize> = ["\"%41\":", "\"..\":", "\"a/b\":", "\"a:1\":", "\"b c\":", "\"z\":", "\"ä\":"]
        .iter()
        .map(|key| body.find(key).expect("listed"))
        .collect();
    assert!(places.is_sorted(), "{body}");
    for path in ["z", "a:1", "a%3A1", "b%20c", "%C3%A4", "a%2Fb", "%2e%2e", "%2541"] {
        assert_eq!(api.call("GET", &format!("/proxies/{path}"), "").status, 200, "{path}");
    }
}

#[test]
fn metrics_move_while_a_connection_lives() {
    let api = Api::with(deadstick_proxy::Settings {
        proxy_metrics: true,
        runtime_metrics: true,
        ..Default::default()
    });
    let upstream = echo();
    let address = api.proxy("p", upstream);
    let mut stream = crate::common::connect(address);
    crate::common::exchange(&mut stream, &[7; 1_234]);
    let labels = format!(r#"listener="{address}",proxy="p",upstream="{upstream}""#);
    // What has come is counted a moment later.
    let sent = |body: &str| {
        let lines = body.lines().filter(|line| line.starts_with("toxiproxy_proxy_sent_bytes_total{"));
        lines.filter(|line| line.ends_with(" 1234")).count()
    };
    let page = || api.call("POST", "/metrics", "");
    crate::common::eventually("what was sent is counted", || sent(&page().body) == 2);
    let page = page();
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for direction in ["upstream", "downstream"] {
        for name in ["received", "sent"] {
            let line =
                format!("toxiproxy_proxy_{name}_bytes_total{{direction=\"{direction}\",{labels}}} 1234\n");
            assert!(page.body.contains(&line), "no {line} in {}", page.body);
        }
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
        "promhttp_metric_handler_errors_total",
    ] {
        assert!(page.body.contains(&format!("\n{name}")), "no {name} in {}", page.body);
    }
}

#[test]
fn configuration_brings_proxies_with_their_toxics_and_a_bad_one_does_not_stop_the_server() {
    let config = |text: &str| {
        Api::with(deadstick_proxy::Settings { config: Some(text.to_owned()), ..Default::default() })
    };
    let api = config(
        r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"u:1","toxics":[{"type":"latency","stream":"upstream","attributes":{"latency":5}}]},{"name":"b","listen":"nonsense","upstream":"u:1"},{"name":"c","upstream":"u:1"}]"#,
    );
    let proxies = api.ok("GET", "/proxies", "");
    assert_eq!(proxies.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(proxies["a"]["toxics"][0]["name"], "latency_upstream");
    for bad in [
        "{",
        "{}",
        "[{\"name\":\"a\"}]",
        "[{\"name\":\"a\",\"upstream\":\"u:1\",\"toxics\":[{\"type\":\"x\"}]}]",
    ] {
        assert_eq!(config(bad).call("GET", "/proxies", "").body, "{}", "{bad}");
    }
}

#[test]
fn a_token_guards_every_path() {
    let api = Api::with(deadstick_proxy::Settings { token: Some("secret".to_owned()), ..Default::default() });
    let with = |header: &str| call_with(api.address, "GET", "/version", header, "").status;
    assert_eq!(with(""), 401);
    assert_eq!(with("Authorization: Bearer secre\r\n"), 401);
    assert_eq!(with("Authorization: Bearer secrets\r\n"), 401);
    assert_eq!(with("Authorization: Bearer secret\r\n"), 200);
}

#[test]
fn the_api_is_served_on_a_unix_socket_too() {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("api.sock");
    for _ in 0..2 {
        // The second start finds the file that the first left, since that was stopped without a word.
        let api =
            Api::with(deadstick_proxy::Settings { unix_socket: Some(path.clone()), ..Default::default() });
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
        stream
            .write_all(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("it takes the request");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        assert_eq!(crate::common::parse(&reply).status, 200);
        drop(api);
        crate::common::eventually("it stops", || std::os::unix::net::UnixStream::connect(&path).is_err());
    }
}
