//! The append-only event log and the undo ledger of deadstick.
