//! What is not injected: mistyped, not allowed, not possible, or blocked by what is left; and that nothing was begun.

use std::fs;
use std::process::Command;

use deadstick_core::fault::Fault;
use deadstick_core::identity::ProcessIdentity;
use deadstick_core::ledger::{Entry, Intent, Lease, Undo};
use deadstick_core::units::HumanDuration;
use deadstick_faults::cgroup;
use deadstick_timeline::Ledger;

use crate::Host;
use crate::stage::{Link, Victim, ok};
use crate::support::{Place, Ran};

#[test]
fn mistyped_words_are_usage_errors_with_a_hint() {
    for (words, expected) in [
        (&["lag", "--for", "3s"][..], "flap"),
        (&["latency", "--delai", "5ms", "--for", "3s"], "--delay"),
        (&["latency", "--for", "3s"], "--delay"),
        (&["latency", "--delay", "5ms"], "--for"),
        (&["latency", "--delay", "5", "--for", "3s"], "250ms"),
        (&["latency", "--delay", "5ms", "--for", "0s"], "at least 1ms"),
        (&["latency", "--delay", "5ms", "--for", "-5s"], "250ms"),
        (&["latency", "--delay", "5ms", "--for", "--detach"], "250ms"),
        (&["latency", "--delay", "5ms", "--jitter", "9ms", "--for", "3s"], "jitter"),
        (&["latency", "--delay", "5ms", "--to", "1.2.3.4:x", "--for", "3s"], "10.0.0.2:5432"),
        (
            &["latency", "--delay", "5ms", "--to", "no-such-host.invalid", "--for", "3s"],
            "no-such-host.invalid",
        ),
        (&["partition", "--netns", "no-such-netns", "--for", "3s"], "ip netns list"),
        (&["partition", "--netns", "../../etc", "--for", "3s"], "ip netns list"),
        (&["partition", "--direction", "up", "--for", "3s"], "egress"),
        (&["kill", "--for", "3s"], "--pid"),
        (&["kill", "--pid", "0", "--for", "3s"], "process number"),
        (&["kill", "--pid", "4194304", "--for", "3s"], "there is no process"),
        (&["kill", "--pid", "1", "--netns", "a", "--for", "3s"], "--netns"),
        (&["kill", "--pid", "1", "--process", "x", "--for", "3s"], "--process"),
        (&["kill", "--process", "no such process [0-9]{9}", "--for", "3s"], "regular expression"),
        (&["kill", "--process", "(", "--for", "3s"], "("),
        (&["pause", "--unit", "no-such-unit", "--for", "3s"], "no-such-unit"),
        (&["pause", "--cgroup", "no/such/group", "--for", "3s"], "no/such/group"),
        (&["pause", "--cgroup", "a/../b", "--for", "3s"], "never up again"),
        (&["pause", "--container", "xyz", "--for", "3s"], "hexadecimal"),
        (&["disk-fill", "--path", "/no/such/folder", "--reserve", "1MiB", "--for", "3s"], "/no/such/folder"),
        (&["port-take", "--port", "99999", "--for", "3s"], "65535"),
        (&["lock", "--dsn", "x", "--path", "/", "--for", "3s"], "--path"),
        (&["lock", "--dsn", "x", "--table", "t", "--for", "3s"], "postgres://…"),
        (&["lock", "--dsn", "oracle://u:s3cret@h", "--table", "t", "--for", "3s"], "postgres://…"),
        (
            &["lock", "--dsn", "postgres://u:s3cret@h/db?sslmode=on", "--table", "t", "--for", "3s"],
            "sslmode is \"on\", which is not known: write disable, prefer, require, verify-ca, verify-full (character 34",
        ),
        (
            &["lock", "--dsn", "postgres://u:s3cret@h:5x/db", "--table", "t", "--for", "3s"],
            "number up to 65535",
        ),
        (
            &["lock", "--dsn", "mysql://u:s3cret@h/db?ssl_mode=REQUIRED", "--table", "t", "--for", "3s"],
            "did you mean ssl-mode? (character 23 of the DSN)",
        ),
        (
            &["pause", "--dsn", "redis://:s3cret%zz@h", "--for", "3s", "--dry-run"],
            "(character 16 of the DSN)",
        ),
        (&["pause", "--dsn", "redis://u:s3cret", "--for", "3s", "--detach"], "(character 11 of the DSN)"),
    ] {
        let host = Host::new();
        let ran = host.inject(words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{words:?}: {expected:?} in\n{}", ran.err);
        assert!(!format!("{}{}", ran.out, ran.err).contains("s3cret"), "{words:?}: {}", ran.err);
        assert!(!host.place.state().join("ledger").exists(), "{words:?}: nothing was begun");
    }
}

#[test]
fn a_dry_run_names_every_object_and_touches_none() {
    let (host, victim, link) = (Host::new(), Victim::idle(), Link::new());
    let before = link.snapshot();
    let pid = victim.pid().to_string();
    for (words, expected) in [
        (&["pause", "--pid", &pid, "--for", "3s"][..], "SIGCONT"),
        (&["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "3s"], "nftables table"),
        (&["vanish", "--netns", &link.near, "--for", "3s"], "nftables table"),
    ] {
        let ran = host.inject(&[words, &["--dry-run"]].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        assert!(ran.out.contains(expected) && ran.out.contains("undo: "), "{words:?}: {}", ran.out);
        let json = host.inject(&[words, &["--dry-run", "--json"]].concat()).json();
        let objects = json["objects"].as_array().expect("a list");
        assert!(!objects.is_empty() && objects.iter().all(|one| one["undo"].is_string()), "{json}");
        assert!(!host.place.state().join("ledger").exists(), "{words:?}: nothing was begun");
    }
    assert_eq!((victim.runs(), link.snapshot()), (true, before));
    assert!(!host.place.state().exists(), "not even the folder for what is to be undone is made");
}

#[test]
fn a_control_group_that_is_not_there_is_refused_by_a_dry_run_too() {
    let host = Host::new();
    for words in [
        &["stress", "--cpu", "1"][..],
        &["pause"],
        &["cpu-limit", "--cpus", "0.1"],
        &["partition", "--to", "10.0.0.2"],
    ] {
        let ran = host.inject(&[words, &["--cgroup", "no/such.slice", "--for", "3s", "--dry-run"]].concat());
        assert_eq!(ran.code, Some(2), "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("there is no control group /no/such.slice"), "{words:?}: {}", ran.err);
    }
    // One that is there, in a tree that holds nobody down.
    let hierarchies = cgroup::hierarchies().expect("readable");
    let counts = |one: &cgroup::Hierarchy| one.controllers.iter().any(|own| own == "cpu" || own == "memory");
    if let Some(idle) = hierarchies.iter().find(|one| !counts(one)) {
        let path = std::path::PathBuf::from(format!("/deadstick-dry-{}", std::process::id()));
        let folder = idle.folder(&path);
        fs::create_dir(&folder).expect("root may");
        let named = path.display().to_string();
        let ran = host.inject(&["stress", "--cpu", "1", "--cgroup", &named, "--for", "3s", "--dry-run"]);
        fs::remove_dir(folder).expect("nobody is in it");
        assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("cpu or memory controller"), "{}", ran.err);
    }
}

#[test]
fn a_pattern_that_fits_several_lists_them_and_never_ourselves() {
    let marker = format!("60{}", std::process::id());
    let (one, two) =
        (Victim::shell(&format!("exec sleep {marker}")), Victim::shell(&format!("exec sleep {marker}")));
    let host = Host::new();
    // The pattern stands on the command line of the program itself, too.
    let ran = host.inject(&["pause", "--process", &format!("sleep {marker}"), "--for", "3s", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("2 processes: "), "{}", ran.out);
    for victim in [&one, &two] {
        assert!(ran.out.contains(&victim.pid().to_string()), "{}", ran.out);
    }
}

#[test]
fn without_a_policy_nothing_foreign_is_touched() {
    let (place, link) = (Place::new(), Link::new());
    let words = ["inject", "partition", "--netns", &link.near, "--for", "3s"];
    // A host that has a policy of its own judges by that.
    let named = place.file("policy.toml", "");
    let ran = place.run(&[&words[..], &["--policy", &named]].concat());
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    let line = format!("\"netns:{}\" = [\"partition\"]", link.near);
    assert!(ran.err.contains(&line), "{line} in\n{}", ran.err);
    let named = place.file("policy.toml", format!("[allow]\n{line}\n"));
    let ran = place.run(&[&words[..], &["--policy", &named, "--to", "10.0.0.2"]].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let named = place.file("policy.toml", "alow-all = true\n");
    let ran = place.run(&[&words[..], &["--policy", &named]].concat());
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
}

/// Runs the program as a user who may nothing.
pub(crate) fn as_nobody(place: &Place, args: &[&str]) -> Ran {
    let own = place.command(args);
    let state = place.path().join("nobody");
    fs::create_dir_all(&state).expect("it is ours");
    ok(&["chown", "nobody", &state.display().to_string()]);
    // The build folder may be somebody's home: the program is run from a place that everybody may read.
    let program = place.path().join("deadstick");
    if !program.exists() {
        fs::copy(own.get_program(), &program).expect("it can be copied");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).args(own.get_args());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEADSTICK_STATE", state);
    Ran::of(&command.output().expect("setpriv starts"))
}

#[test]
fn who_lacks_the_privilege_is_told_so_before_anything_begins() {
    let (host, link, victim) = (Host::new(), Link::new(), Victim::idle());
    let before = link.snapshot();
    for words in [
        &["partition", "--netns", &link.near, "--to", "10.0.0.2", "--for", "3s"][..],
        &["vanish", "--netns", &link.near, "--for", "3s"],
    ] {
        let ran = as_nobody(&host.place, &host.args(words));
        assert_eq!(ran.code, Some(7), "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("CAP_NET_ADMIN"), "{words:?}: {}", ran.err);
        let dry = as_nobody(&host.place, &host.args(&[words, &["--dry-run"]].concat()));
        assert_eq!(dry.code, Some(0), "{words:?}: {}{}", dry.out, dry.err);
        assert!(dry.out.contains("it would be refused: "), "{words:?}: {}", dry.out);
    }
    let ran =
        as_nobody(&host.place, &host.args(&["pause", "--pid", &victim.pid().to_string(), "--for", "3s"]));
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert_eq!((victim.runs(), link.snapshot()), (true, before));
}

#[test]
fn a_process_that_shares_this_network_is_told_apart_or_refused() {
    let (host, victim) = (Host::new(), Victim::idle());
    let pid = victim.pid().to_string();
    let ran = host.inject(&["vanish", "--pid", &pid, "--for", "3s", "--dry-run"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("this machine's own network"), "{}", ran.err);
    // A test is in no control group of its own, and so is who it starts.
    let ran = host.inject(&["partition", "--pid", &pid, "--for", "3s", "--dry-run"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("systemd-run"), "{}", ran.err);
}

/// Leaves a run behind whose owner is dead and whose undo must not be carried out: the folder it names is not ours.
fn left_behind(place: &Place, folder: &std::path::Path) -> std::path::PathBuf {
    fs::create_dir(folder).and_then(|()| fs::write(folder.join("file"), "precious")).expect("it is ours");
    let ledgers = place.state().join("ledger");
    let ledger = Ledger::create(&ledgers, "inject-by-somebody").expect("a ledger");
    let now = std::time::SystemTime::now().into();
    let undo = Undo::RemoveFolder { path: folder.to_owned(), mark: "not this one".to_owned() };
    let owner = ProcessIdentity { pid: 4_194_303, start_ticks: 1, boot: "another boot".to_owned() };
    let lease = Lease { length: HumanDuration::secs(60), ends: now, ends_boottime_ms: 0 };
    let fault = Some(Fault::Vanish);
    let intent = Intent { fault, target: "a folder".to_owned(), undo, lease, owner };
    ledger
        .record(&"00000000-by-somebody".to_owned(), &Entry::Applying(Box::new(intent)), now)
        .expect("it is durable");
    ledger.path().to_owned()
}

/// A process in a control group of its own in the unified hierarchy; both go with the value.
struct Grouped {
    victim: Option<Victim>,
    folder: std::path::PathBuf,
}

impl Grouped {
    fn new() -> Option<Self> {
        let hierarchies = deadstick_faults::cgroup::hierarchies().expect("they can be read");
        let unified = hierarchies.into_iter().find(|one| one.version == 2)?;
        let folder = unified.mount.join(format!("ds{}", std::process::id()));
        fs::create_dir(&folder).expect("root may make groups");
        let grouped = Self { victim: Some(Victim::idle()), folder };
        fs::write(grouped.folder.join("cgroup.procs"), grouped.pid()).expect("it takes the process");
        Some(grouped)
    }

    fn pid(&self) -> String {
        self.victim.as_ref().map(|victim| victim.pid().to_string()).unwrap_or_default()
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        // The group can go once nobody is in it.
        self.victim.take();
        drop(fs::remove_dir(&self.folder));
    }
}

#[test]
fn a_process_with_a_control_group_of_its_own_is_told_apart_by_it() {
    let host = Host::new();
    let Some(grouped) = Grouped::new() else { return };
    let name = grouped.folder.file_name().expect("it has one").to_string_lossy().into_owned();
    for words in [&["--pid", &grouped.pid()][..], &["--cgroup", &name]] {
        let ran =
            host.inject(&[&["partition", "--to", "192.0.2.1", "--for", "3s", "--dry-run"], words].concat());
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        let chosen = format!("chosen by its control group /{name}");
        assert!(ran.out.contains(&chosen), "{chosen} in\n{}", ran.out);
    }
}

#[test]
fn residue_blocks_until_it_is_removed() {
    let (host, victim) = (Host::new(), Victim::idle());
    let folder = host.place.path().join("foreign");
    left_behind(&host.place, &folder);
    let pid = victim.pid().to_string();
    for more in [&[][..], &["--detach"]] {
        let ran = host.inject(&[&["kill", "--pid", &pid, "--for", "3s"], more].concat());
        assert_eq!(ran.code, Some(5), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("rm -r ") && ran.err.contains("deadstick restore"), "{}", ran.err);
    }
    assert!(victim.runs(), "it was not killed");
    let listed = host.place.run(&["faults"]).out;
    assert!(listed.contains("vanish on a folder: residue") && listed.contains("run: rm -r "), "{listed}");
    let restored = host.place.run(&["restore", "by-somebody"]);
    assert_eq!(restored.code, Some(5), "{}{}", restored.out, restored.err);
    assert!(folder.join("file").exists(), "what is not ours stays");
    // The person does what they were told, and goes on.
    fs::remove_dir_all(&folder).expect("it is ours");
    assert_eq!(host.place.run(&["restore"]).code, Some(0));
    let ran = host.inject(&["pause", "--pid", &pid, "--for", "3s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    host.is_clean("after the residue was removed");
}

#[test]
fn a_damaged_ledger_blocks_and_is_never_called_nothing() {
    let (host, victim) = (Host::new(), Victim::idle());
    let ledger = left_behind(&host.place, &host.place.path().join("foreign"));
    let text = fs::read_to_string(&ledger).expect("it is text");
    fs::write(&ledger, text.replace("a folder", "a file")).expect("it is ours");
    let ran = host.inject(&["kill", "--pid", &victim.pid().to_string(), "--for", "3s"]);
    assert_eq!(ran.code, Some(5), "{}{}", ran.out, ran.err);
    let listed = host.place.run(&["faults"]);
    assert_eq!(listed.code, Some(5), "{}{}", listed.out, listed.err);
    assert!(listed.err.contains("checksum") && listed.err.contains("mv "), "{}", listed.err);
    assert_ne!(listed.out.trim(), "nothing is injected");
    assert!(victim.runs());
}
