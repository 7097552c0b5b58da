//! Servers and clients for the tests: real sockets on loopback, all gone with the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Nothing here waits longer than this: a hang becomes a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs `serve` for each connection, in a thread.
pub(crate) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("accepted");
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Sends back what it gets, until the end.
pub(crate) fn echo() -> SocketAddr {
    server(|mut stream| {
        let mut buffer = vec![0; 65_536];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
    })
}

/// A client that gives up in time.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Sends and reads as much back.
pub(crate) fn exchange(stream: &mut TcpStream, data: &[u8]) -> Vec<u8> {
    stream.write_all(data).expect("it takes data");
    let mut reply = vec![0; data.len()];
    stream.read_exact(&mut reply).expect("it answers");
    reply
}

/// Reads to the end; the error if it ends otherwise.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut data = Vec::new();
    match stream.read_to_end(&mut data) {
        Ok(_) => Ok(data),
        Err(error) => Err(error.kind()),
    }
}

/// Sends all, ends its side, and reads the reply to the end.
pub(crate) fn request(stream: &mut TcpStream, data: &[u8]) -> Vec<u8> {
    stream.write_all(data).expect("it takes data");
    stream.shutdown(Shutdown::Write).expect("it is open");
    read_to_end(stream).expect("an orderly end")
}

/// Bytes that show when one is missing or out of place.
pub(crate) fn counted(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// Waits until `holds`, or fails.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An address where a connection is neither taken nor refused: the backlog of the returned listener is full.
pub(crate) fn black_hole() -> (SocketAddr, Vec<TcpStream>, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    socket.listen(0).expect("it listens");
    let address = socket.local_addr().expect("bound").as_socket().expect("an address");
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        fill.push(stream);
    }
    (address, fill, socket)
}

/// A reply of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// One call over a connection of its own, with nothing but what is asked for.
pub(crate) fn call_with(api: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let mut stream = connect(api);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .expect("it takes the request");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a reply");
    parse(&String::from_utf8(reply).expect("text"))
}

pub(crate) fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().expect("a status line");
    let status = status.split(' ').nth(1).expect("a status");
    Reply {
        status: status.parse().expect("a number"),
        headers: lines
            .map(|line| {
                let (key, value) = line.split_once(": ").expect("a header");
                (key.to_lowercase(), value.to_owned())
            })
            .collect(),
        body: body.to_owned(),
    }
}

/// A server in this process, stopped with the test.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::with(deadstick_proxy::Settings::default())
    }

    pub(crate) fn with(settings: deadstick_proxy::Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let settings = deadstick_proxy::Settings { port: 0, ..settings };
        let server = runtime.block_on(deadstick_proxy::Server::bind(settings)).expect("it binds");
        let address = server.address().expect("bound");
        runtime.spawn(server.run(std::future::pending()));
        Self { address, runtime: Some(runtime) }
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        call_with(self.address, method, path, "", body)
    }

    /// A call that must succeed.
    pub(crate) fn ok(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        let reply = self.call(method, path, body);
        assert!((200..300).contains(&reply.status), "{method} {path} {body}: {reply:?}");
        if reply.body.is_empty() { serde_json::Value::Null } else { reply.json() }
    }

    /// Creates a proxy on any port.
    pub(crate) fn proxy(&self, name: &str, upstream: SocketAddr) -> SocketAddr {
        let body =
            serde_json::json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
        let proxy = self.ok("POST", "/proxies", &body.to_string());
        proxy["listen"].as_str().expect("text").parse().expect("an address")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
