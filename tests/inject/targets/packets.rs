//! What is done to the packets of one of two programs, and what each of them notices.

use std::time::Duration;

use super::client::Client;
use crate::Host;

/// Two programs in one network, and how the tool is told about one of them.
#[derive(Clone, Copy)]
pub(crate) struct Two<'a> {
    pub(crate) host: &'a Host,
    /// The words that run the tool where the target is known.
    pub(crate) within: &'a [String],
    /// The target.
    pub(crate) aim: [&'a str; 2],
    pub(crate) hurt: &'a Client,
    pub(crate) other: &'a Client,
}

/// Long enough for what passes to have passed.
const A_WHILE: Duration = Duration::from_millis(300);
const PEER: [&str; 2] = ["--to", "10.0.0.2"];

impl Two<'_> {
    /// Puts a fault in place that stays until it is ended.
    pub(crate) fn begin(&self, words: &[&str]) {
        let words = [words, &self.aim, &["--for", "1h", "--detach"]].concat();
        // The proof is what happens to the target's own packets, so there must be some.
        let ran = self.hurt.talking(|| self.host.run_within(self.within, &self.host.args(&words)));
        assert_eq!(ran.code, Some(0), "{words:?}:\n{}{}", ran.out, ran.err);
    }

    pub(crate) fn end(&self) {
        let ran = self.host.run_within(self.within, &["restore", "--all"]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        let faults = self.host.run_within(self.within, &["faults", "--json"]);
        assert_eq!(faults.json(), serde_json::json!([]));
    }

    /// Everything that can be told by socket, one kind after the other.
    pub(crate) fn every_kind(&self) {
        self.silent("partition");
        self.silent("half-open");
        self.silent("loss");
        self.ends("reject");
        self.ends("socket-kill");
        self.slow();
    }

    /// The one says nothing and keeps its connection, which goes on afterwards.
    pub(crate) fn silent(&self, kind: &str) {
        let all: &[&str] = if kind == "loss" { &["--loss", "100%"] } else { &[] };
        self.silent_by(&[&[kind], &PEER[..], all].concat());
    }

    /// The same by these words.
    pub(crate) fn silent_by(&self, words: &[&str]) {
        let (kind, before) = (words[0], (self.hurt.ended(), self.other.ended()));
        self.begin(words);
        let word = self.hurt.say();
        assert!(self.other.is_heard(), "{kind}: the other one is left alone");
        std::thread::sleep(A_WHILE);
        assert!(!self.hurt.heard(&word), "{kind}: the one is not heard");
        self.end();
        assert!(self.hurt.is_heard(), "{kind}: it goes on");
        assert_eq!((self.hurt.ended(), self.other.ended()), before, "{kind}: connections last");
    }

    /// The one's connections end, new ones too; the other's does not.
    pub(crate) fn ends(&self, kind: &str) {
        let (hurt, other) = (self.hurt.ended(), self.other.ended());
        self.begin(&[&[kind], &PEER[..]].concat());
        self.hurt.until_one_ended(hurt + 1);
        assert!(self.other.is_heard(), "{kind}: the other one is left alone");
        self.end();
        assert!(self.hurt.is_heard(), "{kind}: it connects again");
        assert_eq!(self.other.ended(), other, "{kind}: the other's connection lasts");
    }

    /// What the one sends queues for a slow link, and the other's passes it.
    pub(crate) fn slow(&self) {
        let (hurt, other) = (self.hurt.heard_of_much(), self.other.heard_of_much());
        self.begin(&["rate", "--rate", "8KiB/s", "--direction", "egress"]);
        let hurt = hurt + self.hurt.say_much();
        let other = other + self.other.say_much();
        super::until("the other one is heard", || self.other.heard_of_much() >= other);
        assert!(self.hurt.heard_of_much() < hurt, "the one began first and is not done");
        self.end();
        super::until("the one is heard", || self.hurt.heard_of_much() >= hurt);
    }
}
