//! The user namespace in which a lab with networks of its own runs without root.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use crate::LabError;

/// Whether this process may make namespaces as it is. If not, a lab with hosts of its own needs
/// [`enter_user_namespace`] first.
#[must_use]
pub fn may_make_namespaces() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Puts this process into a user namespace of its own, in which it keeps its user and group and has every capability;
/// programs that it starts keep them too. The same as `unshare --user --map-current-user --keep-caps`.
///
/// Must be called before the process has a second thread.
///
/// # Errors
/// [`LabError::NotPermitted`] where the kernel or its policy forbids user namespaces, or when there are threads already.
pub fn enter_user_namespace() -> Result<(), LabError> {
    let (user, group) = (geteuid(), getegid());
    let refused = |detail: &dyn std::fmt::Display| LabError::not_permitted("make a user namespace", detail);
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| refused(&e))?;
    let write = |file: &str, text: String| {
        fs::write(file, text).map_err(|e| LabError::not_permitted("map this user into its user namespace", e))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    keep_capabilities().map_err(|e| LabError::not_permitted("keep capabilities in the user namespace", e))
}

/// Makes every capability that this process has inheritable and ambient, so that an unprivileged user's exec keeps it.
fn keep_capabilities() -> rustix::io::Result<()> {
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: sets.permitted, ..sets })?;
    for capability in sets.permitted.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}
