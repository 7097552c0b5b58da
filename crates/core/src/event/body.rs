//! What happened, in one flat list: the vocabulary that writers, screens, exports and scores share.
//!
//! Owns the kinds and their payloads. The serialised `type` is the CloudEvents type without its `deadstick.` prefix; a
//! kind that an older program does not know is kept as [`Body::Other`] and never lost.

use serde::{Deserialize, Serialize};

use super::{AlertLevel, IncidentSeverity, ItemId, Phase, SliceKind, Verdict};
use crate::Timestamp;
use crate::fault::{Fault, ResolvedTarget};
use crate::ledger::FaultId;
use crate::probe::Answer;
use crate::units::{HumanDuration, Name};

/// What happened.
#[expect(
    missing_docs,
    reason = "each variant says what happened; its payload's names are the vocabulary itself"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "kebab-case")]
pub enum Body {
    // Incidents and notes.
    /// A response begins.
    #[serde(rename = "incident.opened")]
    IncidentOpened {
        title: String,
        severity: IncidentSeverity,
        /// A drill, not the real thing.
        exercise: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        playbook: Option<Name>,
    },
    /// How bad it is was judged anew.
    #[serde(rename = "incident.severity")]
    SeverityChanged { from: IncidentSeverity, to: IncidentSeverity },
    /// The response is over.
    #[serde(rename = "incident.closed")]
    IncidentClosed { summary: String },
    /// Somebody wrote something down.
    #[serde(rename = "note")]
    Note { text: String },

    // Alerts.
    /// Something asks for attention; the checklist it calls for is queued.
    #[serde(rename = "alert.raised")]
    AlertRaised {
        alert: Name,
        level: AlertLevel,
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checklist: Option<Name>,
    },
    /// Its condition is gone.
    #[serde(rename = "alert.cleared")]
    AlertCleared { alert: Name },

    // Control.
    /// The first holder, or one who takes control nobody holds.
    #[serde(rename = "control.assumed")]
    ControlAssumed,
    /// First call: the holder offers.
    #[serde(rename = "control.offered")]
    ControlOffered { to: String, brief: String },
    /// Second call: "I have control". The offerer still holds it.
    #[serde(rename = "control.accepted")]
    ControlAccepted { from: String },
    /// Third call: "You have control". Only here does it move.
    #[serde(rename = "control.transferred")]
    ControlTransferred { to: String },
    /// The offer was turned down, withdrawn or ran out.
    #[serde(rename = "control.declined")]
    ControlDeclined { because: String },

    // Drills.
    /// A playbook is staged.
    #[serde(rename = "drill.started")]
    DrillStarted {
        playbook: Name,
        title: String,
        digest: String,
        seed: u64,
        open: Vec<Name>,
        closed: Vec<Name>,
    },
    /// The next part begins.
    #[serde(rename = "drill.phase")]
    DrillPhase { phase: Phase },
    /// A slice fails from now on.
    #[serde(rename = "hole.opened")]
    HoleOpened { slice: Name, kind: SliceKind, hole: String },
    /// A slice holds, by choice.
    #[serde(rename = "hole.closed")]
    HoleClosed { slice: Name, kind: SliceKind, defence: String },
    /// The playbook did something that is neither hole nor defence, such as starting the nightly job.
    #[serde(rename = "drill.step")]
    DrillStep { what: String },
    /// What would be right, for scoring: the reading that names the culprit, and the item that acts on it.
    #[serde(rename = "drill.ground-truth")]
    DrillGroundTruth {
        checklist: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<(String, String)>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        act: Option<String>,
    },
    /// Why the drill stops before its end.
    #[serde(rename = "drill.abort")]
    DrillAbort { because: String },
    /// How it ended.
    #[serde(rename = "drill.verdict")]
    DrillVerdict { verdict: Verdict, because: String },

    // Faults.
    /// About to be applied; the ledger has it.
    #[serde(rename = "fault.applying")]
    FaultApplying { id: FaultId, fault: Box<Fault>, target: Box<ResolvedTarget>, lease: HumanDuration },
    /// In place.
    #[serde(rename = "fault.applied")]
    FaultApplied { id: FaultId },
    /// Its effect was seen.
    #[serde(rename = "fault.proved")]
    FaultProved { id: FaultId, evidence: String },
    /// Its effect was not seen.
    #[serde(rename = "fault.not-proved")]
    FaultNotProved { id: FaultId, evidence: String },
    /// It is out.
    #[serde(rename = "fault.undone")]
    FaultUndone { id: FaultId, because: String },
    /// It could not be taken out.
    #[serde(rename = "fault.residue")]
    FaultResidue { id: FaultId, why: String, manual: String },

    // What users see.
    /// Steady state is lost.
    #[serde(rename = "steady-state.lost")]
    SteadyStateLost { probe: Name, measured: String },
    /// Steady state is back.
    #[serde(rename = "steady-state.regained")]
    SteadyStateRegained { probe: Name, measured: String, lost_for: HumanDuration },
    /// A probe changed its answer.
    #[serde(rename = "probe.changed")]
    ProbeChanged { probe: String, from: Option<Answer>, to: Answer, detail: String },

    // Checklists as wholes.
    /// An alert put it in the queue; its definition is pinned.
    #[serde(rename = "checklist.queued")]
    ChecklistQueued {
        checklist: Name,
        title: String,
        level: AlertLevel,
        version: String,
        /// SHA-256 of the definition's text, in hexadecimal.
        digest: String,
        /// The definition's text itself, so that an old incident shows what its responders saw.
        definition: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<Name>,
    },
    /// A checklist whose condition is active keeps it out of the queue.
    #[serde(rename = "checklist.inhibited")]
    ChecklistInhibited { checklist: Name, inhibited_by: Name },
    /// What inhibited it is gone.
    #[serde(rename = "checklist.released")]
    ChecklistReleased { checklist: Name },
    /// Somebody works on it.
    #[serde(rename = "checklist.opened")]
    ChecklistOpened { checklist: Name, despite_inhibit: bool },
    /// Put aside until a time.
    #[serde(rename = "checklist.held")]
    ChecklistHeld { checklist: Name, resume_by: Timestamp, reason: String },
    /// Everything but its deferred items is done.
    #[serde(rename = "checklist.complete-except-deferred")]
    ChecklistCompleteExceptDeferred { checklist: Name },
    /// Done.
    #[serde(rename = "checklist.complete")]
    ChecklistComplete { checklist: Name, done: u32, overridden: u32, inactive: u32 },
    /// Declared not to apply, as a whole.
    #[serde(rename = "checklist.overridden")]
    ChecklistOverridden { checklist: Name, reason: String, unfinished: Vec<String> },
    /// Begun anew; the old run stays on the timeline.
    #[serde(rename = "checklist.reset")]
    ChecklistReset { checklist: Name, reason: String, run: u32 },
    /// The incident was closed with it unfinished.
    #[serde(rename = "checklist.abandoned")]
    ChecklistAbandoned { checklist: Name, unfinished: Vec<String> },

    // Items of checklists.
    /// A person did it.
    #[serde(rename = "item.confirmed")]
    ItemConfirmed {
        item: ItemId,
        text: String,
        response: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reading: Option<String>,
        /// The second person, where two are asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// A person took the confirmation back.
    #[serde(rename = "item.reopened")]
    ItemReopened { item: ItemId, reason: String },
    /// What its probe says changed.
    #[serde(rename = "item.sensed")]
    ItemSensed { item: ItemId, text: String, from: Answer, to: Answer, value: Option<String>, detail: String },
    /// Its probe said satisfied and says so no longer.
    #[serde(rename = "item.regressed")]
    ItemRegressed { item: ItemId, text: String, detail: String },
    /// A person went past it with a reason.
    #[serde(rename = "item.overridden")]
    ItemOverridden {
        item: ItemId,
        text: String,
        reason: String,
        /// What its probe said at that moment, for sensed items.
        sense: Option<Answer>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
    /// The override was taken back.
    #[serde(rename = "item.override-cleared")]
    ItemOverrideCleared { item: ItemId },
    /// A decision was answered by a person.
    #[serde(rename = "condition.answered")]
    ConditionAnswered {
        item: ItemId,
        text: String,
        from: Option<String>,
        to: String,
        /// It has a probe, which did not answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_unknown: bool,
    },
    /// A decision was answered by its probe.
    #[serde(rename = "condition.sensed")]
    ConditionSensed { item: ItemId, text: String, to: Option<String>, detail: String },
    /// A wait began.
    #[serde(rename = "timer.started")]
    TimerStarted { item: ItemId, text: String, until: Timestamp },
    /// A wait is over.
    #[serde(rename = "timer.elapsed")]
    TimerElapsed { item: ItemId, text: String },
    /// Left for a later checklist.
    #[serde(rename = "item.deferred")]
    ItemDeferred { item: ItemId, text: String, to: Name, by: String },
    /// The checklist it was left for is open.
    #[serde(rename = "item.deferred-due")]
    ItemDeferredDue { item: ItemId, text: String, to: Name },
    /// What it would be left for is complete already: its checklist cannot complete without it.
    #[serde(rename = "item.not-deferrable")]
    ItemNotDeferrable { item: ItemId, text: String, to: Name },
    /// A deferral was called off, with a reason.
    #[serde(rename = "item.deferral-cancelled")]
    ItemDeferralCancelled { item: ItemId, reason: String },
    /// A deferred item was done.
    #[serde(rename = "item.deferred-done")]
    ItemDeferredDone { item: ItemId, text: String },
    /// A command of an item was run.
    #[serde(rename = "item.ran")]
    ItemRan { item: ItemId, command: Vec<String>, exit: Option<i32>, output: String },

    /// A kind this version does not know: shown as it is, exported as it is.
    #[serde(untagged)]
    Other {
        /// Its type.
        #[serde(rename = "type")]
        kind: String,
        /// Its payload.
        #[serde(default)]
        data: serde_json::Value,
    },
}

impl Body {
    /// Whether only the facilitator of a drill should see it while the drill lasts: what was staged, and how.
    #[must_use]
    pub const fn is_facilitators(&self) -> bool {
        matches!(
            self,
            Self::DrillStarted { .. }
                | Self::DrillPhase { .. }
                | Self::HoleOpened { .. }
                | Self::HoleClosed { .. }
                | Self::DrillStep { .. }
                | Self::DrillGroundTruth { .. }
                | Self::FaultApplying { .. }
                | Self::FaultApplied { .. }
                | Self::FaultProved { .. }
                | Self::FaultNotProved { .. }
                | Self::FaultUndone { .. }
        )
    }
}
