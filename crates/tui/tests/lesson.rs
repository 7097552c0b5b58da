//! One incident from the first frame to the last, by keys only: what is on the screen at each step.

mod stand;

use deadstick_core::event::IncidentSeverity;
use deadstick_core::incident::Act;
use deadstick_core::probe::Answer;
use deadstick_tui::Settings;
use stand::{LOCK, Screen, WEB, ana, bo};

#[test]
fn a_newcomer_is_led_from_alert_to_close() {
    let mut screen = Screen::new(Settings::new(ana()));
    insta::assert_snapshot!("empty", screen.text());
    screen.opened(true);
    screen.wait(12);
    screen.alert(LOCK);
    screen.wait(1);
    insta::assert_snapshot!("alert", screen.text());
    screen.press("a");
    screen.sees("An alert has come in. Press Enter to open its checklist.");
    screen.press("Enter");
    insta::assert_snapshot!("opened", screen.text());
    screen.wait(5);
    screen.press("Enter");
    screen.sees("u undo");
    screen.press("Enter");
    screen.enter_text("-3m 4711");
    insta::assert_snapshot!("reading", screen.text());
    screen.press("Enter");
    insta::assert_snapshot!("decide", screen.text());
    screen.press("n");
    screen.press("Enter");
    screen.enter_text("bo");
    screen.press("Enter");
    insta::assert_snapshot!("waiting", screen.text());
    screen.wait(31);
    screen.sense("lock-pileup/checkout", Answer::Unknown, None);
    screen.press("Enter");
    insta::assert_snapshot!("unknown", screen.text());
    screen.sense("lock-pileup/checkout", Answer::Satisfied, Some("200"));
    screen.wait(2);
    insta::assert_snapshot!("complete", screen.text());
    screen.press("x");
    screen.enter_text("The dead job's session was terminated");
    screen.press("Enter y");
    screen.sees("not everything is finished");
    screen.press("x");
    insta::assert_snapshot!("abandon", screen.text());
    screen.press("Enter y");
    screen.sees("CLOSED");
    screen.sees("The incident is closed.");
    assert!(matches!(screen.last_act(), Act::Close { confirm: true, .. }));
    let finished = screen.log.incident.bar();
    assert!(finished.closed_at.is_some());
}

#[test]
fn a_wide_screen_has_the_timeline_beside() {
    let mut screen = Screen::working();
    screen.alert(WEB);
    screen.resize(130, 30);
    screen.press("Enter Enter");
    screen.enter_text("4711");
    screen.press("Enter y");
    insta::assert_snapshot!("wide", screen.text());
}

#[test]
fn a_small_screen_shows_the_line_and_the_keys() {
    let mut screen = Screen::working();
    screen.resize(40, 10);
    insta::assert_snapshot!("column", screen.text());
    screen.resize(19, 3);
    assert_eq!(screen.text(), "[ ] Stop deploys...\n\n");
    screen.resize(30, 2);
    assert_eq!(screen.text(), "[ ] Stop deploys and migrat...\n");
}

#[test]
fn folded_alerts_and_finished_lists_stay_in_the_queue() {
    let mut screen = Screen::with_alert();
    screen.alert(WEB);
    screen.sees("+1 inhibited");
    screen.sees_not("CAUTION");
    screen.press("f");
    screen.sees("CAUTION  WEB: ERRORS");
    screen.press("f");
    screen.sees_not("CAUTION");
}

#[test]
fn control_is_handed_over_in_three_calls() {
    let mut screen = Screen::working();
    screen.press("c");
    insta::assert_snapshot!("control", screen.text());
    screen.press("o");
    screen.enter_text("bo");
    screen.press("Enter Enter");
    screen.sees("offered to bo");
    screen.other(&bo(), &Act::Accept);
    screen.sees("bo says \"I have control\". Press c then t to hand it over.");
    screen.press("c t y");
    screen.sees("control: bo");
    screen.sees_not("control: bo (you)");
    screen.other(&bo(), &Act::Offer { to: "ana".to_owned(), brief: None });
    screen.sees("bo offers you control. Press c then a");
    screen.press("c a");
    assert_eq!(screen.last_act(), Act::Accept);
    screen.other(&bo(), &Act::Transfer);
    screen.sees("control: ana (you)");
}

#[test]
fn severity_is_one_menu_away() {
    let mut screen = Screen::working();
    screen.press("s 1");
    assert_eq!(screen.last_act(), Act::SetSeverity { severity: IncidentSeverity::Sev1 });
    screen.sees("SEV1");
}
