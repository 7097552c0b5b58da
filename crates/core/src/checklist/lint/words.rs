//! Rules about wording. They look at words, not at meaning: what they cannot judge is waived with a reason.

use crate::checklist::{Checklist, Item, Kind};

use super::Findings;

/// Responses that say that something was done, not what state it is in now.
const EMPTY_RESPONSES: [&str; 9] =
    ["set", "checked", "check", "ok", "okay", "done", "as required", "appropriate", "as appropriate"];
/// Verbs that begin an action; after "and" or "then" they begin a second one.
const VERBS: [&str; 44] = [
    "add",
    "announce",
    "ask",
    "block",
    "call",
    "cancel",
    "change",
    "check",
    "close",
    "confirm",
    "deploy",
    "disable",
    "drain",
    "enable",
    "end",
    "find",
    "inform",
    "kill",
    "look",
    "make",
    "move",
    "note",
    "open",
    "page",
    "pause",
    "post",
    "promote",
    "read",
    "remove",
    "restart",
    "resume",
    "roll",
    "run",
    "scale",
    "send",
    "set",
    "start",
    "stop",
    "switch",
    "tell",
    "terminate",
    "turn",
    "verify",
    "wait",
];
const NEGATIONS: [&str; 9] =
    ["not", "never", "don't", "dont", "cannot", "can't", "won't", "shouldn't", "mustn't"];
const VAGUE: [&str; 14] = [
    "soon",
    "some",
    "several",
    "shortly",
    "a while",
    "a few",
    "a bit",
    "if needed",
    "if necessary",
    "as needed",
    "periodically",
    "regularly",
    "enough",
    "etc",
];
const NOBODY: [&str; 7] = ["someone", "somebody", "anyone", "anybody", "can we", "can you", "could we"];

pub(super) fn check(checklist: &Checklist, findings: &mut Findings) {
    for item in &checklist.items {
        challenge(item, findings);
        if let Some(response) = &item.response {
            response_words(item, response, findings);
        }
    }
}

fn challenge(item: &Item, findings: &mut Findings) {
    let words = words(&item.text);
    let hint = "say it shorter; put the reason into `why:`";
    findings.limit("L06", &item.place, words.len(), (6, usize::MAX), "words in one line", hint);
    if let Some(word) = phrase(&words, &VAGUE) {
        findings.warning("W06", &item.place, format!("`{word}` is vague"), "name the amount or the time");
    }
    if let Some(word) = phrase(&words, &NOBODY) {
        findings.error("W08", &item.place, format!("`{word}` is nobody"), "name a role in `by:`");
    }
    if !matches!(item.kind, Kind::Do | Kind::Deferred { .. }) {
        return;
    }
    if let Some(word) = phrase(&words, &NEGATIONS) {
        let message = format!("`{word}` in an action");
        findings.error("W04", &item.place, message, "say what to do, not what to leave");
    }
    let second = words
        .windows(2)
        .any(|pair| pair[0] == "then" || (pair[0] == "and" && VERBS.contains(&pair[1].as_str())));
    if second || item.text.contains(';') {
        findings.error("W02", &item.place, "two actions in one item", "make two items of it");
    }
}

fn response_words(item: &Item, response: &str, findings: &mut Findings) {
    let words = words(response);
    let hint = "name the state in a word or two";
    findings.limit("L06", &item.place, words.len(), (4, usize::MAX), "words in a response", hint);
    if EMPTY_RESPONSES.contains(&words.join(" ").as_str()) {
        let message = format!("the response `{response}` names no state");
        findings.error("W01", &item.place, message, "say what is to be seen, such as STOPPED or 3 REPLICAS");
    }
}

/// The words of a text in lower case, without the punctuation around them.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The first of some phrases that stands among the words.
fn phrase<'a>(words: &[String], phrases: &[&'a str]) -> Option<&'a str> {
    phrases.iter().copied().find(|phrase| {
        let parts: Vec<&str> = phrase.split(' ').collect();
        words.windows(parts.len()).any(|window| window.iter().zip(&parts).all(|(a, b)| a == b))
    })
}
