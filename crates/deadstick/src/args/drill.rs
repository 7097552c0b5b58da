//! `deadstick drill`.

use clap::{Args, ValueEnum};
use deadstick_core::units::Name;

/// `deadstick drill`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deadstick drill                                   the first lesson, with the screen\n  \
    deadstick drill leaky-abstractions --headless     the flagship, in lines\n  \
    deadstick drill leaky-abstractions --headless --close tcp --expect no-outage\n  \
    deadstick drill ./mine.yaml --headless --json"
)]
pub(crate) struct Drill {
    /// A shipped playbook by name, or a file by path
    #[arg(default_value = "first-lesson")]
    pub(crate) playbook: String,
    /// Append-only lines, no questions; the default without a terminal
    #[arg(long)]
    pub(crate) headless: bool,
    /// Respond in plain lines instead of on the screen
    #[arg(long, conflicts_with = "headless")]
    pub(crate) plain: bool,
    /// Let this slice's defence hold (may be repeated)
    #[arg(long, value_name = "SLICE", value_delimiter = ',', conflicts_with = "only")]
    pub(crate) close: Vec<Name>,
    /// Open only these slices' holes
    #[arg(long, value_name = "SLICE,…", value_delimiter = ',')]
    pub(crate) only: Option<Vec<Name>>,
    /// For what chance decides: the pace of the load; --json tells it, so that a run can be repeated
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Exit with 8 when the verdict is the other one
    #[arg(long, value_enum)]
    pub(crate) expect: Option<Expect>,
    /// A script of responder acts, played instead of a person
    #[arg(long, value_name = "FILE")]
    pub(crate) responder: Option<String>,
    /// Print what would be staged, and stage nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A verdict to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// Steady state is lost for longer than tolerated.
    Outage,
    /// It is not.
    NoOutage,
}
