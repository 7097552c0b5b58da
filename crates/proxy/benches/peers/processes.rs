//! The processes of a run: this program again as server or proxy, and HAProxy. All end with the run.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::epoll;
use socket2::{Domain, Socket, Type};

/// What this program does when it was started by itself.
pub(crate) enum Role {
    Server(u16),
    Proxy { upstream: String, precise: bool },
}

impl Role {
    pub(crate) fn from_arguments(arguments: &[String]) -> Option<Self> {
        match arguments {
            [role, port] if role == "server" => Some(Self::Server(port.parse().expect("a port"))),
            [role, upstream] if role == "proxy" || role == "precise" => {
                Some(Self::Proxy { upstream: upstream.clone(), precise: role == "precise" })
            }
            _ => None,
        }
    }

    pub(crate) fn run(self) {
        // Ends when the parent does, however that ends.
        thread::spawn(|| {
            let mut rest = Vec::new();
            std::io::stdin().read_to_end(&mut rest).expect("a pipe");
            std::process::exit(0);
        });
        match self {
            Self::Server(port) => serve(port),
            Self::Proxy { upstream, precise } => proxy(upstream, precise),
        }
    }
}

fn proxy(upstream: String, precise: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let settings = deadstick_proxy::Settings { port: 0, precise, ..Default::default() };
        let server = deadstick_proxy::Server::bind(settings).await.expect("a port");
        let plan = deadstick_proxy::Plan {
            name: "bench".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            upstream,
            enabled: true,
            toxics: Vec::new(),
        };
        let proxy = server.registry().create(plan).await.expect("a port");
        println!("{}", proxy.route().listen);
        println!("{}", server.address().expect("bound"));
        server.run(std::future::pending()).await;
    });
}

/// Connections that may wait for the server. With the standard library's 128, those that are opened quickly overflow it, and
/// what is measured afterwards waits for their retransmissions.
const BACKLOG: i32 = 4_096;

/// The first byte of a connection says what it is for: `E` echoes, `D` sends without end, `1` gets one byte and is closed, `I`
/// gets one byte and is held until the client closes.
fn serve(port: u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("a port");
    socket.listen(BACKLOG).expect("it listens");
    let listener = TcpListener::from(socket);
    println!("{0}\n{0}", listener.local_addr().expect("bound"));
    let idle = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor");
    let held: Arc<Mutex<HashMap<u64, TcpStream>>> = Arc::default();
    let (polled, open) = (idle.try_clone().expect("a descriptor"), Arc::clone(&held));
    thread::spawn(move || release(&polled, &open));
    let mut number = 0;
    // Whoever connects says at once what for, so reading one byte here does not hold up the next for long.
    for stream in listener.incoming() {
        let mut stream = stream.expect("accepted");
        let mut kind = [0];
        if stream.read_exact(&mut kind).is_err() {
            continue;
        }
        stream.set_nodelay(true).expect("a socket");
        match kind[0] {
            b'E' => drop(thread::spawn(move || echo(stream))),
            b'D' => drop(thread::spawn(move || {
                let data = vec![0; 256 * 1024];
                while stream.write_all(&data).is_ok() {}
            })),
            b'1' => {
                // One byte back, then the client closes.
                if stream.write_all(b"1").is_ok() {
                    drop(stream);
                }
            }
            _ => {
                stream.write_all(b"I").expect("it is open");
                number += 1;
                let mut held = held.lock().expect("no holder panics");
                let data = epoll::EventData::new_u64(number);
                epoll::add(&idle, &stream, data, epoll::EventFlags::RDHUP).expect("room");
                held.insert(number, stream);
            }
        }
    }
}

/// Closes held connections as their clients close.
fn release(idle: &OwnedFd, held: &Mutex<HashMap<u64, TcpStream>>) {
    let mut events =
        [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 64];
    loop {
        let count = epoll::wait(idle, &mut events[..], None).expect("it is open");
        let mut held = held.lock().expect("no holder panics");
        for event in &events[..count] {
            held.remove(&event.data.u64());
        }
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 65_536];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..len]).is_err() {
            return;
        }
    }
}

/// A process that ends with this value.
pub(crate) struct Child {
    process: std::process::Child,
    addresses: Vec<SocketAddr>,
    _folder: Option<tempfile::TempDir>,
}

impl Child {
    /// This program in another role, which prints two addresses when it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a path"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let addresses = lines.take(2).map(|line| line.expect("text").parse().expect("an address")).collect();
        Self { process, addresses, _folder: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn second_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }
}

/// Pipes that HAProxy may use for splice.
const PIPES: usize = 100;

/// Idle connections that a proxy can hold within the limit of descriptors: two each, and some for the rest of it.
pub(crate) fn room() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit.saturating_sub(1_000) / 2
}

/// HAProxy in TCP mode with splice both ways, if it is installed.
pub(crate) fn haproxy(upstream: SocketAddr, connections: usize) -> Option<(Child, SocketAddr)> {
    let program = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())?;
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("haproxy.cfg");
    let config = format!(
        "global\n  maxconn {connections}\n  maxpipes {PIPES}\ndefaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  \
         timeout client 1h\n  timeout server 1h\nlisten bench\n  bind {address}\n  server s {upstream}\n"
    );
    std::fs::write(&path, config).expect("a file");
    let process = Command::new(program)
        .args(["-db", "-q", "-f"])
        .arg(&path)
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let child = Child { process, addresses: vec![address], _folder: Some(folder) };
    for _ in 0..100 {
        if TcpStream::connect(address).is_ok() {
            return Some((child, address));
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("HAProxy does not listen");
}
