//! The privileges of Linux (capabilities) that faults and their undos may need, as words.
//!
//! Owns the names. Which kind of fault needs which is in [`crate::fault::catalogue`], which kind of undo in
//! [`crate::ledger::UndoKind`]; everything that keeps or drops privileges derives from these two. Leaves the system calls to
//! the faults crate.

use std::collections::BTreeSet;

macro_rules! privileges {
    ($($variant:ident = $word:literal: $about:literal,)+) => {
        /// One privilege.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Privilege {
            $(#[doc = $about] $variant),+
        }

        impl Privilege {
            /// Every one that anything here may need.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As the kernel's documentation calls it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it allows, as far as it is needed here.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }
        }
    };
}

privileges! {
    Chown = "CAP_CHOWN": "to give new files to the owner of the one they belong to",
    DacOverride = "CAP_DAC_OVERRIDE": "to write files and control groups of others",
    DacReadSearch = "CAP_DAC_READ_SEARCH": "to read files of others",
    Fowner = "CAP_FOWNER": "to remove files of others from shared folders",
    Kill = "CAP_KILL": "to signal processes of others",
    NetAdmin = "CAP_NET_ADMIN": "to change a network",
    NetBindService = "CAP_NET_BIND_SERVICE": "to take ports below 1024",
    NetRaw = "CAP_NET_RAW": "to send an ICMP echo",
    SetUid = "CAP_SETUID": "to look as another user sees it",
    SysAdmin = "CAP_SYS_ADMIN": "to enter a network, and to freeze and thaw file systems",
    SysNice = "CAP_SYS_NICE": "to move processes of others between control groups",
    SysPtrace = "CAP_SYS_PTRACE": "to see the networks and sockets of processes that have more privileges",
    SysResource = "CAP_SYS_RESOURCE": "to set limits of processes of others, and to give back hard ones",
}

impl std::fmt::Display for Privilege {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Some of them.
pub type Privileges = BTreeSet<Privilege>;

/// The words, for people.
#[must_use]
pub fn listed(privileges: &Privileges) -> String {
    if privileges.is_empty() {
        return "none".to_owned();
    }
    privileges.iter().map(|one| one.word()).collect::<Vec<_>>().join(", ")
}
