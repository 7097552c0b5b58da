//! `--container`: real ones of Docker and of containerd, by their ids. Packets are told by the container's network, or by
//! its control group where it shares the machine's; processes by its control group.

use super::client::Client;
use super::engine::Engine;
use super::packets::Two;
use super::until;
use crate::Host;
use crate::stage::Link;

const IDLE: &str = "while :; do sleep 0.1; done";

/// Two clients in containers, and how the first one's is called.
fn clients<'a>(
    host: &Host,
    engine: &Engine<'a>,
    start: impl Fn(&Engine<'a>, &str) -> String,
) -> (Client, Client, String) {
    let (hurt, other) = (Client::new(host.place.path(), "hurt"), Client::new(host.place.path(), "other"));
    let id = start(engine, &hurt.script);
    start(engine, &other.script);
    assert!(hurt.is_heard() && other.is_heard());
    (hurt, other, id)
}

#[test]
fn with_a_network_of_its_own_one_container_of_two_is_hurt() {
    let (host, link) = (Host::new(), Link::new());
    let engine = Engine::new(&host, &link);
    let (hurt, other, id) = clients(&host, &engine, |engine, script| engine.run_apart(&[], script));
    let aim = ["--container", &id[..12]];
    let two = Two { host: &host, within: &[], aim, hurt: &hurt, other: &other };
    two.every_kind();
    two.silent_by(&["vanish"]);
    two.silent_by(&["pause"]);
    drop(engine);
    host.is_clean("at the end");
}

#[test]
fn in_a_shared_network_one_container_of_two_is_hurt() {
    let (host, link) = (Host::new(), Link::new());
    let before = link.snapshot();
    let engine = Engine::new(&host, &link);
    let (hurt, other, id) = clients(&host, &engine, |engine, script| engine.run(&["--network=host"], script));
    let within = link.entered();
    let two = Two { host: &host, within: &within, aim: ["--container", &id], hurt: &hurt, other: &other };
    two.every_kind();
    let ran = host.run_within(&within, &host.args(&["vanish", "--container", &id, "--for", "3s"]));
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("vanish as a whole"), "{}", ran.err);
    drop(engine);
    assert_eq!(link.snapshot(), before);
    host.is_clean("at the end");
}

#[test]
fn its_limits_come_back_byte_for_byte() {
    let (host, link) = (Host::new(), Link::new());
    let engine = Engine::new(&host, &link);
    let id = engine.run(&["--network=none"], IDLE);
    let cpu = ["cpu.max", "cpu.cfs_quota_us"];
    let memory = ["memory.max", "memory.limit_in_bytes"];
    let before = (engine.value(&id, &cpu), engine.value(&id, &memory));
    for (words, files, during) in [
        (["cpu-limit", "--cpus", "0.1"], cpu, ["10000 100000", "10000"]),
        (["memory-limit", "--memory", "32MiB"], memory, ["33554432", "33554432"]),
    ] {
        let ran = host.inject(&[&words[..], &["--container", &id[..8], "--for", "1h", "--detach"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        let now = engine.value(&id, &files);
        assert!(during.contains(&now.as_str()), "{words:?}: {now}");
        assert_eq!(host.place.run(&["restore", "--all"]).code, Some(0), "{words:?}");
    }
    assert_eq!((engine.value(&id, &cpu), engine.value(&id, &memory)), before);
    drop(engine);
    host.is_clean("at the end");
}

#[test]
fn it_is_killed_once_or_whenever_docker_starts_it_again() {
    let (host, link) = (Host::new(), Link::new());
    let engine = Engine::new(&host, &link);
    let once = engine.run(&["--network=none"], IDLE);
    let again = engine.run(&["--network=none", "--restart=always"], IDLE);
    let ran = host.inject(&["kill", "--container", &once, "--for", "1s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    until("it has ended", || engine.good(&["inspect", "--format={{.State.ExitCode}}", &once]) == "137");
    // Stopped, it is refused by the name it was called.
    let ran = host.inject(&["pause", "--container", &once[..12], "--for", "1s"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(&once[..12]) && ran.err.contains("docker ps"), "{}", ran.err);

    let words = ["kill", "--container", &again, "--every-restart", "--for", "1h", "--detach"];
    let ran = host.inject(&words);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let restarts = || engine.good(&["inspect", "--format={{.RestartCount}}", &again]);
    until("it is killed again", || restarts().parse::<u32>().is_ok_and(|count| count >= 3));
    assert_eq!(host.place.run(&["restore", "--all"]).code, Some(0));
    drop(engine);
    host.is_clean("at the end");
}

#[test]
fn the_beginning_of_several_ids_is_refused_with_the_choices() {
    let (host, link) = (Host::new(), Link::new());
    let engine = Engine::new(&host, &link);
    let stem = format!("{:08x}", std::process::id());
    let id = |rest: &str| format!("{stem}{}", rest.repeat(56));
    let (one, two) = (id("1"), id("2"));
    // Under the names that Kubernetes gives groups by either driver.
    engine.run_as(&one, &one);
    engine.run_as(&two, &format!("cri-containerd-{two}.scope"));
    let pause = |id: &str| host.inject(&["pause", "--container", id, "--for", "1s"]);
    let ran = pause(&stem);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    for expected in [one.as_str(), &two, "write more of it"] {
        assert!(ran.err.contains(expected), "{expected} in {}", ran.err);
    }
    for id in [&one, &two, &two.to_uppercase()] {
        let ran = pause(&id[..9]);
        assert_eq!(ran.code, Some(0), "{id}: {}{}", ran.out, ran.err);
    }
    drop(engine);
    host.is_clean("at the end");
}
