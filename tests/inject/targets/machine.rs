//! A machine of its own with a real systemd as its first process: namespaces for processes, mounts, control groups and
//! names, in the network at the near end of a link. What it may write is the test's own folder; it can lose its power and
//! boot again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use deadstick_faults::cgroup;

use super::{LONG, remove_groups, until};
use crate::Host;
use crate::stage::Link;
use crate::support::Ran;

/// The targets that a boot goes through, as the distribution has them.
const TARGETS: [&str; 11] = [
    "basic",
    "local-fs",
    "multi-user",
    "network",
    "network-online",
    "paths",
    "shutdown",
    "slices",
    "sockets",
    "sysinit",
    "timers",
];
/// Where the distribution has them.
const LIBRARY: &str = "/lib/systemd/system";

pub(crate) struct Machine<'a> {
    host: &'a Host,
    link: &'a Link,
    /// Its control group in each hierarchy, and in each a group for who comes in from outside.
    groups: Vec<PathBuf>,
    power: Option<Child>,
    /// Stays in the group of who comes in: systemd removes empty ones.
    keeper: Option<Child>,
    /// Its first process, seen from outside.
    first: u32,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(host: &'a Host, link: &'a Link) -> Self {
        let place = host.place.path();
        for folder in ["etc", "lib", "none"] {
            fs::create_dir(place.join(folder)).expect("the folder is ours");
        }
        for target in TARGETS {
            let file = format!("{target}.target");
            fs::copy(Path::new(LIBRARY).join(&file), place.join("lib").join(&file))
                .unwrap_or_else(|error| panic!("{LIBRARY}/{file}: {error}; tests/run installs systemd"));
        }
        let hierarchies = cgroup::hierarchies().expect("they can be read");
        let groups = hierarchies.iter().map(|one| one.mount.join(&link.near)).collect();
        let mut machine = Self { host, link, groups, power: None, keeper: None, first: 0 };
        machine.boot();
        machine
    }

    /// Switches it on, and waits until it is up.
    pub(crate) fn boot(&mut self) {
        for group in &self.groups {
            for folder in [group.clone(), group.join("tester")] {
                fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
                inherit(&folder);
            }
        }
        let line = format!("{}exec sleep 3600", self.enter());
        let keeper = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).spawn();
        self.keeper = Some(keeper.expect("it starts"));
        until("it is kept", || {
            let last = self.groups.last().map(|last| last.join("tester/cgroup.procs"));
            last.is_none_or(|file| fs::read_to_string(file).is_ok_and(|text| !text.is_empty()))
        });
        let words = self.link.entered();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork"]);
        command.args(["--mount-proc", "--kill-child", "sh", "-c", include_str!("machine.sh"), "sh"]);
        command.arg(self.host.place.path()).args(&self.groups).stdin(Stdio::null());
        let power = command.spawn().expect("it starts");
        let children = format!("/proc/{0}/task/{0}/children", power.id());
        self.power = Some(power);
        until("it has a first process", || {
            let first = fs::read_to_string(&children).unwrap_or_default();
            self.first = first.trim().parse().unwrap_or(0);
            self.first != 0
        });
        let began = std::time::Instant::now();
        loop {
            let ran = self.try_run(&["systemctl", "is-system-running"]);
            if ran.out.trim() == "running" {
                return;
            }
            assert!(began.elapsed() < LONG, "it is not up: {}{}", ran.out, ran.err);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// What a shell does first to belong to those who come in.
    fn enter(&self) -> String {
        self.groups.iter().map(|one| format!("echo 0 >{}/tester/cgroup.procs && ", one.display())).collect()
    }

    /// The words that run a program in it.
    pub(crate) fn inside(&self) -> Vec<String> {
        let namespaces = "--pid --mount --cgroup --net --uts --ipc";
        let line = format!("{}exec nsenter --target={} {namespaces} \"$@\"", self.enter(), self.first);
        ["sh", "-c", &line, "sh"].map(str::to_owned).to_vec()
    }

    fn try_run(&self, words: &[&str]) -> Ran {
        let inside = self.inside();
        let mut command = Command::new(&inside[0]);
        command.args(&inside[1..]).args(words).stdin(Stdio::null());
        Ran::of(&command.output().expect("it starts"))
    }

    /// Runs a program in it, to its good end.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let ran = self.try_run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// Injects a fault in it.
    pub(crate) fn inject(&self, words: &[&str]) -> Ran {
        self.host.run_within(&self.inside(), &self.host.args(words))
    }

    /// The program in it with other words.
    pub(crate) fn deadstick(&self, words: &[&str]) -> Ran {
        self.host.run_within(&self.inside(), words)
    }

    /// Writes a unit that runs a shell script again whenever it ends, and starts it.
    pub(crate) fn serve(&self, unit: &str, script: &str, more: &str) {
        let file = self.host.place.file(&format!("{unit}.sh"), script);
        let text = format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh {file}\nRestart=always\n\
             RestartSec=100ms\nTimeoutStopSec=1s\n{more}\n"
        );
        fs::write(self.host.place.path().join("etc").join(format!("{unit}.service")), text).expect("ours");
        self.run(&["systemctl", "daemon-reload"]);
        self.run(&["systemctl", "start", unit]);
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        let property = format!("--property={name}");
        self.run(&["systemctl", "show", "--value", &property, unit]).trim().to_owned()
    }

    /// A file of a unit's control group, from whichever hierarchy has one.
    pub(crate) fn value(&self, unit: &str, files: &[&str]) -> String {
        let group = self.property(unit, "ControlGroup");
        let folders = self.groups.iter().map(|one| one.join(group.trim_start_matches('/')));
        let paths = folders.flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        let mut found = paths.filter_map(|path| fs::read_to_string(path).ok());
        found.next().unwrap_or_else(|| panic!("{unit} has none of {files:?}")).trim().to_owned()
    }

    /// Takes its power away: every process is gone at once, and nothing is left of its control groups.
    pub(crate) fn cut_power(&mut self) {
        for mut process in self.power.take().into_iter().chain(self.keeper.take()) {
            // One that has ended already is only reaped.
            drop(process.kill());
            drop(process.wait());
        }
        remove_groups(&self.groups);
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        self.cut_power();
    }
}

/// A new group of the old `cpuset` hierarchy takes no process before it has processors.
fn inherit(folder: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let above = folder.parent().map(|above| fs::read_to_string(above.join(file)));
        if let (Some(Ok(value)), true) = (above, folder.join("tasks").exists()) {
            fs::write(folder.join(file), value.trim()).expect("root may write it");
        }
    }
}
