//! The processes that the tests of this crate start: guardian, holder, a host with a network of its own, and an owner that
//! stops at a chosen step of a fault's life.
//!
//! `faults-process guardian --ledger FILE | hold | host | connect | owner LEDGER FAULT TARGET LEASE STEP`

#[path = "../tests/common/stand_ins.rs"]
mod stand_ins;
#[path = "../tests/common/store.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod store;

use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::units::HumanDuration;
use deadstick_faults::kernel::Linux;
use deadstick_faults::privileges::{self, Heirs};
use deadstick_faults::{FaultStep, HostFacts, Injector, LedgerStore, Settings, doctor, guardian, holder};
use hickory_proto::op::{Message, Metadata};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record, RecordType};
use stand_ins::{PlainLoad, SleepyRelay};
use store::FileStore;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["guardian", "--ledger", ledger] => ExitCode::from(guardian::run(
            &(Arc::new(FileStore(PathBuf::from(ledger))) as Arc<dyn LedgerStore>),
        )),
        ["hold"] => ExitCode::from(holder::main()),
        ["host"] => host(),
        ["connect"] => connect(),
        ["owner", ledger, fault, target, lease, step] => owner(ledger, fault, target, lease, step),
        other => panic!("unknown: {other:?}"),
    }
}

/// Says a word to the test.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("the test listens");
}

/// A network of its own. Lines on standard input: `run PROGRAM ARGUMENTS`, `serve ADDRESS`, `names ADDRESS ANSWER` (a name
/// server), `dial ADDRESS` (a connection that is kept), `ended COUNT` (whether so many of those have been ended by others),
/// `say NUMBER` (sends a byte over one of them), `heard COUNT` (whether so many bytes have come back over all of them;
/// without a number, how many). Ends with its input.
fn host() -> ExitCode {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network of its own");
    say("ready");
    let (ended, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut dialled = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["run", program, arguments @ ..] => {
                let status = std::process::Command::new(program).args(arguments).status().expect("it starts");
                say(if status.success() { "ok" } else { "failed" });
            }
            ["serve", address] => {
                let listener = TcpListener::bind(address).expect("the address is free");
                std::thread::spawn(move || {
                    for mut stream in listener.incoming().flatten() {
                        std::thread::spawn(move || {
                            let mut bytes = [0; 4096];
                            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                                if stream.write_all(&bytes[..count]).is_err() {
                                    return;
                                }
                            }
                        });
                    }
                });
                say("ok");
            }
            ["names", address, answer] => {
                names(address, answer.parse().expect("an address"));
                say("ok");
            }
            ["dial", address] => {
                let mut stream = TcpStream::connect(address).expect("somebody accepts");
                dialled.push(stream.try_clone().expect("a socket"));
                let (ended, heard) = (Arc::clone(&ended), Arc::clone(&heard));
                std::thread::spawn(move || {
                    loop {
                        match stream.read(&mut [0; 1]) {
                            Ok(1..) => heard.fetch_add(1, Ordering::SeqCst),
                            Ok(0) => return,
                            Err(_) => {
                                ended.fetch_add(1, Ordering::SeqCst);
                                return;
                            }
                        };
                    }
                });
                say("ok");
            }
            ["say", number] => {
                let number: usize = number.parse().expect("a number");
                // One that has just been ended by somebody takes no more.
                dialled[number].write_all(b"x").unwrap_or(());
                say("ok");
            }
            ["ended", count] => say(comes_to(&ended, count)),
            ["heard", count] => say(comes_to(&heard, count)),
            ["heard"] => say(&heard.load(Ordering::SeqCst).to_string()),
            _ => say("unknown"),
        }
    }
    ExitCode::SUCCESS
}

/// Waits until so many are counted, and says whether it is exactly so many.
fn comes_to(counter: &AtomicUsize, count: &str) -> &'static str {
    let count: usize = count.parse().expect("a number");
    for _ in 0..1_000 {
        if counter.load(Ordering::SeqCst) >= count {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    if counter.load(Ordering::SeqCst) == count { "ok" } else { "another count" }
}

/// A name server by UDP and TCP: every name has this address. Names that begin with `large` do not fit into a datagram.
fn names(at: &str, answer: std::net::Ipv4Addr) {
    let udp = UdpSocket::bind(at).expect("the address is free");
    let tcp = TcpListener::bind(at).expect("the address is free");
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((length, asker)) = udp.recv_from(&mut bytes) {
            if let Ok(question) = Message::from_vec(&bytes[..length]) {
                let reply = named(&question, answer);
                let whole = reply.to_vec().expect("a reply");
                let cut = || reply.truncate().to_vec().expect("a reply");
                udp.send_to(&if whole.len() > 512 { cut() } else { whole }, asker).expect("sent");
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            std::thread::spawn(move || {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
                    let read = stream.read_exact(&mut bytes).is_ok();
                    let Some(question) = read.then(|| Message::from_vec(&bytes).ok()).flatten() else {
                        return;
                    };
                    let reply = named(&question, answer).to_vec().expect("a reply");
                    let length = u16::try_from(reply.len()).expect("it fits").to_be_bytes();
                    // A zone comes in several messages.
                    let times = if question.queries[0].query_type() == RecordType::AXFR { 3 } else { 1 };
                    for _ in 0..times {
                        if stream.write_all(&[&length, reply.as_slice()].concat()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

fn named(question: &Message, address: std::net::Ipv4Addr) -> Message {
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&question.metadata);
    for query in &question.queries {
        reply.add_query(query.clone());
        if query.query_type() == RecordType::A {
            reply.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(address.into())));
        }
        if query.name().to_string().starts_with("large") {
            for number in 0..40 {
                let text = RData::TXT(TXT::new(vec![format!("a text that takes room, number {number}")]));
                reply.add_answer(Record::from_rdata(query.name().clone(), 60, text));
            }
        }
    }
    reply
}

/// Connects to each address it is told, and says what came of it.
fn connect() -> ExitCode {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let to = line.parse().expect("an address");
        match std::net::TcpStream::connect_timeout(&to, std::time::Duration::from_millis(300)) {
            Ok(_) => say("accepted"),
            Err(error) => say(&format!("{error}")),
        }
    }
    ExitCode::SUCCESS
}

/// Injects one fault and takes it out again; at the step named it says so and waits for a line. At the step `Never` it
/// does so again and again. Gives up, as every owner must, when its guardian is lost.
fn owner(ledger: &str, fault: &str, target: &str, lease: &str, step: &str) -> ExitCode {
    let fault: Fault = serde_json::from_str(fault).expect("a fault");
    // As the command does before it has threads: whatever is done to this fault is done with no more.
    let needed = deadstick_core::fault::catalogue::of(fault.kind()).privileges;
    drop(privileges::keep(&needed.iter().copied().collect(), Heirs::Ours));
    let stop = step.to_owned();
    let hook = move |at: FaultStep, _: &String| {
        if format!("{at:?}") == stop {
            say(&format!("at {at:?}"));
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).expect("the test answers");
        }
    };
    let settings = Settings {
        program: std::env::current_exe().expect("own path"),
        ledger: PathBuf::from(ledger),
        store: Arc::new(FileStore(PathBuf::from(ledger))),
        observer: Arc::new(|_| {}),
        relay: Some(Arc::new(SleepyRelay)),
        load: Some(Arc::new(PlainLoad)),
        steps: Some(Arc::new(hook)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let injector = if std::env::var("FAULTS_WITHOUT").is_ok_and(|what| what == "netem") {
            let facts = HostFacts { netem: false, relay: true, ..doctor::facts() };
            Injector::arm_on(settings, Arc::new(Linux), facts).await.expect("armed")
        } else {
            Injector::arm(settings).await.expect("armed")
        };
        say(&format!("guardian {}", injector.guardian().expect("it runs").pid));
        let mut target: ResolvedTarget = serde_json::from_str(target).expect("a target");
        target.dsn = std::env::var("FAULTS_DSN").ok();
        let lease: HumanDuration = lease.parse().expect("a lease");
        let one_life = async || match injector.inject(fault.clone(), target.clone(), lease).await {
            Ok(injected) => {
                say(&format!("landed {}", injected.proof.landed));
                injector.undo(&injected.id, "the test is over").await.err()
            }
            Err(error) => {
                say(&format!("error {error}"));
                None
            }
        };
        let lives = async {
            loop {
                let residue = one_life().await;
                if residue.is_some() || step != "Never" {
                    return residue;
                }
            }
        };
        let residue = tokio::select! {
            residue = lives => residue.into_iter().collect(),
            () = injector.guardian_lost() => injector.undo_all("the guardian is lost").await,
        };
        let left = injector.close().await;
        say(&format!("residue {}", residue.len() + left.len()));
    });
    ExitCode::SUCCESS
}
