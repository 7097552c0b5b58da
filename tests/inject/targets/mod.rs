//! Every way to name a target, tried with the real thing: of two programs that talk over one network, the one that is
//! named is hurt, and the other one is not.
//!
//! [`client`] is such a program, [`packets`] what is done to it; then the ways: [`users`] and [`groups`] of this machine,
//! [`units`] of a systemd on a [`machine`] of its own, which also boots again ([`boot`]), and [`containers`] of a real
//! Docker and containerd ([`engine`]) and of [`podman`].

mod boot;
mod client;
mod containers;
mod engine;
mod groups;
mod machine;
mod packets;
mod podman;
mod units;
mod users;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take that must come at all.
const LONG: Duration = Duration::from_secs(60);

/// Waits for something to become so; fails the test when it does not.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "never so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes a folder whose `image` is all that a container has: a shell, with what it runs.
fn image(folder: &Path) {
    for one in ["", "image", "image/bin", "image/dev", "image/etc", "image/proc", "image/sys", "image/tmp"] {
        fs::create_dir(folder.join(one)).expect("the folder is ours");
    }
    let busybox = crate::stage::ok(&["sh", "-c", "command -v busybox"]);
    fs::copy(busybox.trim(), folder.join("image/bin/busybox")).expect("tests/run installs it");
    fs::hard_link(folder.join("image/bin/busybox"), folder.join("image/bin/sh")).expect("ours");
}

/// Removes control groups and all below them, once their processes are gone.
fn remove_groups(groups: &[std::path::PathBuf]) {
    let began = Instant::now();
    while groups.iter().filter(|group| !remove_group(group)).count() > 0 {
        if began.elapsed() > LONG {
            assert!(std::thread::panicking(), "control groups stay: {groups:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether it is gone.
fn remove_group(group: &Path) -> bool {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&below.path());
        }
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}
