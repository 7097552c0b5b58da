//! Plain mode: what a whole session prints, and that its acts are those of the screen.

mod stand;

use deadstick_core::event::{Body, Event, IncidentSeverity};
use deadstick_core::incident::Act;
use deadstick_core::probe::Answer;
use deadstick_tui::Settings;
use deadstick_tui::plain::Plain;
use stand::{Pipe, Screen, ana, bo, item};

#[test]
fn a_whole_session() {
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("open lock-pileup");
    pipe.line("1");
    pipe.wait(60);
    pipe.line("run 2");
    pipe.line("yes");
    pipe.line("-30s confirm 2 4711");
    pipe.line("3");
    pipe.line("answer 3 2");
    pipe.line("5 with bo");
    pipe.wait(31);
    pipe.sense("lock-pileup/checkout", Answer::Unknown, None);
    pipe.line("7");
    pipe.sense("lock-pileup/checkout", Answer::Satisfied, Some("200"));
    pipe.line("-2m note the first page came in");
    pipe.line("status");
    pipe.line("close The dead session was terminated");
    pipe.line("yes");
    pipe.line("close The dead session was terminated");
    pipe.line("yes");
    pipe.line("quit");
    insta::assert_snapshot!("session", pipe.printed.join("\n"));
}

#[test]
fn screen_and_plain_mode_send_the_same_acts() {
    let mut screen = Screen::working();
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("open #1");
    screen.wait(600);
    pipe.wait(600);

    screen.press("b");
    screen.enter_text("3m");
    screen.press("Enter");
    pipe.line("-3m 1");

    screen.press("r Enter");
    pipe.line("run 2");
    pipe.line("yes");

    screen.press("Enter");
    screen.enter_text("14:05 4711");
    screen.press("Enter n");
    pipe.line("14:05 confirm head 4711");
    pipe.line("answer 3 no");

    screen.press("Enter");
    screen.enter_text("bo");
    screen.press("Enter");
    pipe.line("confirm 5 with bo");

    screen.press("o");
    screen.enter_text("the queue is empty");
    screen.press("Enter y");
    pipe.line("override 6 the queue is empty");

    screen.press("Up Up u");
    screen.press("Esc Up Up Up Up u");
    screen.enter_text("wrong item");
    screen.press("Enter");
    pipe.line("reopen 1 wrong item");

    screen.press("s 1");
    pipe.line("severity 1");

    screen.press("c o");
    screen.enter_text("bo");
    screen.press("Enter Enter");
    pipe.line("offer bo");

    screen.press("c d");
    screen.enter_text("not now");
    screen.press("Enter");
    pipe.line("decline not now");

    screen.press("i");
    screen.enter_text("-1m saw it");
    screen.press("Enter");
    pipe.line("-1m note saw it");

    screen.press("H");
    screen.enter_text("10m");
    screen.press("Enter Enter");
    pipe.line("hold lock-pileup 10m");

    screen.press("Enter");
    pipe.line("open lock-pileup");

    screen.press("C y");
    pipe.line("clear-alert lock-pileup");

    screen.press("R");
    screen.enter_text("from the top");
    screen.press("Enter");
    pipe.line("reset lock-pileup from the top");

    screen.press("O");
    screen.enter_text("false alarm");
    screen.press("Enter");
    screen.enter_text("bo");
    screen.press("Enter y");
    pipe.line("override-checklist lock-pileup false alarm with bo");

    screen.press("x");
    screen.enter_text("nothing was wrong");
    screen.press("Enter y");
    pipe.line("close nothing was wrong");
    pipe.line("yes");

    assert_eq!(screen.acts(), pipe.acts());
    let bodies = |records: &[deadstick_core::event::Record]| {
        records.iter().map(|r| (r.event.occurred, r.event.body.clone())).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&screen.log.records), bodies(&pipe.log.records));
    assert_eq!(screen.log.incident.bar().closed_at, Some(screen.now));
}

#[test]
fn lines_that_cannot_be_meant_do_nothing_and_say_what_could() {
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("open lock-pileup");
    let sent = pipe.acts().len();
    for (line, hint) in [
        ("fix it", "no command"),
        ("confirm", "which item"),
        ("confirm 99", "no item"),
        ("confirm 2", "backend pid"),
        ("2", "backend pid"),
        ("answer 3 maybe", "yes, no"),
        ("answer 3 7", "yes, no"),
        ("override 1", "because"),
        ("-3m severity 1", "only confirm"),
        ("-3m", "what happened then"),
        ("open nowhere", "no checklist"),
        ("open #7", "no checklist"),
        ("severity 9", "1 is the worst"),
        ("yes", "nothing was asked"),
        ("hold lock-pileup soon", "not a duration"),
        ("note", "something is missing"),
        ("confirm web-errors/look", "no item"),
    ] {
        let error = pipe.plain.parse(line, pipe.now).expect_err(line);
        assert!(error.to_string().contains(hint), "{line:?} said {error}");
    }
    assert_eq!(pipe.acts().len(), sent);
    assert_eq!(pipe.plain.parse("   ", pipe.now), Ok(Vec::new()));
}

#[test]
fn a_question_is_forgotten_when_something_else_is_said() {
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("close all good");
    pipe.line("note one moment");
    assert!(pipe.plain.parse("yes", pipe.now).is_err());
    assert!(!pipe.acts().iter().any(|act| matches!(act, Act::Close { .. })));
}

#[test]
fn staged_events_are_told_after_the_verdict() {
    let mut pipe = Pipe::new(Settings::new(ana()));
    let mut records = pipe.log.open(pipe.now, true);
    let step = Body::DrillStep { what: "started the nightly job".to_owned() };
    records.extend(pipe.log.fold(vec![Event::now(pipe.now, ana(), step)]));
    pipe.told(&records);
    assert!(!pipe.printed.join("\n").contains("nightly"));
    let verdict = Body::DrillVerdict {
        verdict: deadstick_core::event::Verdict::Outage,
        because: "steady state was lost".to_owned(),
    };
    let records = pipe.log.fold(vec![Event::now(pipe.now, ana(), verdict)]);
    pipe.told(&records);
    assert_eq!(pipe.printed.iter().filter(|line| line.contains("nightly")).count(), 1);
}

#[test]
fn nothing_is_printed_twice_or_drawn() {
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("open lock-pileup");
    let before = pipe.printed.len();
    for _ in 0..5 {
        pipe.told(&[]);
        pipe.wait(1);
    }
    assert_eq!(pipe.printed.len(), before, "{:?}", &pipe.printed[before..]);
    let evil = Body::Note { text: "a\u{1b}[2J\u{2588}b".to_owned() };
    let records = pipe.log.fold(vec![Event::now(pipe.now, bo(), evil)]);
    pipe.told(&records);
    let all = pipe.printed.join("\n");
    assert!(all.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(
        !all.chars()
            .any(|c| ('\u{2500}'..='\u{257f}').contains(&c) || ('\u{2800}'..='\u{28ff}').contains(&c))
    );
}

#[test]
fn help_names_every_verb_and_every_verb_is_understood() {
    let mut plain = Plain::new(Settings::new(ana()));
    let effects = plain.parse("help", stand::start()).expect("help always works");
    let [deadstick_tui::Effect::Print(lines)] = effects.as_slice() else { panic!("not one text") };
    let verbs = lines.iter().skip(2).flat_map(|line| {
        let (usage, _) = line.split_once(':').expect("usage: meaning");
        usage.split(", ").map(|one| one.trim_start_matches("-3m ").split(' ').next().unwrap_or("").to_owned())
    });
    for verb in verbs {
        let said = plain.parse(&verb, stand::start()).err().map(|hint| hint.to_string()).unwrap_or_default();
        assert!(!said.contains("is no command"), "{verb}: {said}");
    }
}

#[test]
fn back_dated_severity_is_not_a_thing_but_severity_is() {
    let mut pipe = Pipe::with_alert();
    pipe.line("assume");
    pipe.line("severity sev3");
    assert_eq!(pipe.acts().pop(), Some(Act::SetSeverity { severity: IncidentSeverity::Sev3 }));
    pipe.line("open lock-pileup");
    pipe.line("lock-pileup/freeze");
    pipe.line("confirm lock-pileup/freeze");
    let freeze = item("lock-pileup/freeze");
    assert!(matches!(pipe.acts().pop(), Some(Act::Confirm { item, .. }) if item == freeze));
}
