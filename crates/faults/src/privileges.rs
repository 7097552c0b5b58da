//! Least privilege: what a process or thread of ours keeps; everything else it gives up for good.
//!
//! Owns the system calls. What is needed for what is in core's two tables, by kind of fault and by kind of undo. The
//! kernel keeps privileges for each thread: what is given up here is given up by the calling thread and by those that it
//! starts from then on, so a process calls this before it has others. A kernel that refuses takes nothing from anybody's
//! fault: what was refused is said, and the work goes on.

use std::fs;
use std::path::Path;

use deadstick_core::privilege::{Privilege, Privileges, listed};
use rustix::fs::{Access, access};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_ambient_set, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Whom the caller starts afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heirs {
    /// Nobody who needs more: the bounding set is narrowed, too.
    Nobody,
    /// Processes of deadstick, which keep no more than the caller does and narrow themselves further. The bounding set
    /// stays: a program with privileges of its own in its file would not start below a smaller one.
    Ours,
    /// Programs that people name: what root starts has again what root has.
    Anybody,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What the caller has now, of all that anything here may need.
    pub privileges: Privileges,
    /// What the kernel did not let it give up, and why.
    pub refused: Vec<String>,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&listed(&self.privileges))?;
        if self.refused.is_empty() { Ok(()) } else { write!(f, " ({})", self.refused.join("; ")) }
    }
}

/// Keeps of the calling thread's privileges those that are wanted, as far as it has them, and gives up the rest.
#[must_use]
pub fn keep(wanted: &Privileges, heirs: Heirs) -> Kept {
    let mut refused = Vec::new();
    let mut done = |what: &str, result: rustix::io::Result<()>| {
        if let Err(errno) = result {
            refused.push(format!("{what}: {}", std::io::Error::from(errno)));
        }
    };
    let mut set: CapabilitySet = wanted.iter().map(|one| bit(*one)).collect();
    if !wanted.is_empty() && hides_processes() {
        // A process that cannot be seen would be taken for one that has ended.
        set |= CapabilitySet::SYS_PTRACE;
    }
    match heirs {
        Heirs::Nobody => {
            let over = bounding().difference(set).iter().map(remove_capability_from_bounding_set);
            let narrowed = over.fold(Ok(()), std::result::Result::and);
            // It bounds what programs could give; who has nothing, and starts none that could, lacks nothing.
            let has_nothing = capabilities(None).is_ok_and(|sets| sets.permitted.is_empty());
            done("the bounding set stays", if has_nothing { Ok(()) } else { narrowed });
            done("the ambient set stays", clear_ambient_capability_set());
        }
        // To narrow a bounding set takes a privilege itself.
        Heirs::Ours => set |= CapabilitySet::SETPCAP,
        // What they start with would be lost to them, and comes back with no file.
        Heirs::Anybody if is_ambient() => {
            return Kept {
                privileges: held(),
                refused: vec!["the programs it starts have their privileges from it".to_owned()],
            };
        }
        Heirs::Anybody => {}
    }
    let narrowed = capabilities(None).and_then(|CapabilitySets { effective, permitted, inheritable }| {
        let inheritable = if heirs == Heirs::Nobody { CapabilitySet::empty() } else { inheritable & set };
        let sets = CapabilitySets { effective: effective & set, permitted: permitted & set, inheritable };
        set_capabilities(None, sets)
    });
    done("its privileges stay", narrowed);
    if heirs != Heirs::Anybody {
        done("programs it starts may have more", set_no_new_privs(true));
    }
    Kept { privileges: held(), refused }
}

/// Gives up everything, for threads and processes that need nothing any more.
pub fn keep_none() {
    // What is refused here is refused everywhere, and said once by whoever asks `trial`.
    drop(keep(&Privileges::new(), Heirs::Nobody));
}

/// What would come of keeping these, tried on a thread made for it.
#[must_use]
pub fn trial(wanted: &Privileges) -> Kept {
    on_a_thread(|| keep(wanted, Heirs::Nobody)).unwrap_or_else(|| Kept {
        privileges: held(),
        refused: vec!["no thread could be made to try".to_owned()],
    })
}

/// What the calling thread has, of all that anything here may need.
#[must_use]
pub fn held() -> Privileges {
    // Without an answer it has what is needed for all one knows; it is only told, and nothing depends on it.
    let held = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    Privilege::ALL.iter().copied().filter(|one| held.contains(bit(*one))).collect()
}

/// Whether the calling thread may write to what is at a path, with the privileges it has.
///
/// # Errors
/// Why not.
pub fn may_write(path: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::accessat(rustix::fs::CWD, path, Access::WRITE_OK, rustix::fs::AtFlags::EACCESS)?)
}

/// Whether this user may write to a path, or to the folder in which it would be made, without any privilege.
#[must_use]
pub fn may_write_without(path: &Path) -> bool {
    may_without(path, Access::WRITE_OK)
}

/// Whether this user may start a program without any privilege.
#[must_use]
pub fn may_start_without(program: &Path) -> bool {
    may_without(program, Access::EXEC_OK)
}

fn may_without(path: &Path, what: Access) -> bool {
    on_a_thread(|| {
        // On a thread of its own: what is given up here is wanted again.
        keep_none();
        let there = path.ancestors().find(|one| one.exists() || fs::symlink_metadata(one).is_ok());
        there.is_some_and(|there| access(there, what).is_ok())
    })
    .unwrap_or(false)
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}

fn bounding() -> CapabilitySet {
    bits().filter(|one| capability_is_in_bounding_set(*one).unwrap_or(false)).collect()
}

fn is_ambient() -> bool {
    bits().any(|one| capability_is_in_ambient_set(one).unwrap_or(false))
}

/// Everything that this kernel may know, whatever this program does.
fn bits() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

/// Whether `/proc` shows processes only to those who may trace them.
fn hides_processes() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter(|line| line.contains(" /proc ")).any(|line| {
        let option = line.split([' ', ',']).find_map(|word| word.strip_prefix("hidepid="));
        option.is_some_and(|value| !matches!(value, "0" | "off"))
    })
}

const fn bit(privilege: Privilege) -> CapabilitySet {
    match privilege {
        Privilege::Chown => CapabilitySet::CHOWN,
        Privilege::DacOverride => CapabilitySet::DAC_OVERRIDE,
        Privilege::DacReadSearch => CapabilitySet::DAC_READ_SEARCH,
        Privilege::Fowner => CapabilitySet::FOWNER,
        Privilege::Kill => CapabilitySet::KILL,
        Privilege::NetAdmin => CapabilitySet::NET_ADMIN,
        Privilege::NetBindService => CapabilitySet::NET_BIND_SERVICE,
        Privilege::NetRaw => CapabilitySet::NET_RAW,
        Privilege::SetUid => CapabilitySet::SETUID,
        Privilege::SysAdmin => CapabilitySet::SYS_ADMIN,
        Privilege::SysNice => CapabilitySet::SYS_NICE,
        Privilege::SysPtrace => CapabilitySet::SYS_PTRACE,
        Privilege::SysResource => CapabilitySet::SYS_RESOURCE,
    }
}
