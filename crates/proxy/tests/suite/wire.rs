//! The API as bytes on a connection: what public HTTP clients of all ages send, and what people send who mean no good.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use socket2::SockRef;

use crate::common::{Api, connect};

/// All that comes back for `sent` until the server closes. It may do so before it has taken all that it refuses.
fn talk(api: &Api, sent: &[u8]) -> String {
    let mut stream = connect(api.address);
    if let Err(error) = stream.write_all(sent) {
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "no end: {error}"),
    }
    String::from_utf8(reply).expect("text")
}

fn statuses(replies: &str) -> Vec<&str> {
    let lines = replies.split("HTTP/1.").skip(1);
    lines.filter_map(|line| line.split_whitespace().nth(1)).collect()
}

#[test]
fn headers_are_spelled_as_the_original_spells_them() {
    let api = Api::start();
    let head = talk(&api, b"GET /proxies/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for line in [
        "\r\nContent-Type: text/plain; charset=utf-8\r\n",
        "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nX-Toxiproxy-Request-Id: ",
        "\r\nContent-Length: ",
        "\r\nDate: ",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let api = Api::start();
    let replies = talk(
        &api,
        b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n\
          POST /reset HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
          POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
          HEAD /proxies HTTP/1.1\r\nHost: x\r\n\r\n\
          GET http://elsewhere/proxies HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(statuses(&replies), ["200", "204", "404", "405", "200"], "{replies}");
    let old = talk(&api, b"GET /version HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200") && old.ends_with("{\"version\": \"2.12.0\"}\n"), "{old}");
}

#[test]
fn bodies_come_in_chunks_or_after_a_word_of_encouragement() {
    let api = Api::start();
    let chunked = talk(
        &api,
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
          9\r\n{\"name\":\"\r\n1d\r\np\",\"upstream\":\"u:1\",\"listen\":\r\ne\r\n\"127.0.0.1:0\"}\r\n0\r\n\r\n",
    );
    assert_eq!(statuses(&chunked), ["201"], "{chunked}");
    let mut stream = connect(api.address);
    let head = b"PATCH /proxies/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n";
    stream.write_all(head).expect("it takes the head");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("a word");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{\"enabled\":false}").expect("it takes the body");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("\"enabled\":false"), "{reply}");
}

#[test]
fn what_breaks_off_or_makes_no_sense_is_refused_and_the_next_is_served() {
    let api = Api::start();
    for nonsense in [
        &b"\0\x01\x02hello\r\n\r\n"[..],
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"GET /proxies/\xff HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    ] {
        assert_eq!(statuses(&talk(&api, nonsense)), ["400"], "{nonsense:?}");
    }
    let fat = format!("GET /version HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1_000_000));
    // It closes on what it has not read, so the client may never get to see why.
    assert!(["", "431"].contains(&statuses(&talk(&api, fat.as_bytes())).concat().as_str()));

    let mut half = connect(api.address);
    half.write_all(b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{}").expect("open");
    half.shutdown(Shutdown::Write).expect("open");
    let mut reply = String::new();
    half.read_to_string(&mut reply).expect("a reply");
    assert!(reply.ends_with("{\"error\":\"bad request body: unexpected EOF\",\"status\":400}\n"), "{reply}");

    for _ in 0..50 {
        let mut gone = connect(api.address);
        gone.write_all(b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{").expect("open");
        SockRef::from(&gone).set_linger(Some(std::time::Duration::ZERO)).expect("an option");
    }
    assert_eq!(api.call("GET", "/proxies", "").body, "{}");
}
