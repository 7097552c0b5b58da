//! `deadstick proxy` as its users start it, and toxics in playbooks: flags, configuration, calls, the client, signals, exit codes, proofs.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{Place, Running};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that echoes, on a port of its own.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Where a server says that it listens.
fn api_of(server: &mut Running) -> SocketAddr {
    server.wait_for("the API listens", PATIENCE);
    let line = log(server).into_iter().find(|line| line["message"] == "the API listens").expect("waited for");
    line["address"].as_str().and_then(|text| text.parse().ok()).expect("its address")
}

/// The log: every line is a JSON object.
fn log(server: &Running) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    server.printed().lines().map(parse).collect()
}

/// One call, as curl sends it: the status and the body.
fn call(api: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(api).expect("the API listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\nUser-Agent: curl/8.0\r\nConnection: close\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("it takes the request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Whether what is sent comes back.
fn echoes(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("the proxy listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut reply = [0; 4];
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut reply).is_ok() && &reply == b"ping"
}

#[test]
fn a_configured_server_serves_and_stops_in_order() {
    let place = Place::new();
    let config = json!([{
        "name": "redis",
        "listen": "127.0.0.1:0",
        "upstream": echo().to_string(),
        "toxics": [{ "type": "latency", "attributes": { "latency": 10 } }],
    }]);
    let config = place.file("proxies.json", config.to_string());
    let mut server = place.start(&[
        "proxy",
        "-host",
        "127.0.0.1",
        "-port=0",
        "-config",
        &config,
        "-seed",
        "7",
        "-proxy-metrics",
        "-runtime-metrics",
    ]);
    let api = api_of(&mut server);
    let started = log(&server);
    assert!(
        started.iter().any(|line| line["message"] == "the API listens" && line["seed"] == 7),
        "{started:?}"
    );
    assert!(started.iter().all(|line| line["level"] != "warn"), "loopback is no reason to warn: {started:?}");
    let (status, version) = call(api, "GET", "/version", "", "");
    assert_eq!(status, 200);
    assert!(version.contains("\"version\""), "{version}");
    let (_, proxies) = call(api, "GET", "/proxies", "", "");
    let proxies: Value = serde_json::from_str(&proxies).expect("JSON");
    let listen = proxies["redis"]["listen"].as_str().and_then(|at| at.parse().ok()).expect("a real port");
    assert_eq!(proxies["redis"]["toxics"][0]["name"], "latency_downstream");
    assert!(echoes(listen));
    let (_, metrics) = call(api, "GET", "/metrics", "", "");
    assert!(
        metrics.contains("toxiproxy_proxy_received_bytes_total") && metrics.contains("process_"),
        "{metrics}"
    );
    assert_eq!(call(api, "GET", "/proxies/none", "", "").0, 404);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.printed());
    assert!(log(&server).iter().any(|line| line["signal"] == "SIGTERM"), "{}", server.printed());
    assert!(TcpStream::connect(listen).is_err(), "its proxies are gone with it");
}

/// Whoever reaches the API gives names that end up in the log, which somebody reads in a terminal.
#[test]
fn no_name_in_the_log_moves_a_terminal() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{7f}";
    let place = Place::new();
    let mut server = place.start(&["proxy", "-port", "0"]);
    let api = api_of(&mut server);
    let upstream = format!("nobody{HOSTILE}.invalid:1");
    let body = json!({ "name": HOSTILE, "listen": "127.0.0.1:0", "upstream": upstream });
    let (status, made) = call(api, "POST", "/proxies", "", &body.to_string());
    assert_eq!(status, 201, "{made}");
    server.wait_for("nobody", PATIENCE);
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let listen = made["listen"].as_str().and_then(|at| at.parse::<SocketAddr>().ok()).expect("a real port");
    assert!(!echoes(listen), "there is no such upstream");
    server.wait_for("cannot be reached", PATIENCE);
    let printed = server.printed();
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!printed.contains(acts), "{printed:?}");
    let said = log(&server);
    assert!(said.iter().any(|line| line["proxy"] == HOSTILE && line["upstream"] == upstream), "{said:?}");
}

#[test]
fn the_client_has_the_verbs_of_the_original() {
    let place = Place::new();
    let mut server = place.start(&["proxy", "--port", "0"]);
    let api = api_of(&mut server);
    let host = format!("http://{api}");
    let ctl = |words: &[&str]| {
        let ran = place.run(&[&["proxy", "ctl", "--host", &host], words].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        ran.out
    };
    let upstream = echo().to_string();
    ctl(&["create", "-l", "127.0.0.1:0", "-u", &upstream, "mysql"]);
    assert!(ctl(&["list"]).starts_with("mysql\t127.0.0.1:"));
    let by_letter = place.run(&["proxy", "ctl", "-h", &host, "list"]);
    assert!(by_letter.out.starts_with("mysql\t"), "-h is the host: {}", by_letter.out);
    for help in [&["-h"][..], &["help"], &["--help"], &["toxic", "add", "--help"]] {
        let ran = place.run(&[&["proxy", "ctl"], help].concat());
        assert!(ran.code == Some(0) && ran.out.starts_with("Usage: "), "{help:?}: {}", ran.err);
    }
    let unknown = place.run(&["proxy", "ctl", "-h", &host, "toxic", "add", "-t", "latencey", "mysql"]);
    assert_eq!(unknown.code, Some(8));
    assert!(unknown.err.contains("`deadstick proxy ctl toxic` lists the types"), "{}", unknown.err);
    ctl(&["toxic", "add", "-t", "latency", "-a", "latency=20", "-a", "jitter=5", "-u", "mysql"]);
    let toxics = ctl(&["inspect", "mysql"]);
    assert!(toxics.contains("latency_upstream") && toxics.contains("latency=20"), "{toxics}");
    ctl(&["toxic", "update", "-n", "latency_upstream", "-a", "latency=30", "mysql"]);
    assert!(ctl(&["inspect", "mysql"]).contains("latency=30"));
    ctl(&["toxic", "remove", "-n", "latency_upstream", "mysql"]);
    assert_eq!(ctl(&["inspect", "mysql"]), "");
    assert!(ctl(&["toggle", "mysql"]).contains("now disabled"));
    ctl(&["delete", "mysql"]);
    assert_eq!(ctl(&["list"]), "");

    let refused = place.run(&["proxy", "ctl", "--host", &host, "delete", "mysql"]);
    assert_eq!(refused.code, Some(8), "{}", refused.err);
    assert!(refused.err.contains("proxy not found"), "{}", refused.err);
    let wrong = place.run(&["proxy", "ctl", "--host", &host, "explode"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait(), Some(0));
    let gone = place.run(&["proxy", "ctl", "--host", &host, "list"]);
    assert_eq!(gone.code, Some(1), "{}", gone.err);
    assert!(gone.err.contains("cannot reach"), "{}", gone.err);
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let ran = place.run(&["proxy", "-host", "127.0.0.1", "-port", &port]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("address already in use") && ran.err.contains("-port"), "{}", ran.err);
}

#[test]
fn what_is_not_understood_is_a_usage_error_and_help_is_not() {
    let place = Place::new();
    for words in [&["proxy", "-nope"][..], &["proxy", "-port", "99999"], &["proxy", "serve"]] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.err);
    }
    for words in [&["proxy", "--help"][..], &["proxy", "-h"], &["proxy", "ctl"], &["proxy", "ctl", "--help"]]
    {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        assert!(ran.out.contains("toxic add"), "{words:?}: {}", ran.out);
    }
    assert!(place.run(&["proxy", "-version"]).out.starts_with("toxiproxy-server version "));
    assert!(place.run(&["--help"]).out.contains("Toxiproxy-compatible"));
}

#[test]
fn a_token_is_asked_for_and_other_hosts_are_warned_about() {
    let place = Place::new();
    let mut command = place.command(&["proxy", "-host", "127.0.0.1", "-port", "0"]);
    command.env("DEADSTICK_PROXY_TOKEN", "hunter2").env("LOG_LEVEL", "info");
    let mut server = Running::of(command);
    let api = api_of(&mut server);
    assert_eq!(call(api, "GET", "/proxies", "", "").0, 401);
    assert_eq!(call(api, "GET", "/proxies", "Authorization: Bearer hunter2\r\n", "").0, 200);
    let mut ctl = place.command(&["proxy", "ctl", "list"]);
    ctl.env("TOXIPROXY_URL", format!("http://{api}")).env("DEADSTICK_PROXY_TOKEN", "hunter2");
    assert!(ctl.status().expect("the binary starts").success());
    assert!(!server.printed().contains("hunter2"), "the log tells no secrets");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));

    let mut open = place.start(&["proxy", "-host", "0.0.0.0", "-port", "0"]);
    open.wait_for("the API is open to other hosts", PATIENCE);
    open.signal(Signal::SIGTERM);
    assert_eq!(open.wait(), Some(0));
}

/// The server with so few descriptors.
fn with_descriptors(place: &Place, count: u32) -> Running {
    let server = place.command(&["proxy", "-host", "127.0.0.1", "-port", "0", "-precise"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\"")])
        .arg(server.get_program())
        .args(server.get_args())
        .env_clear()
        .envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(place.path())
        .stdin(Stdio::null());
    Running::of(command)
}

#[test]
fn out_of_descriptors_accepting_waits_and_the_others_go_on() {
    let place = Place::new();
    let mut server = with_descriptors(&place, 64);
    let api = api_of(&mut server);
    let body = json!({ "name": "p", "listen": "127.0.0.1:0", "upstream": echo().to_string() });
    let (status, proxy) = call(api, "POST", "/proxies", "", &body.to_string());
    assert_eq!(status, 201, "{proxy}");
    let proxy: Value = serde_json::from_str(&proxy).expect("JSON");
    let listen: SocketAddr = proxy["listen"].as_str().and_then(|at| at.parse().ok()).expect("a real port");
    let open = |address: SocketAddr| {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    };
    let ping = |stream: &mut TcpStream| {
        let mut reply = [0; 4];
        stream.write_all(b"ping").is_ok() && stream.read_exact(&mut reply).is_ok() && &reply == b"ping"
    };
    let mut old = open(listen);
    assert!(ping(&mut old));
    let mut control = open(api);
    let mut version = || {
        control.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is open");
        let mut reply = Vec::new();
        let mut byte = [0];
        while !reply.ends_with(b"}\n") {
            control.read_exact(&mut byte).expect("a reply");
            reply.extend(byte);
        }
        reply.starts_with(b"HTTP/1.1 200")
    };
    assert!(version());
    // Each needs two descriptors in the proxy, so half of them have to wait.
    let waiting: Vec<TcpStream> = (0..64).map(|_| open(listen)).collect();
    server.wait_for("cannot accept", PATIENCE);
    for _ in 0..20 {
        assert!(ping(&mut old), "the connection from before goes on");
        assert!(version(), "and so does the call");
    }
    drop(waiting);
    let served = Instant::now() + PATIENCE;
    // One that is let in while the last of the others are leaving may still find no descriptor for its way on.
    while !ping(&mut open(listen)) {
        assert!(Instant::now() < served, "clients are let in again: {}", server.printed());
    }
    assert_eq!(call(api, "GET", "/proxies", "", "").0, 200);
    server.signal(Signal::SIGTERM);
    drop((old, control));
    assert_eq!(server.wait(), Some(0), "{}", server.printed());
}

#[test]
fn a_configuration_that_cannot_be_read_stops_nothing() {
    let place = Place::new();
    let broken = place.file("broken.json", "[{\"name\": 7}]");
    for config in [broken.as_str(), "./no-such-file.json"] {
        let mut server = place.start(&["proxy", "-port", "0", "-config", config]);
        let api = api_of(&mut server);
        assert!(log(&server).iter().any(|line| line["level"] == "error"), "{}", server.printed());
        assert_eq!(call(api, "GET", "/proxies", "", "").1, "{}");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), Some(0));
    }
}

/// A playbook on lab shop with one toxic between the users and the front.
fn toxic_playbook(place: &Place, toxic: &str) -> String {
    let text = format!(
        r#"
playbook: toxic
title: The way to the shop is disturbed
lab: shop
steady-state:
  - probe: catalogue
    http: {{ url: "{{{{shop.url}}}}/catalogue", timeout: 2s }}
    every: 100ms
    tolerate: {{ success: 99%, p95: 500ms, over: 1s }}
slices:
  - slice: link
    defence: The way to the shop is short
    hole: Something on the way disturbs it
    at: 500ms
    open: [ {toxic} ]
outage: {{ steady-state-lost-for: 1s }}
abort: {{ after: 1m }}
"#
    );
    place.file("toxic.yaml", text)
}

/// Stages it; the exit code, the report, and the timeline in lines.
fn stage(toxic: &str) -> (Option<i32>, Value, String) {
    stage_all(&format!("{{ {toxic} }}"))
}

fn stage_all(toxics: &str) -> (Option<i32>, Value, String) {
    let place = Place::new();
    let path = toxic_playbook(&place, toxics);
    let ran = place.run(&["drill", &path, "--headless", "--json"]);
    let report = ran.json();
    let timeline = place.run(&["timeline", "show"]).out;
    assert_eq!(report["residue"], json!([]), "{}", ran.err);
    assert_eq!(place.residue(), Vec::<String>::new(), "{}", ran.err);
    (ran.code, report, timeline)
}

#[test]
fn a_playbook_puts_latency_on_the_users_link() {
    let toxic = "toxic: latency, on: users, stream: downstream, attributes: { latency: 800, jitter: 0 }, toxicity: 1.0";
    let (code, report, timeline) = stage(toxic);
    assert_eq!((code, &report["verdict"]), (Some(0), &json!("outage")), "{report}\n{timeline}");
    assert!(report["steady_state"]["regained_at"].is_string(), "it is off again: {report}");
    for expected in
        ["latency on users, downstream", "latency-1 was proved: it acted", "latency-1 is off the link"]
    {
        assert!(timeline.contains(expected), "{expected:?} in\n{timeline}");
    }
}

#[test]
fn a_playbook_resets_the_users_connections() {
    let (code, report, timeline) = stage("toxic: reset_peer, on: users, attributes: { timeout: 0 }");
    assert_eq!((code, &report["verdict"]), (Some(0), &json!("outage")), "{report}\n{timeline}");
    assert!(timeline.contains("a request through it: connection reset"), "{timeline}");
    assert!(report["steady_state"]["regained_at"].is_string(), "it is off again: {report}");
}

/// The web sockets' is not here: the shop has none, and the next test says what becomes of that.
#[test]
fn every_toxic_goes_by_its_name() {
    let harmless = [
        ("latency", "latency: 5, jitter: 2"),
        ("bandwidth", "rate: 100000"),
        ("proxy_bandwidth", "rate: 100000"),
        ("slow_close", "delay: 5"),
        ("slicer", "average_size: 1000, size_variation: 10, delay: 1"),
        ("limit_data", "bytes: 1000000"),
        ("packet_loss", "loss_rate: 0, correlation: 0"),
        ("duplicate", "share: 0"),
        ("reorder", "share: 0, delay: 1"),
        ("corrupt", "rate: 0"),
        ("http", "path: /, header: \"X-Staged: yes\""),
        ("connect", "delay: 5, failure: none"),
        ("noop", ""),
    ];
    // Behind these nothing arrives any more, and behind the last one nothing is sent.
    let harmful = [
        ("reset_peer", "timeout: 60000"),
        ("timeout", "timeout: 0"),
        ("half_open", ""),
        ("tls", "fault: untrusted"),
    ];
    let all = [&harmless[..], &harmful[..]].concat();
    let step = |(kind, attributes): &(&str, &str)| {
        format!("{{ toxic: {kind}, on: users, attributes: {{ {attributes} }} }}")
    };
    let steps: Vec<String> = all.iter().map(step).collect();
    let (code, report, timeline) = stage_all(&steps.join(", "));
    assert_eq!((code, &report["verdict"]), (Some(0), &json!("outage")), "{report}\n{timeline}");
    for (at, (kind, _)) in all.iter().enumerate() {
        let name = format!("{kind}-{}", at + 1);
        for expected in [format!("{name} was proved"), format!("{name} is off the link")] {
            assert!(timeline.contains(&expected), "{expected:?} in\n{timeline}");
        }
    }
}

#[test]
fn a_toxic_without_effect_is_never_a_pass() {
    let hits_nobody = "toxic: latency, on: users, toxicity: 0.0000001, attributes: { latency: 800 }";
    // The shop has no web sockets.
    for toxic in [hits_nobody, "toxic: websocket, on: users, attributes: { death: cut }"] {
        let (code, report, timeline) = stage(toxic);
        assert_eq!((code, &report["verdict"]), (Some(4), &json!("invalid")), "{report}\n{timeline}");
        assert!(
            report["because"].as_str().is_some_and(|why| why.contains("it acted on nothing")),
            "{report}"
        );
    }
}
