//! Handshakes that hang: a server that accepts, and says no more once TLS is asked for.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::common::fault;
use super::refused;

/// A greeting of version 10, from a server with TLS.
fn greeting() -> Vec<u8> {
    let mut body = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xff\x15".to_vec();
    body.extend([0; 10]);
    body.extend(b"ijklmnopqrst\0caching_sha2_password\0");
    let length = u8::try_from(body.len()).expect("short");
    [&[length, 0, 0, 0], body.as_slice()].concat()
}

/// Accepts for ever, says the first words, and the second ones when something has been asked.
async fn server(first: Vec<u8>, second: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&first).await.expect("sent");
            let mut asked = [0; 8];
            if !second.is_empty() && stream.read_exact(&mut asked).await.is_ok() {
                stream.write_all(second).await.expect("sent");
            }
            kept.push(stream);
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_hangs_is_not_waited_for() {
    let began = Instant::now();
    let port = server(Vec::new(), b"S").await;
    refused(
        &fault("lock advisory=7"),
        &[
            (format!("postgres://ann:s3cret@127.0.0.1:{port}/db"), "did not answer"),
            (format!("postgres://ann:s3cret@127.0.0.1:{port}/db?sslmode=require"), "did not answer"),
        ],
    )
    .await;
    let port = server(greeting(), b"").await;
    refused(
        &fault("lock table=orders"),
        &[
            (format!("mysql://ann:s3cret@127.0.0.1:{port}/db"), "did not answer"),
            (format!("mysql://ann:s3cret@127.0.0.1:{port}/db?ssl-mode=REQUIRED"), "did not answer"),
        ],
    )
    .await;
    let port = server(Vec::new(), b"").await;
    refused(&fault("pause"), &[(format!("rediss://:s3cret@127.0.0.1:{port}"), "no TLS handshake")]).await;
    assert!(began.elapsed() < Duration::from_secs(120), "bounded: {:?}", began.elapsed());
}
