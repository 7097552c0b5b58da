//! `--cgroup` for packets: a control group and those below it.

use std::fs;

use super::client::Client;
use super::packets::Two;
use crate::Host;
use crate::group::{self, TestGroup};
use crate::stage::Link;

/// The words that run a shell line in a network and a control group.
fn in_group(link: &Link, group: &TestGroup) -> Vec<String> {
    let mut words = link.entered();
    let folders = group.folders();
    let enter = folders.iter().map(|one| format!("echo $$ >{}/cgroup.procs && ", one.display()));
    let line = format!("{}eval \"$0\"", enter.collect::<String>());
    words.extend(["sh", "-c", &line].map(str::to_owned));
    words
}

/// A control group of the tree by which packets are told.
fn unified(path: &str) -> TestGroup {
    let unified = group::hierarchies(&["freezer"]).into_iter().find(|one| one.version == 2);
    TestGroup::within(&unified.expect("cgroup v2 is mounted"), path)
}

fn name(word: &str) -> String {
    format!("ds{}-{word}", std::process::id())
}

#[test]
fn every_kind_hurts_one_group_of_two() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let (one, two) = (name("one"), name("two"));
    let (group, other) = (unified(&format!("{one}/below")), unified(&two));
    let hurt = Client::start(host.place.path(), "hurt", &in_group(&link, &group));
    let other = (Client::start(host.place.path(), "other", &in_group(&link, &other)), other);
    let within = link.entered();
    Two { host: &host, within: &within, aim: ["--cgroup", &one], hurt: &hurt, other: &other.0 }.every_kind();
    drop((hurt, other.0));
    assert_eq!(link.snapshot(), before);
    host.is_clean("at the end");
}

#[test]
fn a_group_of_the_same_name_that_comes_later_is_another_one() {
    let (host, link) = (Host::new(), Link::new());
    let path = name("again");
    let group = unified(&path);
    let folder = group.folders().remove(0);
    let (other, within) = (Client::start(host.place.path(), "other", &link.shell()), link.entered());
    for kind in ["partition", "socket-kill"] {
        let hurt = Client::start(host.place.path(), &format!("{kind}-before"), &in_group(&link, &group));
        let aim = ["--cgroup", path.as_str()];
        Two { host: &host, within: &within, aim, hurt: &hurt, other: &other }.begin(&[kind]);
        let word = hurt.say();
        assert!(other.is_heard() && !hurt.heard(&word), "{kind}");
        drop(hurt);
        super::until("the group is empty", || fs::remove_dir(&folder).is_ok());
        fs::create_dir(&folder).expect("root may make groups");
        let later = Client::start(host.place.path(), &format!("{kind}-after"), &in_group(&link, &group));
        assert!(later.is_heard() && later.ended() == 0, "{kind}: nobody meant this one");
        Two { host: &host, within: &within, aim, hurt: &later, other: &other }.end();
        drop(later);
    }
    drop(other);
    host.is_clean("at the end");
}
