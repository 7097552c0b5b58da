//! SIGKILL of owner, guardian or both at every step of a fault's life: afterwards, or after the next start, the world is
//! as it was.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::matrix::{Killed, World, every_step, one, owner, recover};
use common::store;
use common::{Bench, Pair, Victim, WITNESS, eventually, fault};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::FaultState;
use deadstick_faults::FaultStep;
use deadstick_faults::kernel::{Linux, Networks, Processes, Reach};
use deadstick_faults::network::enter;
use deadstick_faults::process::{self, Life};

struct Paused(Victim);

impl World for Paused {
    fn fault(&self) -> Fault {
        fault("pause")
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        process::life(&process::of(self.0.0.id()).expect("it runs")).expect("readable") == Life::Running
    }
}

struct Cut(Pair, Fault);

impl World for Cut {
    fn fault(&self) -> Fault {
        self.1.clone()
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        let network = self.target().network.expect("a network");
        matches!(Linux.reach(&network, WITNESS.into(), Duration::from_millis(200)), Ok(Reach::Accepted(_)))
    }
}

/// Connections of the host: one that is made now, by somebody who is not spared, must live.
struct Broken(Pair);

impl World for Broken {
    fn fault(&self) -> Fault {
        fault("socket-kill to=10.9.0.2:7000")
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        let network = self.target().network.expect("a network");
        let connected = enter(&network, || TcpStream::connect(SocketAddr::from(WITNESS))).expect("entered");
        // Longer than from one round to the next.
        std::thread::sleep(Duration::from_millis(250));
        let mut byte = [0; 1];
        connected.is_ok_and(|mut stream| {
            stream.write_all(b"x").and_then(|()| stream.read_exact(&mut byte)).is_ok()
        })
    }
}

/// A port of the host.
struct Taken(Pair);

impl World for Taken {
    fn fault(&self) -> Fault {
        fault("port-take port=18080")
    }
    fn target(&self) -> ResolvedTarget {
        self.0.target()
    }
    fn is_as_before(&self) -> bool {
        let network = self.target().network.expect("a network");
        enter(&network, || TcpListener::bind("0.0.0.0:18080")).expect("entered").is_ok()
    }
}

struct Locked(tempfile::TempDir);

impl World for Locked {
    fn fault(&self) -> Fault {
        fault("lock")
    }
    fn target(&self) -> ResolvedTarget {
        ResolvedTarget {
            name: "file".to_owned(),
            path: Some(self.0.path().join("shop.db")),
            ..ResolvedTarget::default()
        }
    }
    fn is_as_before(&self) -> bool {
        let file = rusqlite::Connection::open(self.0.path().join("shop.db")).expect("it opens");
        file.busy_timeout(Duration::ZERO).expect("set");
        file.execute_batch("begin exclusive; rollback").is_ok()
    }
}

fn locked() -> Locked {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    rusqlite::Connection::open(folder.path().join("shop.db"))
        .and_then(|file| file.execute_batch("create table orders (id integer)"))
        .expect("a database");
    Locked(folder)
}

macro_rules! matrix {
    ($($name:ident: $world:expr;)*) => {$(
        mod $name {
            use super::*;
            #[tokio::test]
            async fn owner_killed() { every_step(&$world, Killed::Owner).await; }
            #[tokio::test]
            async fn guardian_killed() { every_step(&$world, Killed::Guardian).await; }
            #[tokio::test]
            async fn both_killed() { every_step(&$world, Killed::Both).await; }
        }
    )*};
}

matrix! {
    pause: Paused(Victim::new());
    vanish: Cut(Pair::new(), fault("vanish"));
    half_open: Cut(Pair::new(), fault("half-open"));
    partition: Cut(Pair::new(), fault("partition"));
    sqlite_lock: locked();
    socket_kill: Broken(Pair::new());
    port_take: Taken(Pair::new());
}

#[tokio::test]
async fn a_kill_needs_no_undo_and_leaves_none() {
    for killed in [Killed::Owner, Killed::Guardian, Killed::Both] {
        struct Gone(Victim);
        impl World for Gone {
            fn fault(&self) -> Fault {
                fault("kill signal=KILL")
            }
            fn target(&self) -> ResolvedTarget {
                self.0.target()
            }
            fn is_as_before(&self) -> bool {
                true
            }
        }
        for step in FaultStep::ALL {
            one(&Gone(Victim::new()), step, killed).await;
        }
    }
}

/// SIGKILL of the owner at moments that no step names. `DEADSTICK_KILLS` sets how many, `DEADSTICK_SEED` which.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "the seed and the times are what a reader wants")]
async fn random_moments() {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = from_environment("DEADSTICK_KILLS").unwrap_or(12);
    let seed = from_environment("DEADSTICK_SEED").unwrap_or_else(process::boottime_ms).max(1);
    eprintln!("DEADSTICK_SEED={seed}");
    let worlds: [Box<dyn World>; 2] =
        [Box::new(Paused(Victim::new())), Box::new(Cut(Pair::new(), fault("vanish")))];
    let (mut random, mut times) = (seed, Vec::new());
    for kill in 0..kills {
        // xorshift: any spread of moments will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let world = &worlds[usize::try_from(kill % 2).expect("small")];
        let bench = Bench::new();
        let mut owner = owner(&bench.ledger(), world.as_ref(), "60s", "Never");
        let guardian =
            owner.hear().and_then(|line| line.strip_prefix("guardian ")?.parse().ok()).expect("a pid");
        let guardian = process::of(guardian).expect("it runs");
        tokio::time::sleep(Duration::from_micros(random % 900_000)).await;
        let began = Instant::now();
        owner.kill();
        while process::is_alive(&guardian) {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "seed {seed}, kill {kill}: the guardian does not end"
            );
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.push(began.elapsed());
        assert!(world.is_as_before(), "seed {seed}, kill {kill}");
        recover(&bench.ledger()).await;
        assert!(
            store::faults(&bench.ledger()).values().all(|fault| fault.state == FaultState::Undone),
            "seed {seed}, kill {kill}"
        );
    }
    times.sort();
    eprintln!(
        "from SIGKILL to the guardian done: median {:?}, worst {:?} of {kills}",
        times[times.len() / 2],
        times.last()
    );
}

/// An owner that lives and does nothing: the guardian ends the fault a little after its lease.
#[tokio::test]
async fn an_owner_that_hangs_does_not_outlast_the_lease() {
    let (world, bench) = (Paused(Victim::new()), Bench::new());
    let mut hung = owner(&bench.ledger(), &world, "1s", "Examined");
    while hung.hear().is_some_and(|line| !line.starts_with("at ")) {}
    let identity = process::of(hung.child.id()).expect("it runs");
    Linux.signal(&identity, deadstick_faults::kernel::Sent::Stop).expect("ours");
    assert!(!world.is_as_before());
    eventually("the guardian ends it", || world.is_as_before()).await;
    eventually("and records it", || {
        store::faults(&bench.ledger()).values().all(|fault| fault.state == FaultState::Undone)
    })
    .await;
    hung.kill();
}
