//! Who lacks a privilege is refused before anything begins, whichever kind it is for, and a dry run says so.

use std::fs;

use crate::Host;
use crate::refusals::as_nobody;
use crate::stage::Victim;

/// From which port on nobody needs a privilege.
fn first_free_port() -> u16 {
    let text =
        fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("the kernel says so");
    text.trim().parse().expect("a number")
}

#[test]
fn it_is_a_refusal_and_no_fault_that_did_not_land() {
    let (host, victim) = (Host::new(), Victim::idle());
    let pid = victim.pid().to_string();
    let folder = host.place.path().join("of-root");
    fs::create_dir(&folder).expect("ours");
    let folder = folder.display().to_string();
    let before = victim.snapshot();
    let mut all = vec![
        (vec!["cpu-limit", "--pid", &pid, "--cpus", "0.1"], "may not be written"),
        (vec!["memory-limit", "--pid", &pid, "--memory", "64MiB"], "may not be written"),
        (vec!["oom", "--pid", &pid], "may not be written"),
        (vec!["fd-limit", "--pid", &pid, "--files", "16"], "CAP_SYS_RESOURCE"),
        (vec!["fs-freeze", "--path", &folder], "CAP_SYS_ADMIN"),
        (vec!["disk-fill", "--path", &folder, "--reserve", "1MiB"], "may not be written"),
    ];
    if first_free_port() > 7 {
        all.push((vec!["port-take", "--port", "7"], "CAP_NET_BIND_SERVICE"));
    }
    for (mut words, expected) in all {
        words.extend(["--for", "3s"]);
        let ran = as_nobody(&host.place, &host.args(&words));
        assert_eq!(ran.code, Some(7), "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{words:?}: {expected:?} in\n{}", ran.err);
        assert!(!ran.out.contains("began"), "{words:?}: {}", ran.out);
        words.push("--dry-run");
        let dry = as_nobody(&host.place, &host.args(&words));
        assert_eq!(dry.code, Some(0), "{words:?}: {}{}", dry.out, dry.err);
        assert!(dry.out.contains("it would be refused: "), "{words:?}: {}", dry.out);
    }
    assert_eq!(victim.snapshot(), before);
}

#[test]
fn what_cannot_be_written_down_is_not_injected_and_says_where_else_it_could_be() {
    let (host, victim) = (Host::new(), Victim::idle());
    let state = host.place.file("no-folder", "");
    let pid = victim.pid().to_string();
    let words = host.args(&["pause", "--pid", &pid, "--for", "3s"]);
    let ran = host.place.run(&[&["--state", &state], &words[..]].concat());
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(&state) && ran.err.contains("--state DIR"), "{}", ran.err);
    assert!(victim.runs());
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let host = Host::new();
    let dsn = "postgres://app:secret@127.0.0.1:1/shop";
    let ran = host.inject(&["lock", "--dsn", dsn, "--table", "orders", "--for", "3s"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("postgres://app:***@127.0.0.1:1/shop: "), "{}", ran.err);
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    let text = host.place.file("text", "no database");
    let ran = host.inject(&["lock", "--path", &text, "--for", "3s"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(&format!("{text}: ")), "{}", ran.err);
}
