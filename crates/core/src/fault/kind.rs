//! The kinds of fault, as words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fault;

macro_rules! kinds {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// The kinds of fault, as words: one for each variant of [`Fault`], where they are explained.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "the variants of Fault say what each kind is")]
        pub enum FaultKind { $($variant),+ }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files, on the command line and on the timeline.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Fault {
            /// The kind's word.
            #[must_use]
            pub const fn kind(&self) -> FaultKind {
                match self { $(Self::$variant { .. } => FaultKind::$variant),+ }
            }
        }
    };
}

kinds! {
    Latency = "latency",
    Loss = "loss",
    Duplicate = "duplicate",
    Corrupt = "corrupt",
    Reorder = "reorder",
    Rate = "rate",
    Partition = "partition",
    HalfOpen = "half-open",
    Vanish = "vanish",
    Reject = "reject",
    Flap = "flap",
    MtuBlackhole = "mtu-blackhole",
    Dns = "dns",
    SocketKill = "socket-kill",
    PortTake = "port-take",
    Kill = "kill",
    Pause = "pause",
    CpuLimit = "cpu-limit",
    MemoryLimit = "memory-limit",
    FdLimit = "fd-limit",
    Oom = "oom",
    Stress = "stress",
    DiskFill = "disk-fill",
    FsFreeze = "fs-freeze",
    FileLock = "file-lock",
    Lock = "lock",
    IdleInTransaction = "idle-in-transaction",
    ExhaustConnections = "exhaust-connections",
    PauseReplay = "pause-replay",
    TerminateBackends = "terminate-backends",
    Spike = "spike",
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for FaultKind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| UnknownKind { word: text.to_owned() })
    }
}

/// A word that is no kind of fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no kind of fault; {}", crate::source::did_you_mean(word, FaultKind::ALL.iter().map(|kind| kind.word())))]
pub struct UnknownKind {
    /// The word.
    pub word: String,
}
