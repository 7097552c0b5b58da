//! No size, key or message makes the screen panic, draw outside its frame or show a control character.

mod stand;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use deadstick_core::incident::Act;
use deadstick_core::probe::Answer;
use deadstick_tui::{Msg, Ran};
use proptest::prelude::*;
use stand::{Screen, WEB, bo, item};

/// Every kind of screen there is.
fn screens() -> Vec<Screen> {
    let states = [
        "",
        "Enter",
        "o",
        "o Enter",
        "?",
        ":",
        "c",
        "s",
        "x",
        "b",
        "i",
        "/",
        "Tab",
        "Tab Enter",
        "Tab PgUp",
        "q",
        "Ctrl-c",
        "r",
        "Down r",
        "Up f",
        "q f",
    ];
    let mut all: Vec<Screen> = states
        .iter()
        .map(|keys| {
            let mut screen = Screen::working();
            screen.alert(WEB);
            screen.sense("lock-pileup/checkout", Answer::Unknown, None);
            let text = "数据库锁住了 and a long, long line of text that has to be cut somewhere".to_owned();
            screen.other(&bo(), &Act::Note { text: text.clone(), occurred: None });
            screen.send(Msg::Drill(Some(text.clone())));
            let head = item("lock-pileup/head");
            screen.send(Msg::Ran { item: head.clone(), what: Ran::Started(vec![text.clone()]) });
            screen.send(Msg::Ran { item: head, what: Ran::Line(text.clone()) });
            if !keys.is_empty() {
                screen.press(keys);
            }
            screen.send(Msg::Paste(text));
            screen
        })
        .collect();
    all.push(Screen::new(deadstick_tui::Settings::new(stand::ana())));
    all
}

#[test]
fn every_screen_fits_every_size() {
    let small =
        (1..=64_u16).flat_map(|w| (1..=18_u16).map(move |h| (w, h))).filter(|(w, h)| w % 8 == 3 || *h < 4);
    let large =
        [(60, 16), (79, 15), (80, 24), (109, 40), (110, 17), (200, 60), (300, 100), (300, 1), (1, 100)];
    let sizes: Vec<(u16, u16)> = small.chain(large).collect();
    for screen in &mut screens() {
        for (columns, rows) in &sizes {
            // Drawn before the resize arrives, too: the terminal is faster than its message.
            screen.size = (*columns, *rows);
            let early = screen.text();
            screen.resize(*columns, *rows);
            let text = screen.text();
            assert!(early.chars().chain(text.chars()).all(|c| c == '\n' || !c.is_control()));
        }
    }
}

/// Keys that mean something, and some that do not.
fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => prop::sample::select("abcdefghijklmnopqrstuvwxyzACHNORGx123/?: -".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left,
            KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Backspace,
            KeyCode::Delete, KeyCode::F(5), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![5 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::ALT)];
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

#[derive(Clone, Debug)]
enum Step {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    Wait(i64),
    Sense(Answer),
    Alert,
    Note(String),
}

fn any_step() -> impl Strategy<Value = Step> {
    let answer = prop::sample::select(vec![Answer::Satisfied, Answer::Unsatisfied, Answer::Unknown]);
    prop_oneof![
        12 => any_key().prop_map(Step::Key),
        1 => ".{0,20}".prop_map(Step::Paste),
        2 => (1..=300_u16, 1..=100_u16).prop_map(|(w, h)| Step::Resize(w, h)),
        1 => (0..100_i64).prop_map(Step::Wait),
        1 => answer.prop_map(Step::Sense),
        1 => Just(Step::Alert),
        1 => ".{1,20}".prop_map(Step::Note),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_messages_breaks_the_screen(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut screen = Screen::working();
        for step in steps {
            match step {
                Step::Key(key) => screen.send(Msg::Key(key)),
                Step::Paste(text) => screen.send(Msg::Paste(text)),
                Step::Resize(columns, rows) => {
                    screen.size = (columns, rows);
                    let early = screen.text();
                    prop_assert_eq!(early.lines().count().max(usize::from(rows)), usize::from(rows));
                    screen.resize(columns, rows);
                }
                Step::Wait(seconds) => screen.wait(seconds),
                Step::Sense(answer) => screen.sense("lock-pileup/checkout", answer, Some("503")),
                Step::Alert => screen.alert(WEB),
                Step::Note(text) => {
                    let records = screen.log.act(screen.now, &bo(), &Act::Note { text, occurred: None });
                    screen.told(records.unwrap_or_default());
                }
            }
            let text = screen.text();
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
