//! `deadstick debrief`: what a drill or incident came to.

use deadstick_core::debrief::Debrief;
use deadstick_runner::incidents;

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE};

/// Prints the debrief.
pub(crate) fn run(context: &Context, args: &args::Debrief) -> Answer {
    let dir = context.incident(args.incident.as_deref())?;
    let debrief = Debrief::of(&incidents::records(&dir)?);
    context.answer(&debrief, || debrief.to_string())?;
    Ok(DONE)
}
