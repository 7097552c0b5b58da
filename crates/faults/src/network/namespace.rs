//! Entering a network namespace for the length of one function.
//!
//! Owns the thread that does it. A namespace is a property of a thread: the function runs on a fresh thread that ends
//! with it, so no thread of a pool is ever left in a foreign network.

use std::fs::{self, File};
use std::io;
use std::os::linux::fs::MetadataExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use deadstick_core::identity::{NamedNetwork, NetworkIdentity, NetworkWay};
use nix::sched::{CloneFlags, setns};

use crate::process::{self, ProcessError};

/// Where `ip netns` keeps networks by name.
const NAMES: &str = "/run/netns";
/// The network of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network that could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// What stood for it has ended, or stands for another one now.
    #[error("{0} is gone")]
    Gone(NetworkIdentity),
    /// The kernel refused.
    #[error("cannot enter {network}: {source}")]
    Enter {
        /// Which.
        network: NetworkIdentity,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Nobody has given this name to a network.
    #[error("there is no network named {name}; {}", known(.others))]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        others: Vec<String>,
    },
    /// It has a name and is no network.
    #[error("{path} cannot be a network: {source}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `/proc` did not say.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fn known(others: &[String]) -> String {
    if others.is_empty() {
        "`ip netns list` shows none".to_owned()
    } else {
        format!("there are {}", others.join(", "))
    }
}

/// The network that `ip netns` knows by this name, whether a process lives in it or not.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<NetworkIdentity, NetworkError> {
    let unknown = || NetworkError::Unknown { name: name.to_owned(), others: names() };
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(unknown());
    }
    let path = Path::new(NAMES).join(name);
    match File::open(&path).and_then(|file| Ok((is_namespace(&file)?, inode_of(&file)?))) {
        Ok((true, inode)) => {
            let boot = process::boot_id()?;
            Ok(NetworkIdentity { way: NetworkWay::Named(NamedNetwork { path, boot }), inode })
        }
        // The mount point stays for a moment, or for ever, when the namespace is gone.
        Ok((false, _)) => {
            let source = io::Error::other("it is an ordinary file");
            Err(NetworkError::Unusable { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown()),
        Err(source) => Err(NetworkError::Unusable { path, source }),
    }
}

/// The network that this program runs in: the machine's own, unless it was started in another one.
///
/// # Errors
/// `/proc` cannot be read.
pub fn host() -> Result<NetworkIdentity, NetworkError> {
    let own = process::network_of(std::process::id())?;
    // The first process outlives everybody; who may not look at it, or is elsewhere, stands for the network itself.
    let first = process::network_of(1).ok().filter(|first| first.inode == own.inode);
    Ok(first.unwrap_or(own))
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn is_namespace(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == libc::NSFS_MAGIC)
}

fn inode_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.st_ino())
}

/// An open network namespace: it can be entered even when what stood for it has ended.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    network: NetworkIdentity,
}

impl Namespace {
    /// Opens it, if it still is the one that the identity names.
    ///
    /// # Errors
    /// It is gone, or may not be opened.
    pub fn open(network: &NetworkIdentity) -> Result<Self, NetworkError> {
        let gone = || NetworkError::Gone(network.clone());
        let failed = |source| NetworkError::Enter { network: network.clone(), source };
        let file = File::open(network.path()).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => gone(),
            _ => failed(source),
        })?;
        let is_it = is_namespace(&file).map_err(failed)? && inode_of(&file).map_err(failed)? == network.inode;
        // Looked at after opening: a recycled pid cannot slip in between.
        let stands = match &network.way {
            NetworkWay::Holder(process) => process::is_alive(process),
            NetworkWay::Named(named) => process::boot_id()? == named.boot,
        };
        if is_it && stands { Ok(Self { file, network: network.clone() }) } else { Err(gone()) }
    }

    /// Opens it for an undo: when what stood for it has ended, by a process that lives in it, or by another name.
    ///
    /// The number of a namespace may be used again, so this is only for looking for, and removing, what carries our mark.
    ///
    /// # Errors
    /// No process lives in it any more and it has no name, or it may not be opened.
    pub fn find(network: &NetworkIdentity) -> Result<Self, NetworkError> {
        let gone = match Self::open(network) {
            Err(gone @ NetworkError::Gone(_)) => gone,
            other => return other,
        };
        if process::boot_id().is_ok_and(|boot| boot != network.boot()) {
            return Err(gone);
        }
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // Processes end while they are looked at: those that cannot be read are passed over, as are broken names.
        let others = pids.filter_map(|pid| process::network_of(pid).ok());
        let named = names().into_iter().filter_map(|name| named(&name).ok());
        let another = others.chain(named).find(|other| other.inode == network.inode);
        another.map_or(Err(gone), |another| Self::open(&another))
    }

    /// Runs a function inside, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// The kernel does not let us in, or gives no thread.
    pub fn run<R: Send>(&self, function: impl FnOnce() -> R + Send) -> Result<R, NetworkError> {
        let failed = |source| NetworkError::Enter { network: self.network.clone(), source };
        thread::scope(|scope| {
            let inside =
                thread::Builder::new().name("deadstick-netns".to_owned()).spawn_scoped(scope, || {
                    self.settle()?;
                    Ok(function())
                });
            match inside.map_err(failed)?.join() {
                Ok(result) => result,
                Err(payload) => panic::resume_unwind(payload),
            }
        })
    }

    /// Moves the calling thread inside for good: for a thread of ours that lives and ends there.
    pub(crate) fn settle(&self) -> Result<(), NetworkError> {
        // Being there already needs no right to enter.
        if fs::metadata(OWN).is_ok_and(|own| own.st_ino() == self.network.inode) {
            return Ok(());
        }
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| NetworkError::Enter { network: self.network.clone(), source: errno.into() })
    }
}

/// Runs a function inside a network, on a thread of its own, and waits for it.
///
/// # Errors
/// The network is gone, or cannot be entered.
pub fn enter<R: Send>(
    network: &NetworkIdentity,
    function: impl FnOnce() -> R + Send,
) -> Result<R, NetworkError> {
    Namespace::open(network)?.run(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_network_is_entered_by_whoever_lives_in_it() {
        let host = host().expect("its own network");
        let own = fs::metadata(OWN).expect("readable").st_ino();
        assert_eq!(host.inode, own);
        let inside = enter(&host, || fs::metadata(OWN).expect("readable").st_ino()).expect("entered");
        assert_eq!(inside, own);
        let later = NetworkIdentity { inode: own + 1, ..host };
        assert!(matches!(enter(&later, || ()), Err(NetworkError::Gone(_))));
    }

    #[test]
    fn names_that_are_none_are_said() {
        for name in ["", ".", "..", "../../proc/1/ns/net", "no-such-network"] {
            let error = named(name).expect_err("no such name").to_string();
            assert!(error.contains("no network named"), "{error}");
        }
    }
}
