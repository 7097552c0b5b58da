//! The worlds of the kill matrix: for every kind of fault one or more, in lists that tests are made of.
//!
//! A list is a macro that gives its entries to another macro: each has a name, what makes its world, and the fault in
//! words. [`super::matrix`] makes tests of it, [`entries`] a table.

pub(crate) mod databases;
pub(crate) mod links;
pub(crate) mod load;
pub(crate) mod names;
pub(crate) mod processes;
pub(crate) mod same;
pub(crate) mod secret;
pub(crate) mod sockets;
pub(crate) mod storage;

use deadstick_core::fault::FaultKind;

use super::matrix::World;

/// What any kernel with nftables and HTB can do to packets and sockets.
macro_rules! on_links {
    ($then:ident) => {
        $then! {
            latency_by_a_relay: $crate::common::worlds::links::without_netem, "latency delay=50ms to=10.9.0.2:7000";
            loss_by_the_table: $crate::common::worlds::links::without_netem, "loss loss=50%";
            loss_by_the_table_of_what_is_received: $crate::common::worlds::links::without_netem, "loss loss=30% direction=ingress";
            rate: $crate::common::worlds::links::plain, "rate rate=1MB/s";
            rate_of_what_is_received: $crate::common::worlds::links::plain, "rate rate=1MB/s direction=ingress";
            rate_beside_another: $crate::common::worlds::links::beside_another, "rate rate=1MB/s to=10.9.0.2";
            rate_in_the_place_of_another_qdisc: $crate::common::worlds::links::with_a_qdisc, "rate rate=1MB/s replace=true";
            partition: $crate::common::worlds::links::plain, "partition";
            partition_one_way: $crate::common::worlds::links::plain, "partition to=10.9.0.2 direction=egress";
            partition_of_a_group: $crate::common::worlds::links::plain, "partition members=10.9.0.1,10.9.0.2,10.9.0.3 shape=isolated";
            half_open: $crate::common::worlds::links::plain, "half-open";
            vanish: $crate::common::worlds::links::plain, "vanish";
            reject: $crate::common::worlds::links::plain, "reject to=10.9.0.2";
            flap: $crate::common::worlds::links::plain, "flap up=300ms down=700ms";
            flap_of_loss_by_the_table: $crate::common::worlds::links::without_netem, "flap up=300ms down=700ms while-down=loss=50%";
            flap_between_rates: $crate::common::worlds::links::plain, "flap up=300ms down=700ms while-down=rate=64KiB/s while-up=rate=1MB/s";
            mtu_blackhole: $crate::common::worlds::links::plain, "mtu-blackhole above=1000B to=10.9.0.2";
            dns: $crate::common::worlds::names::lied, "dns answer=nxdomain names=db.internal";
            socket_kill: $crate::common::worlds::sockets::broken, "socket-kill to=10.9.0.2:7000";
            port_take: $crate::common::worlds::sockets::taken, "port-take port=18080";
            spike: $crate::common::worlds::load::spiked, "spike url=http://10.9.0.2:7000/ per-second=200";
        }
    };
}

/// What needs netem.
macro_rules! on_netem {
    ($then:ident) => {
        $then! {
            latency: $crate::common::worlds::links::plain, "latency delay=50ms";
            latency_of_what_is_received: $crate::common::worlds::links::plain, "latency delay=50ms direction=ingress";
            latency_in_the_place_of_another_qdisc: $crate::common::worlds::links::with_a_qdisc, "latency delay=50ms replace=true";
            loss_in_bursts: $crate::common::worlds::links::plain, "loss loss=30% burst=3";
            duplicate: $crate::common::worlds::links::plain, "duplicate duplicate=50%";
            corrupt: $crate::common::worlds::links::plain, "corrupt corrupt=10%";
            reorder: $crate::common::worlds::links::plain, "reorder reorder=25% delay=20ms";
            rate_with_a_delay: $crate::common::worlds::links::plain, "rate rate=1MB/s delay=10ms";
            flap_of_latency: $crate::common::worlds::links::plain, "flap up=300ms down=700ms while-down=delay=50ms";
            flap_of_loss_in_bursts: $crate::common::worlds::links::plain, "flap up=300ms down=700ms while-down=loss=30%,burst=3 while-up=delay=20ms";
        }
    };
}

/// What is done to processes and storage.
macro_rules! on_the_host {
    ($then:ident) => {
        $then! {
            pause: $crate::common::worlds::processes::alone, "pause";
            pause_frozen: $crate::common::worlds::processes::in_a_freezer, "pause";
            kill: $crate::common::worlds::processes::mortal, "kill signal=KILL";
            kill_on_every_restart: $crate::common::worlds::processes::coming_back, "kill signal=KILL every-restart=true";
            cpu_limit: $crate::common::worlds::processes::in_a_group_with_a_limit, "cpu-limit cpus=0.1";
            memory_limit: $crate::common::worlds::processes::alone, "memory-limit memory=64MiB";
            fd_limit: $crate::common::worlds::processes::alone, "fd-limit files=16";
            oom: $crate::common::worlds::processes::in_a_group_with_memory, "oom";
            stress: $crate::common::worlds::processes::stressed, "stress cpu=1";
            disk_fill: $crate::common::worlds::storage::scratch, "disk-fill reserve=4MiB";
            fs_freeze: $crate::common::worlds::storage::scratch, "fs-freeze";
            file_lock: $crate::common::worlds::storage::file, "file-lock";
            file_lock_fcntl: $crate::common::worlds::storage::file, "file-lock by=fcntl mode=share";
            sqlite_lock: $crate::common::worlds::storage::sqlite, "lock";
        }
    };
}

/// What is done to database servers.
macro_rules! on_databases {
    ($then:ident) => {
        $then! {
            postgres_lock: $crate::common::worlds::databases::postgres, "lock table=orders";
            postgres_rows: $crate::common::worlds::databases::postgres, "lock table=orders rows=id=1";
            postgres_advisory: $crate::common::worlds::databases::postgres, "lock advisory=7";
            idle_in_transaction: $crate::common::worlds::databases::postgres, "idle-in-transaction table=orders";
            exhaust_connections: $crate::common::worlds::databases::postgres, "exhaust-connections";
            terminate_backends: $crate::common::worlds::databases::backends, "terminate-backends application=web";
            pause_replay: $crate::common::worlds::databases::replica, "pause-replay";
            mariadb_lock: $crate::common::worlds::databases::mariadb, "lock table=orders";
            redis_pause: $crate::common::worlds::databases::redis, "pause";
            redis_pause_of_writes: $crate::common::worlds::databases::redis, "pause commands=writes";
            postgres_lock_over_tls: $crate::common::worlds::secret::postgres, "lock table=orders";
            mariadb_lock_over_tls: $crate::common::worlds::secret::mariadb, "lock table=orders";
            redis_pause_over_tls: $crate::common::worlds::secret::redis, "pause";
        }
    };
}

/// What makes a world for a fault in words; nothing where its server is not installed.
pub(crate) type Make = fn(&'static str) -> Option<Box<dyn World>>;

/// An entry of a list.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) make: Make,
}

impl Entry {
    pub(crate) fn kind(&self) -> FaultKind {
        let word = self.words.split(' ').next().expect("a kind");
        word.parse().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

macro_rules! entries {
    ($($name:ident: $make:path, $words:literal;)*) => {
        vec![$($crate::common::worlds::Entry { name: stringify!($name), words: $words, make: $make }),*]
    };
}

/// What can be killed on a kernel without netem.
pub(crate) fn here() -> Vec<Entry> {
    let lists: [Vec<Entry>; 3] = [on_links!(entries), on_the_host!(entries), on_databases!(entries)];
    lists.concat()
}

/// What the virtual machine is for.
pub(crate) fn in_the_machine() -> Vec<Entry> {
    on_netem!(entries)
}
