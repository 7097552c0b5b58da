//! HTTP probes against a server that answers, refuses, hangs, resets and lies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use deadstick_core::probe::Answer::{Satisfied, Unknown, Unsatisfied};
use deadstick_core::probe::{HttpExpectation, HttpMethod, HttpProbe, Observation, Probe};
use deadstick_core::units::HumanDuration;
use deadstick_probes::{Context, Prober};

use crate::support::server::{Mode, Server};

fn get(url: String, timeout_ms: u64) -> HttpProbe {
    let timeout = HumanDuration::millis(timeout_ms);
    HttpProbe { url, method: HttpMethod::Get, body: None, timeout, expect: None }
}

async fn ask(probe: HttpProbe) -> Observation {
    let prober = Prober::new().expect("a client");
    let timeout = probe.timeout.0;
    let seen = prober.ask(&Probe::Http(probe), &Context::default()).await;
    // The grace is for a crowded machine, not for the probe.
    assert!(seen.took < timeout + Duration::from_secs(5), "{seen:?}");
    seen
}

#[tokio::test]
async fn every_behaviour_has_its_answer() {
    let server = Server::start(Mode::Close).await;
    for (mode, answer, value, detail) in [
        (Mode::Answer("200 OK", "fine"), Satisfied, Some("200"), "answered 200 OK"),
        (Mode::Answer("204 No Content", ""), Satisfied, Some("204"), "answered 204 No Content"),
        (Mode::Answer("503 Service Unavailable", "try later"), Unsatisfied, Some("503"), "expected success"),
        (Mode::Answer("302 Found\r\nlocation: /", ""), Unsatisfied, Some("302"), "expected success"),
        (Mode::Hang, Unknown, None, "no answer within 400ms"),
        (Mode::Reset, Unsatisfied, Some("closed"), "closed before the answer"),
        (Mode::Close, Unsatisfied, Some("closed"), "closed before the answer"),
        (Mode::Garbage, Unsatisfied, None, "does not speak HTTP"),
        (Mode::Stuck, Unknown, None, "no answer within 400ms"),
        (Mode::BrokenBody, Unsatisfied, Some("200"), "the body broke off"),
    ] {
        server.turn(mode.clone());
        // Only silence needs the time to run out.
        let timeout_ms = if answer == Unknown { 400 } else { 20_000 };
        let seen = ask(get(server.url(), timeout_ms)).await;
        assert_eq!((seen.answer, seen.value.as_deref()), (answer, value), "{mode:?}: {seen:?}");
        assert!(seen.detail.contains(detail), "{mode:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_wrong_status_does_not_wait_for_its_body() {
    let server = Server::start(Mode::Stuck).await;
    let expect = Some(HttpExpectation { status: Some(503), body_contains: None });
    let seen = ask(HttpProbe { expect, ..get(server.url(), 60_000) }).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("200")), "{seen:?}");
    assert!(seen.took < Duration::from_secs(30), "{seen:?}");
}

#[tokio::test]
async fn expectations_are_checked() {
    let server = Server::start(Mode::Answer("503 Service Unavailable", "try later")).await;
    let expect = |status: Option<u16>, body: Option<&str>| {
        Some(HttpExpectation { status, body_contains: body.map(str::to_owned) })
    };
    for (expect, answer) in [
        (expect(Some(503), None), Satisfied),
        (expect(Some(503), Some("later")), Satisfied),
        (expect(Some(503), Some("never")), Unsatisfied),
        (expect(None, Some("later")), Unsatisfied),
    ] {
        let seen = ask(HttpProbe { expect: expect.clone(), ..get(server.url(), 5000) }).await;
        assert_eq!(seen.answer, answer, "{expect:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_long_body_is_read_to_its_bound() {
    const MIB: usize = 1024 * 1024;
    let server = Server::start(Mode::Long(MIB - 6)).await;
    let expect = Some(HttpExpectation { status: None, body_contains: Some("needle".to_owned()) });
    let probe = HttpProbe { expect, ..get(server.url(), 10_000) };
    assert_eq!(ask(probe.clone()).await.answer, Satisfied, "the last bytes that are read");
    server.turn(Mode::Long(MIB));
    let seen = ask(probe).await;
    assert_eq!(seen.answer, Unknown, "behind the bound: {seen:?}");
}

#[tokio::test]
async fn post_carries_its_body_once_on_its_own_connection() {
    let server = Server::start(Mode::Echo).await;
    for (body, content_type) in [(r#" {"cart":1}"#, "application/json"), ("cart=1", "text/plain")] {
        for wanted in [body, "POST /checkout HTTP/1.1", "connection: close", content_type] {
            let expect = Some(HttpExpectation { status: None, body_contains: Some(wanted.to_owned()) });
            let probe = HttpProbe {
                method: HttpMethod::Post,
                body: Some(body.to_owned()),
                expect,
                ..get(server.url(), 5000)
            };
            let seen = ask(probe).await;
            assert_eq!(seen.answer, Satisfied, "{wanted}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_a_no_and_no_name_is_silence() {
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a loopback port");
    let seen = ask(get(format!("http://user:hunter2@{gone}/"), 5000)).await;
    assert_eq!((seen.answer, seen.value.as_deref()), (Unsatisfied, Some("refused")), "{seen:?}");
    for url in ["http://no-such-host.invalid/?key=hunter2", "http://", "hunter2", "ftp://127.0.0.1/hunter2"] {
        let seen = ask(get(url.to_owned(), 20_000)).await;
        assert_eq!(seen.answer, Unknown, "{url}: {seen:?}");
        let why =
            if url.contains(".invalid") { "the name does not resolve" } else { "the request cannot be made" };
        assert!(seen.detail.starts_with(why), "{url}: {seen:?}");
        assert!(!seen.detail.contains("hunter2"), "{seen:?}");
    }
}

#[tokio::test]
async fn what_answers_tls_in_plain_cannot_be_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("https://{}/", listener.local_addr().expect("a bound socket"));
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        // The first byte of the handshake is enough to be rude.
        stream.read_exact(&mut [0])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        // Until the client hangs up, so that no reset overtakes the answer.
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    let seen = ask(get(url, 5000)).await;
    assert_eq!(seen.answer, Unknown, "{seen:?}");
    assert!(seen.detail.starts_with("no answer that can be judged"), "{seen:?}");
    // How the client hung up is its own business.
    drop(server.join().expect("no panic"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_out_of_time_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("a bound socket"));
    let server = std::thread::spawn(move || -> std::io::Result<usize> {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.read_to_end(&mut Vec::new())
    });
    assert_eq!(ask(get(url, 300)).await.answer, Unknown);
    // The runtime must be free to run while this thread waits.
    let request = tokio::task::spawn_blocking(|| server.join()).await.expect("no panic").expect("no panic");
    assert!(request.expect("the end of the connection") > 0, "the request was seen, and then the end");
}

/// What the test below runs in a process of its own, because the environment is read once.
const NO_ROOTS: &str = "DEADSTICK_TEST_NO_ROOTS";

#[tokio::test]
async fn without_system_certificates_plain_http_still_works() {
    if std::env::var_os(NO_ROOTS).is_none() {
        let mut again = Command::new(std::env::current_exe().expect("this test"));
        again.args(["--exact", "http::without_system_certificates_plain_http_still_works"]);
        again.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent").env(NO_ROOTS, "1");
        let output = again.output().expect("this test again");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let server = Server::start(Mode::Answer("200 OK", "fine")).await;
    assert_eq!(ask(get(server.url(), 5000)).await.answer, Satisfied);
    assert_eq!(ask(get(format!("https://{}/", server.address), 300)).await.answer, Unknown);
}

#[tokio::test]
async fn hostile_text_is_defused() {
    let server = Server::start(Mode::Answer("599 \u{1b}]0;owned\u{7}", "")).await;
    let seen = ask(get(server.url(), 5000)).await;
    assert_eq!(seen.answer, Unsatisfied, "{seen:?}");
    assert!(seen.detail.chars().all(|c| !c.is_control()), "{seen:?}");
}
