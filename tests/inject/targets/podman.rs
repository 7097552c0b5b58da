//! Containers of podman, which has no daemon: in namespaces that end with the value, and with everything it keeps in the
//! test's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use deadstick_faults::cgroup;

use super::client::Client;
use super::packets::Two;
use super::{image, remove_groups, until};
use crate::Host;
use crate::stage::{Link, ok};

struct Podman<'a> {
    link: &'a Link,
    folder: PathBuf,
    /// The first process of the namespaces goes with this one.
    keeper: Child,
    inside: String,
}

impl<'a> Podman<'a> {
    fn new(host: &Host, link: &'a Link) -> Self {
        let folder = host.place.path().join("podman");
        image(&folder);
        let words = link.entered();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["unshare", "--mount", "--pid", "--fork", "--kill-child"]);
        // What it keeps in /run is nobody else's business, and goes with it.
        let alone = format!("mount -t tmpfs tmpfs /run && touch {}/up && exec sleep 3600", folder.display());
        command.args(["--mount-proc", "sh", "-c", &alone]).stdin(Stdio::null());
        let keeper = command.spawn().expect("it starts");
        let children = format!("/proc/{0}/task/{0}/children", keeper.id());
        let mut podman = Self { link, folder, keeper, inside: String::new() };
        until("its namespaces are there", || podman.folder.join("up").exists());
        let first = fs::read_to_string(children).expect("it lives");
        podman.inside = format!("--target={}", first.trim());
        podman
    }

    /// A container that runs a script and may use the test's folder; its id.
    fn run(&self, script: &str) -> String {
        let own = |name: &str| format!("--{name}={}", self.folder.join(name).display());
        let place = self.folder.parent().map(Path::display).expect("it is in the place").to_string();
        let enter = ["nsenter", &self.inside, "--mount", "--pid", "--net", "podman"];
        let keep =
            [&own("root"), &own("runroot"), &own("tmpdir"), "--events-backend=none"].map(str::to_owned);
        let keep = keep.each_ref().map(String::as_str);
        let how =
            ["--cgroup-manager=cgroupfs", "--runtime=/usr/sbin/runc", "run", "--detach", "--log-driver=none"];
        let group = format!("--cgroup-parent=/{}", self.link.near);
        let (volume, image) = (format!("--volume={place}:{place}"), own("image").replace("--image=", ""));
        let what = ["--network=host", &group, &volume, "--rootfs", &image, "/bin/sh", "-c", script];
        ok(&[&enter[..], &keep, &how, &what].concat()).trim().to_owned()
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // One that has ended already is only reaped.
        drop(self.keeper.kill());
        drop(self.keeper.wait());
        let hierarchies = cgroup::hierarchies().expect("they can be read");
        remove_groups(&hierarchies.iter().map(|one| one.mount.join(&self.link.near)).collect::<Vec<_>>());
    }
}

#[test]
fn one_container_of_two_is_hurt_and_its_monitor_is_not() {
    let (host, link) = (Host::new(), Link::new());
    let podman = Podman::new(&host, &link);
    let (hurt, other) = (Client::new(host.place.path(), "hurt"), Client::new(host.place.path(), "other"));
    let id = podman.run(&hurt.script);
    podman.run(&other.script);
    assert!(hurt.is_heard() && other.is_heard());
    let within = link.entered();
    let aim = ["--container", &id[..12]];
    let two = Two { host: &host, within: &within, aim, hurt: &hurt, other: &other };
    two.silent("partition");
    two.ends("socket-kill");
    two.silent_by(&["pause"]);
    drop(podman);
    host.is_clean("at the end");
}
