//! Every kind of fault in a small drill of its own: it lands, hurts users as one expects, is undone, and they recover.

mod support;

use serde_json::{Value, json};
use support::{Place, Ran, interfaces};

/// Stages one of the playbooks beside this file.
fn drill(name: &str, args: &[&str]) -> (Place, Ran, Value) {
    let place = Place::new();
    let path = format!("{}/../../tests/playbooks/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let before = interfaces();
    let ran = place.run(&[&["drill", &path, "--headless", "--json"], args].concat());
    assert_eq!(place.residue(), Vec::<String>::new(), "{}", ran.err);
    assert_eq!(interfaces(), before, "the machine's own network is as it was");
    let report = ran.json();
    assert_eq!((ran.code, &report["residue"]), (Some(0), &json!([])), "{report}\n{}", ran.err);
    assert_eq!(place.run(&["faults", "--json"]).json(), json!([]));
    (place, ran, report)
}

/// It hurts for as long as it is there, and no longer.
fn hurts(name: &str) {
    let (_place, ran, report) = drill(name, &[]);
    assert_eq!(report["verdict"], "outage", "{report}\n{}", ran.err);
    assert!(ran.err.contains(" take effect: "), "it was proved:\n{}", ran.err);
    let steady = &report["steady_state"];
    assert!(steady["lost_at"].is_string() && steady["regained_at"].is_string(), "{report}");
}

#[test]
fn latency_makes_users_wait() {
    hurts("latency");
}

#[test]
fn a_partition_cuts_users_off() {
    hurts("partition");
}

#[test]
fn a_table_lock_keeps_users_waiting() {
    hurts("lock");
}

#[test]
fn a_forgotten_transaction_hurts_once_a_migration_waits_for_it() {
    hurts("idle-in-transaction");
}

#[test]
fn a_stopped_front_answers_nobody() {
    hurts("pause");
}

#[test]
fn a_file_lock_turns_writers_away() {
    hurts("file-lock");
}

/// What was in flight is lost; whoever comes next gets a new connection and notices nothing.
#[test]
fn half_open_connections_are_replaced_by_new_ones() {
    let (_place, ran, report) = drill("half-open", &[]);
    assert_eq!(report["verdict"], "no-outage", "{report}\n{}", ran.err);
    assert!(ran.err.contains(" take effect: "), "it was proved:\n{}", ran.err);
    assert!(report["steady_state"]["lost_at"].is_string(), "somebody was on an old connection: {report}");
}

#[test]
fn without_the_fault_users_notice_nothing() {
    let (_place, ran, report) = drill("lock", &["--close", "link"]);
    assert_eq!((&report["verdict"], &report["holes"]), (&json!("no-outage"), &json!([])), "{}", ran.err);
    assert_eq!(report["steady_state"]["lost_at"], Value::Null, "{report}\n{}", ran.err);
}
