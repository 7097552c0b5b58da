//! What keys do, and what nothing may take away: typed text, the cursor, the focus.

mod stand;

use deadstick_core::event::Body;
use deadstick_core::incident::Act;
use deadstick_core::probe::Answer;
use deadstick_tui::keymap::{BINDINGS, Keymap};
use deadstick_tui::{Effect, Msg, Ran, Settings};
use stand::{LOCK, Screen, WEB, ana, bo, item, start};

#[test]
fn what_is_being_typed_survives_everything_that_comes_in() {
    let mut screen = Screen::working();
    screen.press("i");
    screen.enter_text("the queue is gro");
    screen.alert(WEB);
    screen.sense("lock-pileup/checkout", Answer::Unsatisfied, Some("503"));
    screen.other(&bo(), &Act::Note { text: "me too".to_owned(), occurred: None });
    screen.send(Msg::Failed("the log cannot be written".to_owned()));
    screen.send(Msg::Notice("hello".to_owned()));
    screen.resize(20, 4);
    screen.resize(1, 1);
    screen.resize(80, 24);
    screen.wait(30);
    screen.sees("Note: the queue is gro");
    assert_eq!(screen.model.draft(), "the queue is gro");
    screen.send(Msg::Paste("wing\nfast\u{1b}[2J".to_owned()));
    screen.press("Enter");
    let text = "the queue is growing fast[2J".to_owned();
    assert_eq!(screen.last_act(), Act::Note { text, occurred: None });
    assert_eq!(screen.model.draft(), "");
}

#[test]
fn a_note_left_half_typed_comes_back() {
    let mut screen = Screen::working();
    screen.press("i");
    screen.enter_text("look at bo's");
    screen.press("Esc");
    assert_eq!(screen.model.draft(), "look at bo's");
    screen.press("t");
    screen.sees("Note: look at bo's");
    screen.press("Ctrl-c");
    screen.sees("Leave the screen?");
    screen.press("n i");
    screen.sees("Note: look at bo's");

    let mut later = Screen::new(Settings { draft: screen.model.draft().to_owned(), ..Settings::new(ana()) });
    later.opened(false);
    later.press("i");
    later.sees("Note: look at bo's");
}

#[test]
fn a_refusal_gives_back_what_was_typed() {
    let mut screen = Screen::working();
    screen.press("Enter Enter");
    screen.enter_text("4711");
    screen.press("Enter n");
    screen.press("Enter");
    // The second person is the first one again.
    screen.enter_text("ana");
    screen.press("Enter");
    screen.sees("Not done:");
    screen.press("Enter");
    screen.sees("Second person, who agrees: ana");
}

#[test]
fn alerts_come_as_a_banner_and_move_nothing() {
    let mut screen = Screen::working();
    screen.press("Down Down");
    let before = screen.text();
    let cursor = |text: &str| {
        text.lines().find(|line| line.starts_with("> ") && line.contains("[ ]")).map(str::to_owned)
    };
    assert!(cursor(&before).is_some_and(|line| line.contains("client alive")));
    let other = WEB.replace("web-errors", "web-slow").replace("WEB: ERRORS", "WEB: SLOW");
    screen.alert(&other);
    screen.sees("! New CAUTION: WEB: SLOW");
    assert_eq!(cursor(&screen.text()), cursor(&before));
    screen.press("Esc");
    screen.sees_not("! New CAUTION");
}

#[test]
fn a_probe_that_completes_the_line_under_the_cursor_leaves_the_cursor() {
    let mut screen = Screen::working();
    for _ in 0..6 {
        screen.press("Down");
    }
    screen.sees(">  (~)  7 Checkout answers");
    screen.press("Enter");
    assert!(
        !screen.acts().iter().any(|act| matches!(act, Act::Confirm { .. })),
        "only its probe completes it"
    );
    screen.sense("lock-pileup/checkout", Answer::Satisfied, Some("200"));
    screen.sees(">  [=]  7 Checkout answers");
    screen.sense("lock-pileup/checkout", Answer::Unsatisfied, Some("503"));
    screen.sees("NO LONGER TRUE: 503");
    screen.sees("! No longer true: Checkout answers");
    screen.wait(3);
    screen.sees("3s ago");
}

#[test]
fn back_dating_is_one_key() {
    let mut screen = Screen::working();
    screen.wait(600);
    screen.press("b");
    screen.sees("When was it");
    screen.enter_text("3m");
    screen.press("Enter");
    let Act::Confirm { occurred, .. } = screen.last_act() else { panic!("not a confirmation") };
    assert_eq!(occurred.map(|at| (screen.now - at).num_seconds()), Some(180));
    screen.sees("14:07:00");
    screen.press("i");
    screen.enter_text("14:05 the first page came in");
    screen.sees("happened 14:05:00Z");
    screen.press("Enter");
    let at = "2026-11-21T14:05:00Z".parse().expect("a time");
    assert_eq!(
        screen.last_act(),
        Act::Note { text: "the first page came in".to_owned(), occurred: Some(at) }
    );
    screen.sees("14:05:00<");
}

#[test]
fn override_needs_a_reason_and_two_presses() {
    let mut screen = Screen::working();
    let sent = screen.acts().len();
    screen.press("o Enter");
    screen.sees("this cannot be left empty");
    screen.enter_text("nothing is deployed at night");
    screen.press("Enter Enter");
    assert_eq!(screen.acts().len(), sent, "not before the second press");
    screen.press("y");
    assert!(
        matches!(screen.last_act(), Act::Override { reason, .. } if reason == "nothing is deployed at night")
    );
    screen.press("Up u");
    screen.sees("Take the override back");
    screen.press("y");
    assert_eq!(screen.last_act(), Act::ClearOverride { item: item("lock-pileup/freeze") });
}

#[test]
fn a_confirmation_can_be_taken_back_for_ten_seconds_from_anywhere() {
    let mut screen = Screen::working();
    screen.press("Enter");
    screen.sees(">| [ ]  2 Find the session");
    screen.press("u");
    screen.enter_text("wrong line");
    screen.press("Enter");
    let expected = Act::Reopen { item: item("lock-pileup/freeze"), reason: "wrong line".to_owned() };
    assert_eq!(screen.last_act(), expected);
    screen.press("Up Enter");
    screen.wait(11);
    screen.sees_not("u undo");
}

#[test]
fn a_command_is_shown_before_it_runs() {
    let mut screen = Screen::working();
    screen.press("Down r");
    screen.sees("Run: deadstick probe sql --query 'select 1'?");
    let sent = screen.acts().len();
    screen.press("Esc");
    assert_eq!(screen.acts().len(), sent);
    screen.press("r Enter");
    let head = item("lock-pileup/head");
    assert_eq!(screen.last_act(), Act::Run { item: head.clone(), with: None });
    let command = vec!["deadstick".to_owned(), "probe".to_owned()];
    screen.send(Msg::Ran { item: head.clone(), what: Ran::Started(command) });
    screen.send(Msg::Ran { item: head.clone(), what: Ran::Line("4711\u{1b}[2J".to_owned()) });
    screen.resize(80, 40);
    screen.sees("running: deadstick probe");
    screen.sees("4711[2J");
    screen.send(Msg::Ran { item: head, what: Ran::Ended(Some(3)) });
    screen.sees("it ended with status 3");
}

#[test]
fn leaving_asks_and_says_how_to_come_back() {
    let mut screen =
        Screen::new(Settings { resume: "deadstick respond 42".to_owned(), ..Settings::new(ana()) });
    screen.opened(false);
    screen.alert(LOCK);
    screen.press("a Enter q");
    assert!(
        !screen.effects.iter().any(|effect| matches!(effect, Effect::Quit { .. })),
        "q left the checklist only"
    );
    screen.press("q q");
    let farewell = "The incident stays open. To come back: deadstick respond 42".to_owned();
    assert_eq!(screen.effects.last(), Some(&Effect::Quit { farewell }));
    screen.press("Ctrl-z");
    assert_eq!(screen.effects.last(), Some(&Effect::Suspend));
}

#[test]
fn the_filter_narrows_and_n_steps() {
    let mut screen = Screen::working();
    for n in 0..30 {
        screen.other(
            &bo(),
            &Act::Note {
                text: format!("line {n} {}", if n % 3 == 0 { "Red" } else { "blue" }),
                occurred: None,
            },
        );
    }
    screen.press("/");
    screen.enter_text("red");
    screen.sees("10 of 35 contain \"red\"");
    screen.sees_not("blue");
    screen.press("Enter N N");
    screen.sees("> 14:00:00 bo noted: line 21 Red");
    screen.press("n");
    screen.sees("> 14:00:00 bo noted: line 24 Red");
    screen.press("Enter");
    screen.sees("recorded  2026-11-21 14:00:00");
    screen.press("Esc Esc");
    screen.sees("line 24 Red");
    screen.sees("blue");
}

#[test]
fn reading_back_is_not_disturbed_by_new_entries() {
    let mut screen = Screen::working();
    for n in 0..30 {
        screen.other(&bo(), &Act::Note { text: format!("line {n}"), occurred: None });
    }
    screen.press("Tab PgUp PgUp");
    let reading = |screen: &Screen| {
        let text = screen.text();
        text.lines().filter(|line| line.contains("noted")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = reading(&screen);
    screen.other(&bo(), &Act::Note { text: "newest".to_owned(), occurred: None });
    screen.other(&bo(), &Act::Note { text: "older".to_owned(), occurred: Some(start()) });
    assert_eq!(reading(&screen), before);
    screen.press("End");
    screen.sees("newest");
}

#[test]
fn help_is_searched_by_name_and_by_key_and_lists_only_what_works() {
    let mut screen = Screen::working();
    screen.press("?");
    screen.sees("Keys that work in the checklist now");
    screen.enter_text("reason");
    screen.sees("Goes past the line with a reason");
    screen.sees_not("unfold");
    screen.press("Esc :");
    screen.enter_text("unfold");
    screen.sees("not here. Shows or folds");
    screen.press("Esc :");
    screen.enter_text("severity");
    screen.press("Enter");
    screen.sees("How bad is it?");
}

#[test]
fn the_palette_lists_every_action() {
    let mut screen = Screen::working();
    screen.resize(140, 60);
    screen.press(":");
    for binding in BINDINGS {
        screen.sees(binding.does.get(..30).unwrap_or(binding.does));
    }
}

#[test]
fn rebound_keys_work_and_are_shown() {
    let mut keys = Keymap::default();
    keys.rebind("note", &["m"]).expect("m is free");
    let mut screen = Screen::new(Settings { keys, ..Settings::new(ana()) });
    screen.opened(false);
    screen.sees("m note");
    screen.press("m");
    screen.sees("Note:");
    screen.press("Esc i");
    screen.sees("i does nothing here; ? shows the keys that do");
}

#[test]
fn what_a_drill_stages_is_hidden_until_the_verdict() {
    let hole = || Body::DrillStep { what: "started the nightly job".to_owned() };
    let verdict = || Body::DrillVerdict {
        verdict: deadstick_core::event::Verdict::Outage,
        because: "steady state was lost for 6s".to_owned(),
    };
    let mut screen = Screen::new(Settings::new(ana()));
    screen.opened(true);
    screen.body(hole());
    screen.body(Body::DrillPhase { phase: deadstick_core::event::Phase::Run });
    screen.sees_not("nightly job");
    screen.sees_not("phase");
    screen.press("/");
    screen.enter_text("nightly");
    screen.sees("0 of 1 contain");
    screen.press("Esc");
    screen.body(verdict());
    screen.sees("nightly job");
    screen.sees("verdict: outage");

    let mut facilitator = Screen::new(Settings { facilitator: true, ..Settings::new(ana()) });
    facilitator.opened(true);
    facilitator.body(hole());
    facilitator.sees("nightly job");
}

#[test]
fn foreign_text_reaches_the_screen_without_its_control_sequences() {
    let mut screen = Screen::new(Settings::new(ana()));
    let records = screen.log.open(screen.now, false);
    screen.told(records);
    screen.send(Msg::Drill(Some("lab\u{1b}]0;owned\u{7} is \u{202e}up".to_owned())));
    screen.send(Msg::Failed("\u{9b}31mred".to_owned()));
    let text = screen.text();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    screen.sees("lab]0;owned is up");
}

#[test]
fn colour_is_absent_unless_asked_for() {
    use deadstick_tui::{Colour, view};
    use ratatui::style::Color;
    use ratatui::{Terminal, backend::TestBackend};
    for (colour, expected) in [(Colour::Never, false), (Colour::Always, true)] {
        let mut screen = Screen::new(Settings { colour, ..Settings::new(ana()) });
        screen.opened(false);
        screen.alert(LOCK);
        screen.press("a Enter Enter");
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a test backend");
        terminal.draw(|frame| view(frame, &screen.model)).expect("a test backend");
        let buffer = terminal.backend().buffer();
        assert!(
            buffer.content.iter().all(|cell| cell.bg == Color::Reset),
            "the background is the terminal's own"
        );
        assert_eq!(buffer.content.iter().any(|cell| cell.fg != Color::Reset), expected);
        let named = |c: Color| !matches!(c, Color::Rgb(..) | Color::Indexed(_) | Color::White | Color::Black);
        assert!(buffer.content.iter().all(|cell| named(cell.fg)));
    }
}

#[test]
fn a_louder_alert_does_not_come_to_lie_under_the_cursor() {
    let mut screen = Screen::new(Settings::new(ana()));
    screen.opened(false);
    let quiet = WEB.replace("web-errors", "web-slow").replace("WEB: ERRORS", "WEB: SLOW");
    screen.alert(&quiet);
    screen.press("a");
    screen.alert(LOCK);
    screen.sees(">   CAUTION  WEB: SLOW");
    screen.sees("! New WARNING: DATABASE");
    screen.sees("Another alert has come in: DATABASE: REQUESTS WAIT ON LOCKS. Choose it and press");
    screen.press("Enter");
    assert_eq!(screen.last_act(), Act::Open { checklist: "web-slow".parse().expect("a name") });
}

#[test]
fn what_is_for_the_holder_of_control_says_so() {
    let mut screen = Screen::with_alert();
    screen.press("s");
    screen.sees("Nobody has control; a takes it");
    screen.other(&bo(), &Act::AssumeControl);
    screen.press("x");
    screen.sees("That is for bo, who has control");
    screen.press("c");
    screen.sees("bo has control; ask bo to offer it to you");
}

#[test]
fn deferred_items_can_be_done_left_and_dropped() {
    let mut screen = Screen::working();
    screen.press("End");
    screen.sees(">  [ ]  8 Set lock_timeout");
    screen.press("d");
    let timeout = item("lock-pileup/timeout");
    assert_eq!(screen.last_act(), Act::Defer { item: timeout.clone() });
    screen.sees("[>]  8");
    screen.press("d");
    screen.enter_text("the setting is there");
    screen.press("Enter");
    let reason = "the setting is there".to_owned();
    assert_eq!(screen.last_act(), Act::CancelDeferral { item: timeout, reason });
    assert!(screen.refused.is_empty(), "{:?}", screen.refused);
}

#[test]
fn dual_control_is_loud_on_every_screen() {
    let mut screen = Screen::working();
    let records =
        screen.log.fold(vec![deadstick_core::event::Event::now(screen.now, bo(), Body::ControlAssumed)]);
    screen.told(records);
    screen.sees("DUAL CONTROL");
    screen.resize(50, 12);
    screen.sees("DUAL CONTROL");
}

#[test]
fn a_failure_gives_back_what_could_not_be_recorded() {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use deadstick_tui::update;
    let mut screen = Screen::working();
    screen.press("i");
    screen.enter_text("disk is full");
    // Not through the stand, which would record it.
    let effects = update(&mut screen.model, Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    assert!(matches!(effects.as_slice(), [Effect::Act(Act::Note { .. })]));
    screen.send(Msg::Failed("the log cannot be written: no space left".to_owned()));
    screen.sees("! the log cannot be written");
    assert_eq!(screen.model.draft(), "disk is full");
    screen.press("i Enter");
    screen.send(Msg::Failed("a probe could not be started".to_owned()));
    assert_eq!(screen.model.draft(), "", "that note was recorded");
}
