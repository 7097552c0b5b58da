//! Rules that lead packets to traffic classes: each table's own part of a number that several make together.
//!
//! A packet's priority names its class: in the upper half the qdisc, in the lower one the exclusive or of the codes of all
//! whose rules chose the packet. So each table turns the bits of its code, and the order of tables is all the same. What
//! another device's tables wrote there means nothing here, and is wiped off first. Packets that are told by their socket are
//! chosen before their device is reached; they bear a number in waiting, which the device's tables take over.

use super::batch::Batch;
use super::effect::{chooser, sets};
use super::expression::Expression;
use super::hooks::{FIRST, LAST, Side};
use crate::kernel::{Group, TableEffect};
use crate::network::qdisc::{HANDLE, INTAKE_HANDLE, WAITING};

/// Wipes off what the tables of another device wrote.
const WIPE: &str = "wipe";
/// Takes over what was chosen by its socket.
const ADOPT: &str = "adopt";
/// Leads to the other device.
const LEAD: &str = "lead";

pub(super) fn rules(batch: &mut Batch<'_>, effect: &TableEffect, group: Option<&Group>) {
    match effect {
        TableEffect::Classify { flow, code, .. } => {
            let half = if flow.is_by_socket() { WAITING } else { HANDLE };
            if half == HANDLE {
                wipe(batch, Side::Out, FIRST - 2, HANDLE);
            }
            choose(batch, Side::Out, FIRST, effect, group, half, *code);
        }
        TableEffect::Adopt { .. } => {
            wipe(batch, Side::Out, FIRST - 2, HANDLE);
            // A second table that does so finds nothing in waiting any more.
            let turned = u32::from(WAITING ^ HANDLE) << 16;
            let rule = [Expression::PriorityIn(WAITING), Expression::TurnQuietly(turned)];
            batch.chain_of(ADOPT, Side::Out, FIRST - 1, &rule);
        }
        TableEffect::Forward { code, device, .. } => {
            wipe(batch, Side::In, LAST - 2, INTAKE_HANDLE);
            choose(batch, Side::In, LAST - 1, effect, group, INTAKE_HANDLE, *code);
            // Whichever table comes first leads there what all of them chose.
            let rule = [Expression::PriorityIn(INTAKE_HANDLE), Expression::Forward(*device)];
            batch.chain_of(LEAD, Side::In, LAST, &rule);
        }
        _ => {}
    }
}

fn wipe(batch: &mut Batch<'_>, side: Side, priority: i32, half: u16) {
    batch.chain_of(WIPE, side, priority, &[Expression::PriorityIn(half), Expression::SetPriority(0)]);
}

fn choose(
    batch: &mut Batch<'_>,
    side: Side,
    priority: i32,
    effect: &TableEffect,
    group: Option<&Group>,
    half: u16,
    code: u16,
) {
    let Some(flow) = effect.flow() else { return };
    let chooser = chooser(flow, group);
    sets(batch, &chooser);
    batch.chain(side, priority);
    let (code, whole) = (u32::from(code), u32::from(half) << 16 | u32::from(code));
    for matches in chooser.matches(side) {
        // Once only, whether others have chosen it too or not: what two of the rules match is not chosen twice.
        let also = [
            vec![Expression::PriorityIn(half)],
            matches.clone(),
            vec![Expression::Turn(code), Expression::Done],
        ];
        batch.rule(side, &also.concat());
        let first = vec![Expression::Classify(whole), Expression::Done];
        let first = [vec![Expression::PriorityOutside(half)], matches, first];
        batch.rule(side, &first.concat());
    }
}
