//! A Docker daemon of the test's own, with its containerd: in namespaces that end with it, and with everything it keeps in
//! the test's folder. Its containers are the only ones below its control group.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use deadstick_faults::cgroup;

use super::{image, remove_groups, until};
use crate::Host;
use crate::stage::{Link, ok};
use crate::support::Ran;

/// The words for a program that ends when its container is asked to.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

pub(crate) struct Engine<'a> {
    link: &'a Link,
    folder: PathBuf,
    daemon: Child,
    networks: std::cell::Cell<u8>,
}

impl<'a> Engine<'a> {
    /// Starts it in the network at the near end of a link.
    pub(crate) fn new(host: &Host, link: &'a Link) -> Self {
        let folder = host.place.path().join("docker");
        image(&folder);
        let (words, shown) = (link.entered(), folder.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["unshare", "--mount", "--pid", "--fork", "--kill-child"]);
        // What it keeps in /run is nobody else's business, and goes with it.
        let alone = "mount -t tmpfs tmpfs /run && exec dockerd \"$@\"";
        command.args(["--mount-proc", "sh", "-c", alone, "sh", "--bridge=none", "--iptables=false"]);
        command.args(["--ip6tables=false", &format!("--cgroup-parent=/{}", link.near)]);
        for (option, value) in [("host", "unix://"), ("data-root", ""), ("exec-root", ""), ("pidfile", "")] {
            command.arg(format!("--{option}={value}{shown}/{option}"));
        }
        let log = fs::File::create(folder.join("log")).expect("ours");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let daemon = command.process_group(0).spawn().expect("it starts");
        let engine = Self { link, folder, daemon, networks: std::cell::Cell::new(0) };
        until("docker answers", || engine.docker(&["version"]).code == Some(0));
        let image =
            format!("tar -C '{shown}/image' -c . | docker --host=unix://{shown}/host import - test:1");
        ok(&["sh", "-c", &image]);
        engine
    }

    fn docker(&self, words: &[&str]) -> Ran {
        let mut command = Command::new("docker");
        command.arg(format!("--host=unix://{}/host", self.folder.display())).args(words);
        Ran::of(&command.stdin(Stdio::null()).output().expect("tests/run installs it"))
    }

    /// Runs docker to its good end, and gives the one line it says.
    pub(crate) fn good(&self, words: &[&str]) -> String {
        let ran = self.docker(words);
        assert_eq!(ran.code, Some(0), "docker {words:?}: {}{}", ran.out, ran.err);
        ran.out.trim().to_owned()
    }

    /// A container that runs a script and may use the test's folder; its id.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> String {
        let place = self.folder.parent().expect("it is in the place").display().to_string();
        let volume = format!("--volume={place}:{place}");
        self.good(&[&["run", "--detach", &volume], options, &["test:1"], &SHELL, &[script]].concat())
    }

    /// The same with a network of its own, on a link to the server at the far end.
    pub(crate) fn run_apart(&self, options: &[&str], script: &str) -> String {
        let id = self.run(&[&["--network=none"], options].concat(), script);
        self.connect(&id);
        id
    }

    /// Gives a container that has just been started its link.
    pub(crate) fn connect(&self, id: &str) {
        let number = self.networks.get() + 1;
        self.networks.set(number);
        let (device, address) = (format!("dsc{number}"), format!("10.0.0.{}", 10 + number));
        let far = self.link.far.as_str();
        let inside = format!("--net=/proc/{}/ns/net", self.first(id));
        let add = ["ip", "-n", far, "link", "add", &device, "type", "veth", "peer", "name", "eth0"];
        ok(&[&add[..], &["netns", &self.first(id)]].concat());
        ok(&["ip", "-n", far, "link", "set", &device, "up"]);
        ok(&["ip", "-n", far, "route", "add", &address, "dev", &device]);
        ok(&["nsenter", &inside, "ip", "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        ok(&["nsenter", &inside, "ip", "link", "set", "eth0", "up"]);
    }

    /// The number of its first process, as the machine outside has it.
    pub(crate) fn first(&self, id: &str) -> String {
        let mut first = None;
        until("the container has a process", || {
            let all = self.value(id, &["cgroup.procs"]);
            first = all.lines().next().map(str::to_owned);
            first.is_some()
        });
        first.expect("it was seen")
    }

    /// A file of a container's control group, from whichever hierarchy has one.
    pub(crate) fn value(&self, id: &str, files: &[&str]) -> String {
        let folders = self.groups().into_iter().map(|one| one.join(id));
        let paths = folders.flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        let mut found = paths.filter_map(|path| fs::read_to_string(path).ok());
        found.next().unwrap_or_else(|| panic!("{id} has none of {files:?}")).trim().to_owned()
    }

    /// A container that containerd runs without Docker, under an id that the test chooses.
    pub(crate) fn run_as(&self, id: &str, group: &str) {
        let socket = self.folder.join("exec-root/containerd/containerd.sock").display().to_string();
        let group = format!("--cgroup=/{}/{group}", self.link.near);
        let image = self.folder.join("image").display().to_string();
        let ctr = ["ctr", "--address", &socket, "run", "--detach", "--null-io", "--rootfs", &group];
        ok(&[&ctr[..], &[&image, id], &SHELL, &["sleep 600"]].concat());
    }

    /// What all of its containers are below, in each hierarchy.
    fn groups(&self) -> Vec<PathBuf> {
        let hierarchies = cgroup::hierarchies().expect("they can be read");
        hierarchies.iter().map(|one| one.mount.join(&self.link.near)).collect()
    }
}

impl Drop for Engine<'_> {
    #[expect(clippy::print_stderr, reason = "what the daemon says goes with its folder")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
        }
        // The first process of its namespace goes with this one, and all others with that.
        drop(self.daemon.kill());
        drop(self.daemon.wait());
        remove_groups(&self.groups());
    }
}
