//! The timeline as its reader may see it: what a running drill has staged is its facilitator's to see.
//!
//! Owns the words for what is held back; what that is, core decides, and the log knows whether the drill still runs.

use std::path::Path;

use deadstick_core::event::{Record, hold_back, writer_of_open_drill};
use deadstick_runner::incidents;
use deadstick_timeline::log;

use crate::args::Staged;
use crate::exit::Failure;

/// The records of a timeline that may be seen, and what is to be said of those that may not.
pub(crate) struct Seen {
    pub(crate) records: Vec<Record>,
    pub(crate) remark: Option<String>,
}

/// Reads a timeline.
pub(crate) fn read(dir: &Path, staged: Staged) -> Result<Seen, Failure> {
    let mut records = incidents::records(dir)?;
    // A drill that was killed has no verdict for ever, and nothing to find out any more.
    let lasts = match writer_of_open_drill(&records) {
        Some(writer) if !staged.facilitator => log::is_writing(dir, writer).map_err(Failure::internal)?,
        _ => false,
    };
    let held_back = if lasts { hold_back(&mut records) } else { 0 };
    let remark = (held_back > 0).then(|| {
        let (events, are) = if held_back == 1 { ("event", "is") } else { ("events", "are") };
        format!(
            "{held_back} {events} of the drill, which still lasts, {are} held back; its facilitator sees them with \
             --facilitator"
        )
    });
    Ok(Seen { records, remark })
}
