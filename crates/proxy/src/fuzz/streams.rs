//! Streams through the toxics that read HTTP: broken heads, lengths that lie, bytes that are not text, in any pieces.

use bytes::Bytes;
use proptest::prelude::*;

use crate::chain::{Chain, Exchange, Side, Spec};
use crate::clock::Time;
use crate::dice::Dice;
use crate::stage::{Chunk, Ending, Item, Step};
use crate::toxic::{Death, Http, Kind, Stream, Websocket};

/// Text that is nearly HTTP/1, with bytes between that are not text.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "GET /bad HTTP/1.1\r\n",
            "POST /good HTTP/1.1\r\n",
            "HEAD /bad HTTP/1.0\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 204 None\r\n",
            "HTTP/1.1 304 Same\r\n",
            "HTTP/2 99999 \r\n",
            "Upgrade: websocket\r\n",
            "Connection: close\r\n",
            "Content-Length: 3\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: -1\r\n",
            "Transfer-Encoding: chunked\r\n",
            "\r\n",
            "\n",
            "0\r\n\r\n",
            "3\r\nabc\r\n",
            "ffffffffffffffffff\r\n",
            ";",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
        Just(vec![b'a'; 9_000]),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

/// Requests and replies through one toxic, in pieces: what comes out, each way, and whether both ends came out.
fn through(kind: &Kind, request: &[u8], reply: &[u8], step: usize) -> ([Vec<u8>; 2], bool) {
    let spec = Spec {
        serial: 1,
        revision: 0,
        toxicity: 1.0,
        kind: kind.clone(),
        wire: std::sync::Arc::default(),
        hits: std::sync::Arc::default(),
    };
    let exchange = Exchange::default();
    let mut chains = Stream::ALL.map(|stream| {
        let mut chain = Chain::new(Side { connection: Dice::new(1), stream });
        chain.follow(std::slice::from_ref(&spec), &exchange, Time::ZERO);
        chain
    });
    let mut out = [Vec::new(), Vec::new()];
    let mut ended = [false; 2];
    let mut inputs = [request.chunks(step), reply.chunks(step)];
    let mut offered = [false; 2];
    let mut now = Time::ZERO;
    // Twice as long as it takes to offer everything and wait for every delay.
    for _ in 0..2 * (request.len() + reply.len()) + 1_000 {
        now += Time::from_millis(1);
        for way in 0..2 {
            match inputs[way].next() {
                Some(data) => {
                    let data = Bytes::copy_from_slice(data);
                    chains[way].offer(Item::Data(Chunk { data, at: now }), now);
                }
                None if !offered[way] => {
                    offered[way] = true;
                    chains[way].offer(Item::End(Ending::Half), now);
                }
                None => {}
            }
            while !ended[way] {
                match chains[way].step(now) {
                    Step::Send(Item::Data(chunk)) => out[way].extend(chunk.data),
                    Step::Send(Item::End(_)) => ended[way] = true,
                    Step::WaitUntil(at) => {
                        assert!(at > now, "asked to be woken in the past");
                        break;
                    }
                    Step::Idle => break,
                }
            }
        }
        if ended == [true; 2] {
            break;
        }
    }
    (out, ended == [true; 2])
}

proptest! {
    #[test]
    fn http_that_does_not_match_passes_whole(
        request in nearly_http(), reply in nearly_http(), step in 1_usize..2_000,
    ) {
        let elsewhere = Http { path: "/neither".to_owned(), status: 503, ..Http::default() };
        let (out, ended) = through(&elsewhere.into(), &request, &reply, step);
        prop_assert_eq!(&out, &[request, reply]);
        prop_assert!(ended);
    }

    #[test]
    fn http_that_matches_loses_no_request_and_ends(
        request in nearly_http(), reply in nearly_http(), step in 1_usize..2_000, delay in -5_i64..50,
        header in "\\PC{0,12}",
    ) {
        let any = Http { status: 503, header, delay, ..Http::default() };
        let (out, ended) = through(&any.into(), &request, &reply, step);
        prop_assert_eq!(&out[0], &request);
        prop_assert!(ended, "held for ever");
    }

    #[test]
    fn web_sockets_that_live_on_pass_whole(
        request in nearly_http(), reply in nearly_http(), step in 1_usize..2_000,
    ) {
        let later = Websocket { death: Death::Cut, after: i64::MAX, ..Websocket::default() };
        let (out, ended) = through(&later.into(), &request, &reply, step);
        prop_assert_eq!(&out, &[request, reply]);
        prop_assert!(ended);
    }
}
