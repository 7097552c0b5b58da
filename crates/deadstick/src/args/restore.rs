//! `deadstick restore`.

use clap::Args;

/// `deadstick restore`
#[derive(Debug, Args)]
#[command(
    after_help = "A fault whose owner lives is ended by asking the owner, which undoes it and says so. Without an id, what \
    living runs hold is left alone, unless --all is given: then every fault that `deadstick inject` holds is ended."
)]
pub(crate) struct Restore {
    /// Faults, by their ids or the beginnings or ends of these, as `deadstick faults` shows them
    #[arg(value_name = "ID")]
    pub(crate) faults: Vec<String>,
    /// End every fault that `deadstick inject` holds, too
    #[arg(long, conflicts_with = "faults")]
    pub(crate) all: bool,
    /// At boot: what cannot be undone yet is tried again for a minute, since its server may still be starting
    #[arg(long, conflicts_with_all = ["faults", "all"])]
    pub(crate) boot: bool,
    /// Print the systemd unit that runs `deadstick restore --boot`, for
    /// /etc/systemd/system/deadstick-restore.service
    #[arg(long, conflicts_with_all = ["faults", "all", "boot"])]
    pub(crate) unit: bool,
}
