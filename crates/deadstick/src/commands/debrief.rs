//! `deadstick debrief`: what a drill or incident came to.

use deadstick_core::debrief::Debrief;

use super::staged::{self, Seen};
use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE};

/// Prints the debrief.
pub(crate) fn run(context: &Context, args: &args::Debrief) -> Answer {
    let dir = context.incident(args.incident.as_deref())?;
    let Seen { records, remark } = staged::read(&dir, args.staged)?;
    let debrief = Debrief::of(&records);
    context.answer(&debrief, || debrief.to_string())?;
    if let Some(remark) = remark {
        context.warn(&remark);
    }
    Ok(DONE)
}
