//! SIGKILL of owner, guardian or both at every step of a fault's life: afterwards, or after the next start, the world is
//! as it was.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use common::matrix::{Killed, World, every_step, one, owner};
use common::store;
use common::worlds::{Cut, Paused};
use common::{Bench, Pair, Victim, WITNESS, eventually, fault};
use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::ledger::FaultState;
use deadstick_faults::FaultStep;
use deadstick_faults::kernel::{Linux, Processes};
use deadstick_faults::network::enter;
use deadstick_faults::process;

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
    partition_of_a_group: Cut(Pair::new(), fault("partition members=10.9.0.1,10.9.0.2,10.9.0.3 shape=isolated"));
    reject: Cut(Pair::new(), fault("reject to=10.9.0.2"));
    mtu_blackhole: Cut(Pair::new(), fault("mtu-blackhole above=1000B to=10.9.0.2"));
    flap: Cut(Pair::new(), fault("flap up=300ms down=700ms"));
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
