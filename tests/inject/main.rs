//! `deadstick inject` as people type it: every example of its help, the foreground and the background, and what happens
//! when somebody is killed, changes their mind, mistypes or may not.

#[path = "../support/mod.rs"]
mod support;

#[path = "../../crates/faults/tests/common/certificates.rs"]
#[expect(dead_code, reason = "the tests of the faults crate use more of it")]
mod certificates;

#[path = "../../crates/faults/tests/common/server.rs"]
#[expect(dead_code, reason = "the tests of the faults crate use more of it")]
mod server;

#[path = "../../crates/faults/tests/common/group.rs"]
#[expect(dead_code, reason = "the tests of the faults crate use more of it")]
mod group;

mod data;
mod denied;
mod examples;
mod left;
mod life;
mod privileges;
mod refusals;
mod stage;
mod targets;
mod words;

use std::process::{Command, Stdio};

use support::{Place, Ran};

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed half way must not leave a fault in the background.
        if std::thread::panicking() {
            drop(self.place.command(&["restore", "--all"]).output());
        }
    }
}

/// A place whose policy allows everything.
pub(crate) struct Host {
    pub(crate) place: Place,
    policy: String,
}

impl Host {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let policy = place.file("policy.toml", "allow-all = true\n");
        Self { place, policy }
    }

    /// The arguments of an injection, from its words.
    pub(crate) fn args<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["inject"], words, &["--policy", &self.policy]].concat()
    }

    /// Runs the program to its end, by the words that run a program elsewhere.
    pub(crate) fn run_within(&self, within: &[String], args: &[&str]) -> Ran {
        let own = self.place.command(args);
        let [program, rest @ ..] = within else { return self.place.run(args) };
        let mut command = Command::new(program);
        command.args(rest).arg(own.get_program()).args(own.get_args());
        command.current_dir(self.place.path()).stdin(Stdio::null()).env_clear();
        for (name, value) in own.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        Ran::of(&command.output().expect("it starts"))
    }

    pub(crate) fn inject(&self, words: &[&str]) -> Ran {
        self.place.run(&self.args(words))
    }

    /// Nothing is injected any more, and no process or folder of this place is left.
    pub(crate) fn is_clean(&self, when: &str) {
        let left = self.place.residue_after(std::time::Duration::from_secs(10));
        assert_eq!(left, Vec::<String>::new(), "{when}");
        let faults = self.place.run(&["faults", "--json"]);
        assert_eq!(faults.json(), serde_json::json!([]), "{when}");
    }
}
