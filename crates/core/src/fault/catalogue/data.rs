//! Kinds about files, databases and load.

use super::{Aim, Family, Kind, Parameter, Value, optional, required};
use crate::fault::{FaultKind, FileLockCall, HttpMethod, LockMode};
use crate::privilege::Privilege;

const MODE: Parameter =
    optional("mode", Value::Word(LockMode::WORDS), "exclusive", "Whether readers wait, too");
/// To reach a server by a socket in the file system that is not for everybody.
const SOCKET: &[Privilege] = &[Privilege::DacOverride];
const SESSION_UNDO: &str =
    "the session is rolled back and ended; the server ends it by itself with the lease";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        kind: FaultKind::DiskFill,
        family: Family::Storage,
        about: "The file system is full, up to a reserve",
        aims: &[Aim::Path],
        parameters: &[&[required("reserve", Value::Size, "What stays free; never nothing")]],
        needs: "to write into the folder",
        privileges: &[Privilege::DacOverride],
        undo: "the file that fills it is removed",
        example: "disk-fill --path /mnt/scratch --reserve 16MiB --for 1m",
    },
    Kind {
        kind: FaultKind::FsFreeze,
        family: Family::Storage,
        about: "Whoever writes to the file system waits",
        aims: &[Aim::Path],
        parameters: &[],
        needs: "CAP_SYS_ADMIN, a file system that can freeze (ext4, xfs, btrfs)",
        privileges: &[Privilege::SysAdmin, Privilege::DacOverride],
        undo: "the file system thaws",
        example: "fs-freeze --path /mnt/scratch --for 10s",
    },
    Kind {
        kind: FaultKind::FileLock,
        family: Family::Storage,
        about: "A file is locked",
        aims: &[Aim::Path],
        parameters: &[&[optional("by", Value::Word(FileLockCall::WORDS), "flock", "By which call"), MODE]],
        needs: "to open the file",
        privileges: &[Privilege::DacOverride],
        undo: "the process that holds the lock ends, with its owner too",
        example: "file-lock --path /var/lock/app.lock --for 30s",
    },
    Kind {
        kind: FaultKind::Lock,
        family: Family::Databases,
        about: "A lock is held: on a table, on rows, by number, or on a whole SQLite file",
        aims: &[Aim::Dsn, Aim::Path],
        parameters: &[&[
            optional("table", Value::Text, "none", "The table (PostgreSQL, MySQL)"),
            MODE,
            optional(
                "rows",
                Value::Text,
                "the whole table",
                "Only the rows that meet a condition in SQL, such as \"id = 42\"; readers go on (PostgreSQL)",
            ),
            optional(
                "advisory",
                Value::Integer,
                "none",
                "An advisory lock by its number instead of a table (PostgreSQL)",
            ),
        ]],
        needs: "a role that may lock the table and write to it, or to write the SQLite file",
        privileges: &[Privilege::DacOverride, Privilege::Chown],
        undo: "the session is ended; the server ends it by itself with the lease; an SQLite lock goes with its process",
        example: "lock --dsn postgres://app@127.0.0.1/shop --table orders --for 30s",
    },
    Kind {
        kind: FaultKind::IdleInTransaction,
        family: Family::Databases,
        about: "A session opens a transaction, reads a table and then does nothing",
        aims: &[Aim::Dsn],
        parameters: &[&[optional("table", Value::Text, "none", "The table it reads")]],
        needs: "a role that may read the table",
        privileges: SOCKET,
        undo: SESSION_UNDO,
        example: "idle-in-transaction --dsn postgres://app@127.0.0.1/shop --table orders --for 30s",
    },
    Kind {
        kind: FaultKind::ExhaustConnections,
        family: Family::Databases,
        about: "Sessions take the places that a PostgreSQL server has",
        aims: &[Aim::Dsn],
        parameters: &[&[optional(
            "leave",
            Value::Count(100_000),
            "0",
            "How many places stay free, beside those kept for superusers",
        )]],
        needs: "a role that may connect",
        privileges: SOCKET,
        undo: "the sessions are ended; the server ends them by itself with the lease",
        example: "exhaust-connections --dsn postgres://app@127.0.0.1/shop --leave 1 --for 30s",
    },
    Kind {
        kind: FaultKind::PauseReplay,
        family: Family::Databases,
        about: "A PostgreSQL replica receives but does not apply: its data grows old",
        aims: &[Aim::Dsn],
        parameters: &[],
        needs: "PostgreSQL 10, a superuser on the replica or a role that may pause and resume replay",
        privileges: SOCKET,
        undo: "replay goes on; the server has no time limit for it, so guardian and ledger stand in",
        example: "pause-replay --dsn postgres://postgres@127.0.0.1:5433/postgres --for 30s",
    },
    Kind {
        kind: FaultKind::TerminateBackends,
        family: Family::Databases,
        about: "Sessions of a PostgreSQL server are ended",
        aims: &[Aim::Dsn],
        parameters: &[&[
            optional("application", Value::Text, "any", "Only those of this application"),
            optional("role", Value::Text, "any", "Only those of this role"),
        ]],
        needs: "the same role, or pg_signal_backend",
        privileges: SOCKET,
        undo: "none: programs connect again",
        example: "terminate-backends --dsn postgres://app@127.0.0.1/shop --application shop --for 5s",
    },
    Kind {
        kind: FaultKind::Spike,
        family: Family::Load,
        about: "Requests come faster than they ever did, whether or not answers keep up",
        aims: &[Aim::Host, Aim::Netns],
        parameters: &[&[
            required("url", Value::Text, "To which URL; {key} in it is replaced by a key"),
            required("per-second", Value::Count(10_000), "How many requests a second"),
            optional("method", Value::Word(HttpMethod::WORDS), "GET", "By which method"),
            optional(
                "keys",
                Value::Count(1_000_000_000),
                "1000",
                "How many keys there are, where the URL has one",
            ),
            optional("hot", Value::Percent, "none", "The share of requests that ask for the one hot key"),
        ]],
        needs: "nothing",
        privileges: &[Privilege::SysAdmin, Privilege::SysPtrace],
        undo: "the requests stop, with their owner too",
        example: "spike --url http://127.0.0.1:8080/item/{key} --per-second 200 --hot 80% --for 30s",
    },
];
