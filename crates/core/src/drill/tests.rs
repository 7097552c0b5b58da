//! The drill engine against a scripted world.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::event::Phase;
use crate::lab::{Command, LabDescription, Setting, Values};
use crate::playbook::{Playbook, Toxics, World};
use crate::source::Source;

static LAB: LabDescription = LabDescription {
    name: "toy",
    about: "a toy",
    hosts: &["job"],
    settings: &[Setting {
        key: "door",
        default: "shut",
        values: Values::Words(&["shut", "open"]),
        about: "",
    }],
    commands: &[Command { name: "job", about: "", options: &[] }],
    variables: &["shop.url"],
};

const TEXT: &str = r#"
playbook: toy
title: A toy
lab: toy
steady-state:
  - probe: page
    http: { url: "{{shop.url}}/", timeout: 1s }
    every: 100ms
    tolerate: { success: 90%, p95: 300ms, over: 1s }
probes:
  - probe: db
    http: { url: "{{shop.url}}/db" }
story: [{ at: 0s, steps: { run: { lab: job } } }]
slices:
  - { slice: door, defence: shut, hole: open, open: { lab: { door: open } } }
  - { slice: job, defence: goes on, hole: stops, at: 1s, open: [{ wait: 500ms }, { fault: pause, target: { lab: job } }] }
outage: { steady-state-lost-for: 3s }
abort: { after: 1m, when: [{ probe: db, unsatisfied-for: 2s }] }
"#;

fn playbook() -> Playbook {
    let source = Source { name: "toy.yaml".into(), text: TEXT.into() };
    let checklists = BTreeMap::new();
    let toxics = Toxics { kinds: &[], check: |_| Ok(()) };
    Playbook::read(&source, &World { labs: &[&LAB], checklists: &checklists, toxics })
        .expect("the toy playbook is right")
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn drill(open: &[&str], respond: bool) -> Drill {
    let open = open.iter().map(|n| name(n)).collect::<BTreeSet<_>>();
    Drill::new(playbook(), Order { open, respond, seed: 1, digest: String::new() }).expect("known slices")
}

/// Runs a drill in a world where requests are slow while both holes are open, and everything asked for is done at once.
struct Stage {
    drill: Drill,
    now: Elapsed,
    log: Vec<Effect>,
    door_open: bool,
    paused: bool,
    seq: u64,
    streams: bool,
    lands: bool,
    /// The fault hurts, but nobody has said yet whether its effect was seen.
    proves_late: bool,
    unproved: Option<StepId>,
    waiting: Vec<(u64, Elapsed)>,
}

impl Stage {
    fn new(drill: Drill) -> Self {
        Self {
            drill,
            now: Elapsed::ZERO,
            log: Vec::new(),
            door_open: false,
            paused: false,
            seq: 0,
            streams: false,
            lands: true,
            proves_late: false,
            unproved: None,
            waiting: Vec::new(),
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.log.push(effect.clone());
            let answer = match effect {
                Effect::StartLab(_) => Some(Input::LabUp),
                Effect::StartStreams => {
                    self.streams = true;
                    None
                }
                Effect::Do(step, what) => {
                    match &what {
                        Step::Set(settings) => {
                            self.door_open = settings.contains(&("door".into(), "open".into()));
                        }
                        Step::Inject(_) => self.paused = self.lands,
                        Step::Run { .. } | Step::Wait(_) | Step::Toxic(_) => {}
                    }
                    if self.proves_late && matches!(what, Step::Inject(_)) {
                        self.unproved = Some(step);
                        continue;
                    }
                    let missed = matches!(what, Step::Inject(_)) && !self.lands;
                    let outcome =
                        if missed { StepOutcome::NotLanded("no effect".into()) } else { StepOutcome::Done };
                    Some(Input::StepDone { step, outcome })
                }
                Effect::Revert(_) => {
                    (self.door_open, self.paused) = (false, false);
                    Some(Input::Reverted(Vec::new()))
                }
                _ => None,
            };
            if let Some(answer) = answer {
                let effects = self.drill.step(self.now, answer);
                self.perform(effects);
            }
        }
    }

    fn run(&mut self, until: Elapsed) -> Option<Outcome> {
        if self.now.is_zero() {
            let effects = self.drill.begin();
            self.perform(effects);
        }
        while self.now < until {
            self.now += TICK;
            if self.streams && self.now.as_millis().is_multiple_of(100) {
                self.seq += 1;
                let (seq, stream) = (self.seq, name("page"));
                let sent =
                    Input::Sample { stream: stream.clone(), sample: Sample::Sent { seq, at: self.now } };
                let effects = self.drill.step(self.now, sent);
                self.perform(effects);
                self.waiting.push((seq, self.now));
                if !(self.door_open && self.paused) {
                    for (seq, since) in std::mem::take(&mut self.waiting) {
                        let latency = self.now - since + Duration::from_millis(5);
                        let sample = Sample::Answered { seq, ok: true, latency };
                        let effects =
                            self.drill.step(self.now, Input::Sample { stream: stream.clone(), sample });
                        self.perform(effects);
                    }
                }
            }
            let effects = self.drill.step(self.now, Input::Tick);
            self.perform(effects);
            if let Some(Effect::Finish(outcome)) = self.log.last() {
                return Some(outcome.clone());
            }
        }
        None
    }

    fn recorded(&self, wanted: impl Fn(&Body) -> bool) -> usize {
        self.log.iter().filter(|e| matches!(e, Effect::Record(body) if wanted(body))).count()
    }
}

const LONG: Elapsed = Duration::from_secs(120);

#[test]
fn both_holes_make_an_outage_and_one_does_not() {
    for (open, verdict) in [
        (&["door", "job"][..], Verdict::Outage),
        (&["door"], Verdict::NoOutage),
        (&["job"], Verdict::NoOutage),
        (&[], Verdict::NoOutage),
    ] {
        let mut stage = Stage::new(drill(open, false));
        let outcome = stage.run(LONG).expect("it ends");
        assert_eq!(outcome.verdict, verdict, "{open:?}: {}", outcome.because);
        assert_eq!(outcome.holes.len(), open.len());
        assert_eq!(outcome.lost_at.is_some(), verdict == Verdict::Outage);
        assert_eq!(outcome.regained_at.is_some(), verdict == Verdict::Outage);
        assert!(outcome.residue.is_empty());
        assert_eq!(stage.recorded(|b| matches!(b, Body::HoleOpened { .. })), open.len());
        assert_eq!(stage.recorded(|b| matches!(b, Body::HoleClosed { .. })), 2 - open.len());
    }
}

#[test]
fn a_fault_without_effect_is_never_a_pass() {
    let mut stage = Stage::new(drill(&["door", "job"], false));
    stage.lands = false;
    assert_eq!(stage.run(LONG).expect("it ends").verdict, Verdict::Invalid);
}

#[test]
fn an_outage_waits_for_the_proof_of_what_caused_it() {
    for (landed, verdict) in [(true, Verdict::Outage), (false, Verdict::Invalid)] {
        let mut stage = Stage::new(drill(&["door", "job"], false));
        stage.proves_late = true;
        assert_eq!(stage.run(Duration::from_secs(25)), None, "lost for long, and not judged yet");
        let step = stage.unproved.take().expect("it was started");
        let outcome = if landed { StepOutcome::Done } else { StepOutcome::NotLanded("no effect".into()) };
        let effects = stage.drill.step(stage.now, Input::StepDone { step, outcome });
        stage.perform(effects);
        assert_eq!(stage.run(LONG).expect("it ends").verdict, verdict);
    }
}

#[test]
fn a_gate_that_does_not_hold_opens_nothing() {
    let mut stage = Stage::new(drill(&["door", "job"], false));
    (stage.door_open, stage.paused) = (true, true);
    let outcome = stage.run(LONG).expect("it ends");
    assert_eq!(outcome.verdict, Verdict::GateFailed);
    assert_eq!((outcome.holes.len(), stage.recorded(|b| matches!(b, Body::HoleOpened { .. }))), (0, 0));
    assert!(!stage.log.iter().any(|e| matches!(e, Effect::Do(..))), "nothing was done");
}

#[test]
fn what_cannot_be_evaluated_is_unhealthy() {
    let mut stage = Stage::new(drill(&["door", "job"], false));
    assert_eq!(stage.run(Duration::from_secs(4)), None);
    let input = Input::Answered { probe: name("db"), answer: Answer::Unknown, detail: String::new() };
    let effects = stage.drill.step(stage.now, input);
    stage.perform(effects);
    let outcome = stage.run(LONG).expect("it ends");
    assert_eq!(outcome.verdict, Verdict::Aborted, "{}", outcome.because);
    assert!(outcome.because.contains("unknown"), "{}", outcome.because);
}

#[test]
fn an_answered_outage_lasts_until_the_response_is_over() {
    let mut stage = Stage::new(drill(&["door", "job"], true));
    assert_eq!(stage.run(Duration::from_secs(30)), None);
    assert_eq!(stage.drill.phase(), Phase::Respond);
    let effects = stage.drill.step(stage.now, Input::ResponseOver);
    stage.perform(effects);
    assert_eq!(stage.run(LONG).expect("it ends").verdict, Verdict::Outage);
}

#[test]
fn a_quick_response_prevents_the_outage_and_keeps_the_lab() {
    let mut stage = Stage::new(drill(&["door", "job"], true));
    assert_eq!(stage.run(Duration::from_millis(6400)), None);
    assert!(
        stage.log.iter().any(|e| matches!(e, Effect::Record(Body::SteadyStateLost { .. }))),
        "users feel it"
    );
    // Somebody lets the job go on, sooner than the tolerated three seconds.
    stage.paused = false;
    assert_eq!(stage.run(Duration::from_secs(40)), None, "the lab stays while they finish their checklist");
    let effects = stage.drill.step(stage.now, Input::ResponseOver);
    stage.perform(effects);
    assert_eq!(stage.run(LONG).expect("it ends").verdict, Verdict::NoOutage);
}

#[test]
fn unknown_slices_are_refused() {
    let open = BTreeSet::from([name("dor")]);
    let refused = Drill::new(playbook(), Order { open, respond: false, seed: 1, digest: String::new() });
    assert!(refused.is_err_and(|e| e.to_string().contains("did you mean `door`?")));
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        1 => Just(Input::LabUp),
        1 => Just(Input::LabFailed("no".into())),
        1 => Just(Input::Stop("asked".into())),
        1 => Just(Input::ResponseOver),
        1 => Just(Input::Reverted(vec!["left".into()])),
        6 => Just(Input::Tick),
        2 => (0u32..6, any::<bool>()).prop_map(|(step, ok)| Input::StepDone {
            step,
            outcome: if ok { StepOutcome::Done } else { StepOutcome::NotLanded("no".into()) },
        }),
        2 => (0u8..3).prop_map(|a| Input::Answered {
            probe: name("db"),
            answer: [Answer::Satisfied, Answer::Unsatisfied, Answer::Unknown][usize::from(a)],
            detail: String::new(),
        }),
        6 => (0u64..50, 0u64..50_000).prop_map(|(seq, ms)| Input::Sample {
            stream: name("page"),
            sample: Sample::Sent { seq, at: Duration::from_millis(ms) },
        }),
        6 => (0u64..50, any::<bool>(), 0u64..3000).prop_map(|(seq, ok, ms)| Input::Sample {
            stream: name("page"),
            sample: Sample::Answered { seq, ok, latency: Duration::from_millis(ms) },
        }),
    ]
}

proptest! {
    /// Whatever comes in, in whatever order: a drill ends once, and everything it injected is reverted before.
    #[test]
    fn every_path_reverts_once(inputs in proptest::collection::vec((any_input(), 0u64..2000), 1..300), respond: bool) {
        let mut drill = drill(&["door", "job"], respond);
        let mut effects = drill.begin();
        let mut now = Elapsed::ZERO;
        for (input, later) in inputs {
            now += Duration::from_millis(later);
            effects.extend(drill.step(now, input));
        }
        // However far it came, a stop, an answered revert and time bring it to its end.
        effects.extend(drill.step(now, Input::Stop("the end".into())));
        effects.extend(drill.step(now, Input::Reverted(Vec::new())));
        for _ in 0..1000 {
            now += TICK * 2;
            effects.extend(drill.step(now, Input::Tick));
        }
        let count = |wanted: fn(&Effect) -> bool| effects.iter().filter(|e| wanted(e)).count();
        prop_assert_eq!(count(|e| matches!(e, Effect::Finish(_))), 1);
        prop_assert_eq!(count(|e| matches!(e, Effect::Revert(_))), 1);
        prop_assert_eq!(count(|e| matches!(e, Effect::Record(Body::DrillVerdict { .. }))), 1);
        let revert = effects.iter().position(|e| matches!(e, Effect::Revert(_))).expect("there is one");
        let last_do = effects.iter().rposition(|e| matches!(e, Effect::Do(..)));
        prop_assert!(last_do.is_none_or(|last| last < revert), "nothing is done after the revert");
    }
}
