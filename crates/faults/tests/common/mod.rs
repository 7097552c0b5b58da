//! What the tests of this crate share: the helper program, a ledger, hosts with networks of their own.
#![expect(dead_code, reason = "each test uses its part")]

pub(crate) mod certificates;
pub(crate) mod daemon;
pub(crate) mod group;
pub(crate) mod mariadb;
#[macro_use]
pub(crate) mod matrix;
pub(crate) mod redis;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod stand_ins;
pub(crate) mod store;
#[macro_use]
pub(crate) mod worlds;

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::{NetworkIdentity, ProcessIdentity};
use deadstick_faults::network::enter;
use deadstick_faults::{FaultEvent, Injector, Settings, process};
use store::FileStore;
use tempfile::TempDir;

/// The helper program, built with the tests.
pub(crate) fn program() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let folder = own.parent().and_then(Path::parent).expect("target/debug/deps");
    folder.join("examples/faults-process")
}

/// A fault in words: its kind, then `parameter=value` for each parameter.
pub(crate) fn fault(words: &str) -> Fault {
    let (kind, parameters) = words.split_once(' ').unwrap_or((words, ""));
    let pairs = parameters.split_whitespace().map(|pair| pair.split_once('=').unwrap_or((pair, "true")));
    let kind = kind.parse().unwrap_or_else(|error| panic!("{words}: {error}"));
    Fault::read(kind, pairs).unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// A child process with lines both ways; ended with the value.
pub(crate) struct Talker {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Talker {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, stdin, lines }
    }

    pub(crate) fn hear(&mut self) -> Option<String> {
        self.lines.next().and_then(Result::ok)
    }

    /// Tells it one line; a listener that has ended is no error here.
    pub(crate) fn tell(&mut self, line: &str) -> bool {
        self.stdin
            .as_mut()
            .is_some_and(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_ok())
    }

    /// SIGKILL, and reaped.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("reaped");
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// A process with a network of its own.
pub(crate) struct Host(pub(crate) Talker);

impl Host {
    pub(crate) fn new() -> Self {
        let mut talker = Talker::start(Command::new(program()).arg("host"));
        assert_eq!(
            talker.hear().as_deref(),
            Some("ready"),
            "network namespaces need root, or a user namespace"
        );
        let mut host = Self(talker);
        host.ask("run ip link set lo up");
        host
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.child.id()
    }

    /// A number that it answers with.
    pub(crate) fn number(&mut self, line: &str) -> usize {
        assert!(self.0.tell(line), "{line}");
        self.0.hear().and_then(|said| said.parse().ok()).expect("a number")
    }

    pub(crate) fn ask(&mut self, line: &str) {
        assert!(self.0.tell(line), "{line}");
        assert_eq!(self.0.hear().as_deref(), Some("ok"), "{line}");
    }
}

/// Two hosts on one link: 10.9.0.1 and 10.9.0.2; the second one echoes on port 7000 and 7001.
pub(crate) struct Pair {
    pub(crate) client: Host,
    pub(crate) server: Host,
}

pub(crate) const WITNESS: ([u8; 4], u16) = ([10, 9, 0, 2], 7000);

impl Pair {
    pub(crate) fn new() -> Self {
        let (mut client, mut server) = (Host::new(), Host::new());
        client.ask(&format!("run ip link add dsa type veth peer name dsb netns {}", server.pid()));
        for (host, device, address) in [(&mut client, "dsa", 1), (&mut server, "dsb", 2)] {
            host.ask(&format!("run ip addr add 10.9.0.{address}/24 dev {device}"));
            host.ask(&format!("run ip link set {device} up"));
        }
        server.ask("serve 10.9.0.2:7000");
        server.ask("serve 10.9.0.2:7001");
        Self { client, server }
    }

    /// The client as a target, with the server as its witness.
    pub(crate) fn target(&self) -> ResolvedTarget {
        ResolvedTarget {
            name: "client".to_owned(),
            process: Some(process::of(self.client.pid()).expect("it runs")),
            network: Some(process::network_of(self.client.pid()).expect("it runs")),
            address: Some([10, 9, 0, 1].into()),
            witness: Some(WITNESS.into()),
            ..ResolvedTarget::default()
        }
    }
}

/// What a program says that is run in a network; it has to end well.
pub(crate) fn run_in(network: &NetworkIdentity, words: &str) -> String {
    let words: Vec<_> = words.split(' ').collect();
    // A program started in that network lives there.
    let run = || Command::new(words[0]).args(&words[1..]).output();
    let output = enter(network, run).expect("entered").expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A ledger in a folder of its own, and what the injector told.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) events: Arc<Mutex<Vec<FaultEvent>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder"),
            events: Arc::default(),
        }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    pub(crate) fn settings(&self) -> Settings {
        let events = Arc::clone(&self.events);
        Settings {
            program: program(),
            ledger: self.ledger(),
            store: Arc::new(FileStore(self.ledger())),
            observer: Arc::new(move |event| events.lock().expect("not poisoned").push(event)),
            relay: None,
            load: None,
            steps: None,
        }
    }

    pub(crate) async fn injector(&self) -> Injector {
        Injector::arm(self.settings()).await.expect("the guardian starts")
    }

    pub(crate) fn told(&self) -> Vec<FaultEvent> {
        self.events.lock().expect("not poisoned").clone()
    }
}

/// A process to disturb; ended with the value.
pub(crate) struct Victim(pub(crate) Child, ProcessIdentity);

impl Victim {
    pub(crate) fn new() -> Self {
        Self::sleeping("600")
    }

    /// One whose command line can be told from others.
    pub(crate) fn sleeping(seconds: &str) -> Self {
        Self::of(Command::new("sleep").arg(seconds).spawn().expect("sleep starts"))
    }

    pub(crate) fn of(child: Child) -> Self {
        let identity = process::of(child.id()).expect("it is not reaped");
        Self(child, identity)
    }

    pub(crate) fn target(&self) -> ResolvedTarget {
        ResolvedTarget {
            name: "victim".to_owned(),
            process: Some(self.1.clone()),
            ..ResolvedTarget::default()
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("reaped");
    }
}

/// A program of this user that talks to the server now and then: what only its packets can show is seen by them.
pub(crate) struct Chatter(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Chatter {
    pub(crate) fn of(target: &ResolvedTarget) -> Self {
        let network = target.network.as_ref().expect("a network");
        let socket = enter(network, || UdpSocket::bind("0.0.0.0:0"));
        let (socket, over) = (socket.expect("entered").expect("a socket"), Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&over);
        let talk = move || {
            while !is_over.load(Ordering::Relaxed) {
                // Nobody listens on that port, which the next one may be told.
                drop(socket.send_to(b"?", (IpAddr::from(WITNESS.0), 9)));
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        Self(over, Some(std::thread::spawn(talk)))
    }
}

impl Drop for Chatter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            thread.join().expect("no panic");
        }
    }
}

/// Waits for something to become so; fails the test when it does not.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never so: {what}");
}
