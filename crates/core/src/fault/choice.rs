//! Parameters that are one word out of a few.
//!
//! Owns the words, and the macro that makes a type of them; leaves reading them to [`super::parameters`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Words for a choice among a few.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The words.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word used in files and on the command line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
pub(crate) use choice;

choice! {
    /// Signals that end a process.
    Signal {
        /// SIGTERM: asked to end.
        Term = "TERM",
        /// SIGINT: as Ctrl-C.
        Int = "INT",
        /// SIGQUIT: asked to end at once.
        Quit = "QUIT",
        /// SIGHUP: the terminal is gone, or: read the configuration again.
        Hup = "HUP",
        /// SIGABRT: end with a core file.
        Abrt = "ABRT",
        /// SIGSEGV: as after a bad pointer.
        Segv = "SEGV",
        /// SIGUSR1: what the program makes of it.
        Usr1 = "USR1",
        /// SIGUSR2: what the program makes of it.
        Usr2 = "USR2",
        /// SIGKILL: gone.
        #[default]
        Kill = "KILL",
    }
}
choice! {
    /// Strength of a lock.
    LockMode {
        /// Readers go on, writers wait (PostgreSQL `SHARE`; an SQLite write lock).
        Share = "share",
        /// Everybody waits (PostgreSQL `ACCESS EXCLUSIVE`; an SQLite exclusive lock).
        #[default]
        Exclusive = "exclusive",
    }
}
choice! {
    /// How a group is split, seen from one of its members in the order given.
    PartitionShape {
        /// Two halves that do not see each other; the larger one comes first.
        #[default]
        Halves = "halves",
        /// Two halves that do not see each other, and one member in the middle that sees everybody.
        Bridge = "bridge",
        /// Everybody sees a majority, and nobody sees the same one.
        MajoritiesRing = "majorities-ring",
        /// This member sees nobody.
        Isolated = "isolated",
    }
}
choice! {
    /// What the sender of a refused packet gets.
    Refusal {
        /// TCP connections are reset; what is not TCP gets ICMP.
        #[default]
        Reset = "reset",
        /// ICMP: the port cannot be reached.
        Icmp = "icmp",
    }
}
choice! {
    /// What a question for a name gets.
    DnsAnswer {
        /// There is no such name.
        #[default]
        Nxdomain = "nxdomain",
        /// The server failed.
        Servfail = "servfail",
        /// Nothing.
        Timeout = "timeout",
        /// Another address.
        Wrong = "wrong",
        /// The right answer, late.
        Late = "late",
    }
}
choice! {
    /// A transport protocol.
    Protocol {
        /// TCP.
        #[default]
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}
choice! {
    /// Which commands a paused Redis server keeps waiting.
    RedisCommands {
        /// All of them.
        #[default]
        All = "all",
        /// Those that write.
        Writes = "writes",
    }
}
choice! {
    /// The call that locks a file.
    FileLockCall {
        /// `flock(2)`: whole files.
        #[default]
        Flock = "flock",
        /// `fcntl(2)`: what databases and NFS use.
        Fcntl = "fcntl",
    }
}
choice! {
    /// A method of HTTP.
    HttpMethod {
        /// GET.
        #[default]
        Get = "GET",
        /// POST.
        Post = "POST",
    }
}
