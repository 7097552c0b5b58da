//! What a policy allows, and what it says otherwise.

use super::control::ControlPath;
use super::*;
use crate::fault::{Fault, ResolvedTarget};
use crate::identity::{NetworkIdentity, ProcessIdentity};
use crate::source::Source;

fn policy(text: &str) -> Policy {
    let source = Source { name: "policy.toml".to_owned(), text: text.to_owned() };
    Policy::read(&source).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn request(kind: FaultKind, target: Target, standing: Standing) -> Request {
    Request { kind, target, standing, lease: HumanDuration::secs(60) }
}

fn netns(kind: FaultKind) -> Request {
    request(kind, Target::Netns("a".to_owned()), Standing::Foreign)
}

fn noon() -> Timestamp {
    // A Saturday.
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

#[test]
fn without_a_policy_labs_and_own_processes() {
    let none = Policy::none();
    let lab = request(FaultKind::Vanish, Target::Lab("job".parse().expect("a name")), Standing::Lab);
    let own = request(FaultKind::Pause, Target::Pid(4711), Standing::Own);
    assert_eq!(none.judge(&[lab, own], &[], noon()), Ok(()));
    let denied = none.judge(&[netns(FaultKind::Latency)], &[], noon()).expect_err("foreign").to_string();
    assert!(
        denied.contains(r#""netns:a" = ["latency"]"#) && denied.contains("/etc/deadstick/policy.toml"),
        "{denied}"
    );
}

#[test]
fn the_line_it_asks_for_is_enough() {
    let before = "[allow]\n\"netns:a\" = [\"loss\"]\n";
    let denied = policy(before).judge(&[netns(FaultKind::Latency)], &[], noon()).expect_err("not yet");
    let (_, line) = denied.hint.split_once(": ").expect("a line");
    assert_eq!(line, r#""netns:a" = ["loss", "latency"]"#);
    let after = policy(&format!("[allow]\n{line}\n"));
    assert_eq!(after.judge(&[netns(FaultKind::Latency)], &[], noon()), Ok(()));
    let odd = request(FaultKind::Kill, Target::Process("a \"b\" \\d+".to_owned()), Standing::Foreign);
    let denied = policy("").judge(std::slice::from_ref(&odd), &[], noon()).expect_err("not yet");
    let (_, line) = denied.hint.split_once(": ").expect("a line");
    assert_eq!(policy(&format!("[allow]\n{line}\n")).judge(&[odd], &[], noon()), Ok(()));
}

#[test]
fn patterns_leases_numbers_and_times_are_kept() {
    let text = "longest-lease = \"30s\"\n[allow]\n\"netns:*\" = [\"*\"]\n";
    let denied = policy(text).judge(&[netns(FaultKind::Vanish)], &[], noon()).expect_err("too long");
    assert!(denied.what.contains("longer than the 30s"), "{denied}");
    let two = policy("at-once = 1\n[allow]\n\"*\" = [\"*\"]\n");
    assert_eq!(two.judge(&[netns(FaultKind::Vanish)], &[], noon()), Ok(()));
    assert!(two.judge(&[netns(FaultKind::Vanish), netns(FaultKind::Loss)], &[], noon()).is_err());
    assert!(two.judge(&[netns(FaultKind::Vanish)], &[netns(FaultKind::Loss)], noon()).is_err());
    let weekdays = policy("windows = [\"mon-fri 09:00-17:00 UTC\"]\n[allow]\n\"*\" = [\"*\"]\n");
    let denied = weekdays.judge(&[netns(FaultKind::Vanish)], &[], noon()).expect_err("Saturday");
    assert!(
        denied.to_string().contains("Sat 12:00") && denied.to_string().contains("mon-fri 09:00-17:00 UTC")
    );
    assert_eq!(policy("allow-all = true").judge(&[netns(FaultKind::Vanish)], &[], noon()), Ok(()));
    // What limits beside it say holds all the same.
    for limit in ["longest-lease = \"1s\"", "at-once = 0", "windows = [\"mon 09:00-17:00 UTC\"]"] {
        let open = policy(&format!("allow-all = true\n{limit}\n"));
        assert!(open.judge(&[netns(FaultKind::Vanish)], &[], noon()).is_err(), "{limit}");
    }
    // With a policy, one's own processes are under it, too.
    assert!(
        policy("").judge(&[request(FaultKind::Pause, Target::Pid(1), Standing::Own)], &[], noon()).is_err()
    );
}

#[test]
fn windows_wrap_around_midnight_and_the_week() {
    let inside = |window: &str, time: &str| {
        window.parse::<Window>().expect("a window").contains(time.parse().expect("a time"))
    };
    assert!(
        inside("sat 22:00-02:00 UTC", "2026-11-22T01:59:00Z")
            && !inside("sat 22:00-02:00 UTC", "2026-11-21T01:00:00Z")
    );
    assert!(
        inside("fri-mon 00:00-23:59", "2026-11-22T08:00:00Z")
            && !inside("fri-mon 00:00-23:59", "2026-11-24T08:00:00Z")
    );
    assert!(inside("sat 13:00-14:00 +01:00", "2026-11-21T12:30:00Z"));
    for bad in [
        "",
        "mon",
        "mon 9-5",
        "xyz 09:00-10:00",
        "mon 09:00-09:00",
        "mon 09:00-10:00 CET x",
        "mon 25:00-26:00",
    ] {
        assert!(bad.parse::<Window>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_pointed_at() {
    let wrong = |text: &str| {
        let source = Source { name: "policy.toml".to_owned(), text: text.to_owned() };
        let problems = Policy::read(&source).expect_err("it is wrong");
        problems.iter().map(|problem| problem.render(false)).collect::<String>()
    };
    for (text, expected) in [
        ("alow-all = true", "alow-all"),
        ("allow-all = 3", "policy.toml:1"),
        ("\n[allow]\n\"netns:a\" = [\"lag\"]", "policy.toml:3"),
        ("[allow]\n\"nets:a\" = [\"loss\"]", "no target"),
        ("longest-lease = \"5\"", "duration"),
        ("windows = [\"whenever\"]", "time of the week"),
        ("at-once = -1", "policy.toml:1"),
        ("[allow", "policy.toml:1"),
    ] {
        let said = wrong(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn patterns_match_as_people_expect() {
    for (pattern, text, expected) in [
        ("netns:a", "netns:a", true),
        ("netns:a", "netns:ab", false),
        ("netns:*", "netns:", true),
        ("*", "", true),
        ("path:/mnt/*/x", "path:/mnt/a/b/x", true),
        ("a*a", "a", false),
        ("*a*b*", "xaxbx", true),
        ("", "x", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn nobody_cuts_the_branch_they_sit_on() {
    let me = ProcessIdentity { pid: 7, start_ticks: 7, boot: "b".to_owned() };
    let control = ControlPath {
        sessions: vec![("10.0.0.1:22".parse().expect("an end"), "192.0.2.9:50000".parse().expect("an end"))],
        network: 5,
        processes: vec![me.clone()],
        cgroups: vec!["/user.slice/session-1.scope".into()],
    };
    let fault = |kind: &str, pairs: &[(&str, &str)]| {
        Fault::read(kind.parse().expect("a kind"), pairs.iter().copied()).expect("a fault")
    };
    let here = ResolvedTarget {
        network: Some(NetworkIdentity::of_process(me.clone(), 5)),
        ..ResolvedTarget::default()
    };
    let there = ResolvedTarget {
        network: Some(NetworkIdentity::of_process(me.clone(), 6)),
        ..ResolvedTarget::default()
    };
    let partition = |to: &str| fault("partition", &[("to", to)]);
    assert!(
        control.cut_by(&fault("vanish", &[]), &here).is_some_and(|words| words.contains("192.0.2.9:50000"))
    );
    assert_eq!(control.cut_by(&fault("vanish", &[]), &there), None);
    assert!(control.cut_by(&partition("192.0.2.0/24"), &here).is_some());
    assert_eq!(control.cut_by(&partition("10.9.0.0/16"), &here), None);
    assert_eq!(control.cut_by(&partition("192.0.2.9:5432"), &here), None);
    assert_eq!(control.cut_by(&fault("partition", &[("from", "10.0.0.1:8080")]), &here), None);
    assert_eq!(control.cut_by(&fault("latency", &[("delay", "50ms")]), &here), None);
    assert!(control.cut_by(&fault("loss", &[("loss", "60%")]), &here).is_some());
    assert!(control.cut_by(&fault("partition", &[("members", "10.0.0.1,10.0.0.2")]), &here).is_some());
    let process = ResolvedTarget { process: Some(me), ..ResolvedTarget::default() };
    assert!(control.cut_by(&fault("pause", &[]), &process).is_some());
    let group = |path: &str| ResolvedTarget { cgroup: Some(path.into()), ..ResolvedTarget::default() };
    assert!(control.cut_by(&fault("oom", &[]), &group("/user.slice")).is_some());
    assert_eq!(control.cut_by(&fault("oom", &[]), &group("/system.slice/shop.service")), None);
}
