//! What the examples name, staged: networks on one link, servers, processes, file systems. Gone with its value.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

/// Runs a program to its end, which must be a good one.
pub(crate) fn ok(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Two named network namespaces on one link, 10.0.0.1 and 10.0.0.2; the second one echoes on port 5432.
pub(crate) struct Link {
    pub(crate) near: String,
    pub(crate) far: String,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Link {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let stem = format!("ds{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (near, far) = (format!("{stem}a"), format!("{stem}b"));
        ok(&["ip", "netns", "add", &near]);
        ok(&["ip", "netns", "add", &far]);
        let mut link = Self { near, far, stop: Arc::default(), server: None };
        let (near, far) = (link.near.as_str(), link.far.as_str());
        ok(&["ip", "-n", near, "link", "add", "dsa", "type", "veth", "peer", "name", "dsb", "netns", far]);
        for (netns, device, address) in [(near, "dsa", "10.0.0.1/24"), (far, "dsb", "10.0.0.2/24")] {
            ok(&["ip", "-n", netns, "addr", "add", address, "dev", device]);
            ok(&["ip", "-n", netns, "link", "set", device, "up"]);
            ok(&["ip", "-n", netns, "link", "set", "lo", "up"]);
        }
        let (stop, netns) = (Arc::clone(&link.stop), far.to_owned());
        let (ready, is_ready) = std::sync::mpsc::channel();
        link.server = Some(std::thread::spawn(move || {
            enter(&netns);
            let listener = TcpListener::bind("10.0.0.2:5432").expect("nobody else is there");
            ready.send(()).expect("it waits");
            echo(&listener, &stop);
        }));
        is_ready.recv().expect("the server starts");
        link
    }

    /// The words that run a program in the first network.
    pub(crate) fn inside(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.near].map(str::to_owned).to_vec()
    }

    /// The same without a mount of its own: control groups stay where they are.
    pub(crate) fn entered(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", self.near)]
    }

    /// The words that run a shell line in the first network.
    pub(crate) fn shell(&self) -> Vec<String> {
        [self.entered(), vec!["sh".to_owned(), "-c".to_owned()]].concat()
    }

    /// A connection from the first network to the server, with limits on how long a read takes.
    pub(crate) fn connect(&self) -> TcpStream {
        let netns = self.near.clone();
        let joined = std::thread::spawn(move || {
            enter(&netns);
            let server: SocketAddr = "10.0.0.2:5432".parse().expect("an end");
            TcpStream::connect_timeout(&server, Duration::from_secs(10)).expect("it answers")
        });
        let stream = joined.join().expect("it connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        stream
    }

    /// Everything that faults may change in the two networks.
    pub(crate) fn snapshot(&self) -> String {
        let mut all = String::new();
        for netns in [&self.near, &self.far] {
            for words in
                [&["nft", "list", "ruleset"][..], &["tc", "qdisc", "show"], &["ls", "/sys/class/net"]]
            {
                let mut inside = vec!["ip", "netns", "exec", netns];
                inside.extend(words);
                all.push_str(&ok(&inside));
            }
        }
        all
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(server) = self.server.take() {
            drop(server.join());
        }
        for netns in [&self.near, &self.far] {
            drop(Command::new("ip").args(["netns", "del", netns]).status());
        }
    }
}

/// Moves this thread into a named network for good.
fn enter(netns: &str) {
    let file = fs::File::open(format!("/run/netns/{netns}")).expect("it has a name");
    setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter");
}

/// Sends everything back, until it is to stop.
fn echo(listener: &TcpListener, stop: &Arc<AtomicBool>) {
    listener.set_nonblocking(true).expect("a socket");
    let mut open = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let stop = Arc::clone(stop);
        open.push(std::thread::spawn(move || {
            stream.set_nonblocking(false).expect("a socket");
            stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
            let mut bytes = [0; 4096];
            while !stop.load(Ordering::Acquire) {
                match stream.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(n) => drop(stream.write_all(&bytes[..n])),
                    Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
                    Err(_) => return,
                }
            }
        }));
    }
    for one in open {
        drop(one.join());
    }
}

/// A process to be hurt; ended with the value.
pub(crate) struct Victim(pub(crate) Child);

impl Victim {
    /// A shell that runs this script.
    pub(crate) fn shell(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("a shell starts"))
    }

    /// One that waits for a long time.
    pub(crate) fn idle() -> Self {
        Self::shell("exec sleep 600")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The letter of what it does, as in `proc_pid_stat(5)`; none when it is gone.
    pub(crate) fn state(&self) -> Option<char> {
        let line = fs::read(format!("/proc/{}/stat", self.pid())).ok()?;
        Some(deadstick_core::identity::ProcessStat::parse(&line)?.state)
    }

    /// Whether it is there and neither stopped nor frozen: it may just have woken.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.state(), Some('R' | 'S' | 'D'))
    }

    /// Its limits, the scheduling group and all else that faults on processes may change.
    pub(crate) fn snapshot(&self) -> String {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.pid())).unwrap_or_default();
        format!("{}{}", read("limits"), read("cgroup"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // A victim that has ended already is only reaped.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
