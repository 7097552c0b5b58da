//! Processes that deadstick starts from itself; nobody types these.

use std::path::Path;

use deadstick_runner::ledger::SharedLedger;

use crate::exit::{Answer, Failure};

/// The guardian of one run.
pub(crate) fn guardian(ledger: &Path) -> Answer {
    let ledger = SharedLedger::join(ledger).map_err(Failure::internal)?;
    let code = deadstick_faults::guardian::run(&ledger.store());
    // With residue the file stays for the next start; a retired one says that nothing is left.
    ledger.retire().map_err(Failure::internal)?;
    Ok(code)
}
