//! Names, and the login of `caching_sha2_password` when the server does not know the password by heart. No server of this method is
//! among those that the tests install, so the other side is written here, after the protocol's description.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let mut body = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8];
    stream.read_exact(&mut body).await.ok()?;
    Some((head[3], body))
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), number: u8, body: &[u8]) {
    let length = u8::try_from(body.len()).expect("short");
    stream.write_all(&[&[length, 0, 0, number], body].concat()).await.expect("sent");
    stream.flush().await.expect("sent");
}

fn greeting(tls: bool) -> Vec<u8> {
    let mut body = b"\x0a8.4.0\0\x01\0\0\0".to_vec();
    body.extend(&NONCE[..8]);
    body.extend(if tls { [0, 0xff, 0xff] } else { [0, 0xff, 0xf7] });
    body.extend(b"\x2d\x02\0\xff\xff\x15");
    body.extend([0; 10]);
    body.extend(&NONCE[8..]);
    body.extend(b"\0caching_sha2_password\0");
    body
}

/// Whether a login proves the password to a server that knows the digest of its digest.
fn is_proof(login: &[u8]) -> bool {
    let user = b"ann\0 ";
    let at = login.windows(4).position(|part| part == &user[..4]).expect("the user") + user.len();
    let known = Sha256::digest(Sha256::digest("s3cret"));
    let mask = Sha256::new().chain_update(known).chain_update(NONCE).finalize();
    let once: Vec<u8> = login[at..at + 32].iter().zip(mask).map(|(left, right)| left ^ right).collect();
    Sha256::digest(once) == known
}

/// The login behind the greeting; ends with what the client sent as its password, if it did.
async fn full(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), first: u8) -> Option<Vec<u8>> {
    let (number, login) = receive(stream).await?;
    assert_eq!(number, first, "packets are counted on after the handshake");
    assert!(is_proof(&login));
    send(stream, first + 1, &[1, 4]).await;
    let (number, password) = receive(stream).await?;
    send(stream, number + 1, OK).await;
    let (_, question) = receive(stream).await?;
    assert_eq!(question, b"\x03do 1");
    send(stream, 1, OK).await;
    Some(password)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, format!("mysql://ann:s3cret@127.0.0.1:{port}/shop"))
}

fn acceptor() -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = params.self_signed(&key).expect("signed").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    TlsAcceptor::from(Arc::new(config.expect("a certificate")))
}

async fn accept(listener: &TcpListener, tls: bool) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("somebody");
    send(&mut stream, 0, &greeting(tls)).await;
    stream
}

#[tokio::test]
async fn over_tls_the_password_itself_is_sent_when_it_is_asked_for() {
    let (listener, dsn) = listen().await;
    let server = tokio::spawn(async move {
        let mut stream = accept(&listener, true).await;
        let (number, request) = receive(&mut stream).await.expect("a request for TLS");
        assert_eq!((number, request.len()), (1, 32), "nothing but flags goes in the clear");
        let mut stream = acceptor().accept(stream).await.expect("a handshake");
        full(&mut stream, 2).await
    });
    let address = Address::read(&(dsn + "?ssl-mode=REQUIRED")).expect("a DSN");
    let mut session = Session::open(&address).await.expect("logged in");
    session.query("do 1").await.expect("answered");
    assert_eq!(server.await.expect("it ends").as_deref(), Some(&b"s3cret\0"[..]));
}

#[tokio::test]
async fn without_tls_it_is_never_sent() {
    let (listener, dsn) = listen().await;
    let server = tokio::spawn(async move { full(&mut accept(&listener, false).await, 1).await });
    let refused = Session::open(&Address::read(&dsn).expect("a DSN")).await;
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("ssl-mode=REQUIRED"), "{why}");
    assert_eq!(server.await.expect("it ends"), None, "nothing was sent");
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(table("orders").as_deref(), Ok("`orders`"));
    assert_eq!(table("shop.orders").as_deref(), Ok("`shop`.`orders`"));
    assert_eq!(table("`my.shop`.`or``ders`").as_deref(), Ok("`my.shop`.`or``ders`"));
    for bad in ["", "a.b.c", "a.", "`a"] {
        assert!(table(bad).is_err(), "{bad}");
    }
    assert_eq!(literal("a'b\\"), "'a''b\\\\'");
}
