//! The command line: help, exit codes, what machines read, and every kind of bad input.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use deadstick_core::event::{Actor, Body, Event, IncidentSeverity};
use deadstick_timeline::Log;
use support::Place;

/// Every file of a folder of broken ones: refused with its name, its line, the offending text and a hint; nothing begun.
fn all_are_refused(folder: &str, args: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()).collect();
    files.sort();
    assert!(files.len() > 8, "the folder is not empty");
    for path in files {
        let place = Place::new();
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let ran = place.run(&[args, &[&path.display().to_string()]].concat());
        assert_eq!(ran.code, Some(2), "{name}: {}{}", ran.out, ran.err);
        assert!(!ran.err.contains("s3cret"), "{name}: {}", ran.err);
        assert!(ran.err.contains(&name), "{name} is named:\n{}", ran.err);
        for expected in text.lines().map_while(|line| line.strip_prefix("# expect: ")) {
            assert!(ran.err.contains(expected), "{name}: {expected:?} in\n{}", ran.err);
        }
        let placed = ran.err.contains(&format!("{name}:"));
        assert!(
            placed || text.lines().all(|l| l.starts_with('#')),
            "{name}: no line is named in\n{}",
            ran.err
        );
        assert!(!place.state().exists(), "{name}: nothing was begun");
        assert_eq!(place.residue(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn broken_playbooks_are_refused() {
    all_are_refused("playbooks", &["drill", "--headless"]);
}

#[test]
fn broken_checklists_are_refused() {
    all_are_refused("checklists", &["checklist", "lint"]);
}

#[test]
fn hostile_files_are_refused() {
    let place = Place::new();
    let binary = place.file("binary.yaml", b"playbook: a\ntitle: \xff\xfe\n");
    let huge = place.path().join("huge.yaml");
    fs::File::create(&huge).and_then(|file| file.set_len(50 << 20)).expect("a sparse file");
    let huge = huge.display().to_string();
    let folder = place.path().display().to_string();
    for (path, expected) in [
        (binary.as_str(), "not UTF-8: byte 0xff on line 2"),
        (&huge, "52428800 bytes"),
        (&folder, "not a regular file"),
        ("./no-such-file.yaml", "No such file"),
        ("first-leson", "did you mean `first-lesson`?"),
    ] {
        let ran = place.run(&["drill", "--headless", path]);
        assert_eq!(ran.code, Some(2), "{path}: {}", ran.err);
        assert!(ran.err.contains(expected), "{expected:?} in\n{}", ran.err);
    }
}

/// What others have named, or written into files, is shown without moving the terminal of whoever reads it.
#[test]
fn hostile_names_move_no_terminal() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let place = Place::new();
    let broken = place.file(&format!("broken{HOSTILE}.yaml"), "playbook: [\n");
    let missing = place.path().join(format!("missing{HOSTILE}.yaml")).display().to_string();
    let folder = place.path().join(format!("folder{HOSTILE}.yaml"));
    fs::create_dir(&folder).expect("a folder");
    let folder = folder.display().to_string();
    // A file where the folder of the state should be.
    let state = place.file(&format!("state{HOSTILE}"), "");
    for words in [
        ["drill", "--headless", broken.as_str()].as_slice(),
        &["drill", "--headless", &missing],
        &["drill", "--headless", &folder],
        &["checklist", "lint", &broken],
        &["checklist", "print", &missing],
        &["timeline", "verify", HOSTILE],
        &["faults", "--state", &state],
        &["timeline", "add", "note", "--state", &state],
        &["debrief", HOSTILE],
        &["proxy", HOSTILE],
        &["inject", "file-lock", "--path", &missing, "--for", "1s"],
        &["inject", "pause", "--cgroup", HOSTILE, "--for", "1s"],
        &["restore", HOSTILE],
        &[HOSTILE],
        &["inject", HOSTILE],
        &["inject", "pause", "--pid", HOSTILE, "--for", "1s"],
        &["inject", "pause", "--process", "x", "--for", HOSTILE],
        &["timeline", "export", "--format", HOSTILE],
    ] {
        for more in [["--color", "never"].as_slice(), &["--color", "always"], &["--json"]] {
            // The proxy's own command line has none of these.
            let more = if words[0] == "proxy" { &[] } else { more };
            let ran = place.run(&[words, more].concat());
            assert_ne!(ran.code, Some(0), "{words:?}");
            let coloured = format!("{}{}", ran.out, ran.err);
            assert!(!coloured.is_empty(), "{words:?}");
            // Our own command line is repeated with what acts written out.
            if words.contains(&HOSTILE) {
                assert!(
                    coloured.contains("\\u{1b}") || coloured.contains("\\u001b"),
                    "{words:?}: {coloured:?}"
                );
            }
            let plain = without_colours(&coloured);
            let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!plain.chars().any(acts), "{words:?}: {plain:?}");
            assert!(more.contains(&"always") || plain.len() == coloured.len(), "{words:?}: {coloured:?}");
        }
    }
}

/// What others have put on a timeline does neither, in whichever form it is written down.
#[test]
fn hostile_words_on_a_timeline_move_no_terminal() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";
    let place = Place::new();
    let id = place.run(&["incident", "open", "Something"]).out.trim().to_owned();
    let dir = place.state().join("incidents").join(&id);
    let person = serde_json::from_value(serde_json::json!(HOSTILE)).expect("a name from another program");
    let bodies = [
        Body::IncidentOpened {
            title: HOSTILE.to_owned(),
            severity: IncidentSeverity::Sev2,
            exercise: false,
            playbook: None,
        },
        Body::Note { text: format!("it hangs {HOSTILE}") },
        Body::FaultResidue { id: HOSTILE.to_owned(), why: HOSTILE.to_owned(), manual: HOSTILE.to_owned() },
    ];
    let now = std::time::SystemTime::now().into();
    let (mut log, _) = Log::open(&dir, HOSTILE, now).expect("it is ours");
    let events: Vec<_> =
        bodies.into_iter().map(|body| Event::now(now, Actor::clone(&person), body)).collect();
    log.append(&events).expect("it is durable");
    drop(log);
    for words in [
        ["timeline", "show", id.as_str()].as_slice(),
        &["timeline", "show", &id, "--json"],
        &["timeline", "export", &id, "--format", "markdown", "-v"],
        &["timeline", "export", &id, "--format", "csv"],
        &["timeline", "export", &id, "--format", "csv", "--raw"],
        &["timeline", "export", &id, "--format", "jsonl"],
        &["timeline", "verify", &id],
        &["debrief", &id],
        &["debrief", &id, "--json"],
        &["incident", "show", &id],
        &["incident", "list"],
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}{}", ran.out, ran.err);
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.out.contains(acts) && !ran.err.contains(acts), "{words:?}: {:?}", ran.out);
        if words.contains(&"jsonl") || words.contains(&"--json") {
            let lines: Result<Vec<serde_json::Value>, _> =
                ran.out.lines().map(serde_json::from_str).collect();
            let text = format!("{:?}", lines.expect("JSON"));
            assert!(
                text.contains("owned") && text.contains("\\u{202e}"),
                "{words:?}: it means the same: {text}"
            );
        }
    }
}

/// Without the sequences that choose a colour, which are all that this program may send.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let codes = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match codes.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.push_str(&format!("\u{1b}[{part}")),
        }
    }
    plain
}

#[test]
fn errors_have_a_form_for_machines() {
    let place = Place::new();
    let path = place.file("bad.yaml", "playbok: x\n");
    let ran = place.run(&["drill", "--json", &path]);
    let error = &ran.json()["error"];
    assert_eq!((error["exit"].as_u64(), ran.code), (Some(2), Some(2)));
    assert_eq!(error["problems"][0]["line"], 1, "{error}");
    assert!(error["problems"][0]["hint"].as_str().is_some_and(|hint| hint.contains("playbook")), "{error}");
}

#[test]
fn unknown_slices_are_usage_errors() {
    let place = Place::new();
    let ran = place.run(&["drill", "leaky-abstractions", "--close", "tpc"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("did you mean `tcp`?"), "{}", ran.err);
}

#[test]
fn everything_helps() {
    let place = Place::new();
    for words in [
        &["--help"][..],
        &["drill", "--help"],
        &["respond", "--help"],
        &["incident", "act", "--help"],
        &["timeline", "export", "--help"],
        &["lab", "--help"],
        &["probe", "sql", "--help"],
        &["completions", "bash"],
        &["man"],
        &["schema", "playbook"],
        &["schema", "checklist"],
        &["schema", "responder"],
        &["playbook", "list"],
        &["playbook", "check"],
        &["playbook", "show", "first-lesson"],
        &["checklist", "list"],
        &["checklist", "print", "database-lock-pileup"],
        &["checklist", "lint"],
        &["lab", "list"],
        &["faults"],
        &["restore"],
        &["doctor"],
        &["incident", "list"],
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
        assert!(!ran.out.trim().is_empty(), "{words:?} says something");
    }
    assert_eq!(place.run(&["drill", "--no-such-option"]).code, Some(2));
}

#[test]
fn probes_answer_by_exit_code() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let open = listener.local_addr().expect("it is bound").to_string();
    assert_eq!(place.run(&["probe", "tcp", &open]).code, Some(0));
    drop(listener);
    let closed = place.run(&["probe", "tcp", &open, "--json"]);
    assert_eq!((closed.code, &closed.json()["answer"]), (Some(8), &"unsatisfied".into()));
    let nowhere = place.run(&["probe", "tcp", "no-such-host.invalid:1", "--json"]);
    assert_eq!((nowhere.code, &nowhere.json()["answer"]), (Some(8), &"unknown".into()));
}

/// An incident worked from the command line alone, by two people, with a handover in three calls and a back-dated note.
#[test]
fn an_incident_is_worked_from_the_command_line() {
    let place = Place::new();
    let ok = |args: &[&str]| {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.out, ran.err);
        ran
    };
    let no = |args: &[&str]| {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(8), "{args:?}: {}{}", ran.out, ran.err);
        format!("{}{}", ran.out, ran.err)
    };
    let id = ok(&["incident", "open", "Checkout hangs", "--severity", "2"]).out.trim().to_owned();
    ok(&["incident", "alert", "database-lock-pileup"]);
    ok(&["incident", "act", "--as", "alice", "assume"]);
    ok(&["incident", "act", "--as", "alice", "open", "database-lock-pileup"]);
    assert!(no(&["incident", "act", "--as", "bob", "assume"]).contains("alice has control"));
    ok(&["incident", "act", "--as", "alice", "offer", "bob"]);
    ok(&["incident", "act", "--as", "bob", "accept"]);
    // Only the giver makes the third call.
    no(&["incident", "act", "--as", "bob", "transfer"]);
    ok(&["incident", "act", "--as", "alice", "transfer"]);
    ok(&["timeline", "add", "--as", "bob", "The phones began to ring", "--ago", "3m"]);
    let shown = ok(&["timeline", "show", &id]).out;
    assert!(shown.contains("recorded 1") && shown.contains("The phones began to ring"), "{shown}");
    assert!(no(&["incident", "close", "--as", "bob", "over"]).contains("not everything is finished"));
    ok(&["incident", "close", "--as", "bob", "over", "--confirm"]);
    ok(&["timeline", "verify"]);
    let csv = ok(&["timeline", "export", "--format", "csv"]).out;
    assert!(csv.lines().count() > 8, "{csv}");
    let lines = ok(&["timeline", "export", "--format", "jsonl"]).out;
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a CloudEvents object");
        assert_eq!(event["specversion"], "1.0");
    }
    let list = ok(&["incident", "list", "--json"]).json();
    assert_eq!((list[0]["id"].as_str(), list.as_array().map(Vec::len)), (Some(id.as_str()), Some(1)));
}

fn segment_of(place: &Place, incident: &str) -> PathBuf {
    fs::read_dir(place.state().join("incidents").join(incident))
        .expect("the incident is there")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .expect("it has a segment")
}

#[test]
fn a_changed_timeline_is_found_out() {
    let place = Place::new();
    let id = place.run(&["incident", "open", "Something"]).out.trim().to_owned();
    assert_eq!(place.run(&["timeline", "verify", &id]).code, Some(0));
    let segment = segment_of(&place, &id);
    let text = fs::read_to_string(&segment).expect("it is text");
    fs::write(&segment, text.replace("Something", "Anything!")).expect("it is ours");
    let ran = place.run(&["timeline", "verify", &id]);
    assert_eq!(ran.code, Some(8), "{}", ran.out);
    assert!(ran.out.contains("NOT SOUND") && ran.out.contains(".jsonl"), "{}", ran.out);
}

#[test]
fn a_note_from_before_the_calendar_is_refused() {
    let place = Place::new();
    place.run(&["incident", "open", "Something"]);
    for ago in ["300000y", "500000000y"] {
        let ran = place.run(&["timeline", "add", "Long ago", "--ago", ago]);
        assert_eq!(ran.code, Some(2), "{ago}: {}", ran.err);
        assert!(ran.err.contains("before the beginning of the calendar"), "{}", ran.err);
    }
    assert!(!place.run(&["timeline", "show"]).out.contains("Long ago"), "nothing was recorded");
}

#[test]
fn what_an_export_leaves_out_is_said_however_quiet() {
    let place = Place::new();
    let id = place.run(&["incident", "open", "Something"]).out.trim().to_owned();
    let segment = segment_of(&place, &id);
    let text = fs::read_to_string(&segment).expect("it is text");
    fs::write(&segment, format!("no event at all\n{text}")).expect("it is ours");
    let ran = place.run(&["timeline", "export", "--format", "jsonl", "--quiet"]);
    assert!(ran.err.contains("left out: "), "{}{}", ran.out, ran.err);
}

#[test]
fn the_unit_for_boot_runs_what_it_says() {
    let place = Place::new();
    let unit = place.run(&["restore", "--unit"]);
    assert_eq!(unit.code, Some(0), "{}", unit.err);
    let line = unit.out.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let words: Vec<_> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let [program, arguments @ ..] = words.as_slice() else { panic!("{line}") };
    let ran = std::process::Command::new(program).args(arguments).output().expect("it starts");
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("nothing was left to undo"), "{ran:?}");
    assert_eq!(place.run(&["restore", "--boot", "--all"]).code, Some(2));
}
