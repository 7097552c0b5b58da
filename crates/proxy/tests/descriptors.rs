//! Out of file descriptors: those that are open go on, and new ones are served as soon as there is room. Alone in its file, since
//! the limit is the whole process's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use deadstick_proxy::{Latency, Proxy, Stream, Toxic};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// Nothing here waits longer than this: a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            // This side of the test runs out of descriptors as well.
            let Ok(mut stream) = stream else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok(len @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..len]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

fn exchange(stream: &mut TcpStream, data: &[u8]) -> Vec<u8> {
    stream.write_all(data).expect("it takes data");
    let mut reply = vec![0; data.len()];
    stream.read_exact(&mut reply).expect("it answers");
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_descriptors_every_other_connection_goes_on() {
    let proxy = Proxy::start(echo().to_string()).await.expect("a port");
    let address = proxy.address().expect("it listens");
    let mut old = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        exchange(&mut stream, b"before");
        stream
    })
    .await
    .expect("the client");
    // The clients live in this process too: they get their descriptors before there are none.
    let clients: Vec<Socket> = (0..3)
        .map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors are not short yet"))
        .collect();
    let limit = getrlimit(Resource::Nofile);
    let highest = clients.iter().map(AsRawFd::as_raw_fd).max().expect("there are some");
    let lowered = Rlimit { current: u64::try_from(highest + 1).ok(), maximum: limit.maximum };
    setrlimit(Resource::Nofile, lowered).expect("a limit may be lowered");
    let mut waiting: Vec<TcpStream> = clients
        .into_iter()
        .map(|client| {
            client.connect(&address.into()).expect("the backlog has room");
            TcpStream::from(client)
        })
        .collect();
    for stream in &waiting {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    }
    // A delay now needs a timer, for which there is no descriptor either.
    proxy.add_toxic(Toxic::new(Latency { latency: 5, jitter: 0 }, Stream::Upstream)).expect("new");
    let mut old = tokio::task::spawn_blocking(move || {
        assert_eq!(exchange(&mut old, b"during"), b"during");
        old
    })
    .await
    .expect("the client");
    setrlimit(Resource::Nofile, limit).expect("a limit may be raised again");
    tokio::task::spawn_blocking(move || {
        for stream in &mut waiting {
            // Accepted late, or turned away in order if the dial found no descriptor.
            let mut reply = [0; 5];
            stream.write_all(b"after").expect("open");
            match stream.read(&mut reply) {
                Ok(0) => {}
                Ok(_) => assert_eq!(&reply, b"after"),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(exchange(&mut connect(address), b"new"), b"new");
        assert_eq!(exchange(&mut old, b"old"), b"old");
    })
    .await
    .expect("the clients");
}
