//! What works on an incident: `deadstick respond`, `incident` and `debrief`.

use clap::{Args, Subcommand};

use super::Staged;

/// `deadstick respond`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  deadstick respond                       the newest incident\n  \
    deadstick respond --new \"Checkout hangs\"  a new one\n  deadstick respond --plain               for pipes and screen readers")]
pub(crate) struct Respond {
    /// Which incident, by the beginning of its id [default: the newest]
    pub(crate) incident: Option<String>,
    /// Open a new incident with this title
    #[arg(long, value_name = "TITLE", conflicts_with = "incident")]
    pub(crate) new: Option<String>,
    /// Append-only lines instead of the screen
    #[arg(long)]
    pub(crate) plain: bool,
}

/// `deadstick incident`
#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// Open an incident and print its id
    Open {
        /// What is wrong
        title: String,
        /// How bad it is, from 1 (everybody is affected) to 4
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
        severity: u8,
    },
    /// List incidents, oldest first
    List,
    /// Show where an incident stands
    Show {
        /// Which [default: the newest]
        incident: Option<String>,
    },
    /// Raise the alert that a checklist answers
    Alert {
        /// The checklist: a shipped one by name, or a file by path
        checklist: String,
        /// Which incident [default: the newest]
        #[arg(long)]
        incident: Option<String>,
    },
    /// Do one thing that a responder can do, in the words of the plain mode
    #[command(
        after_help = "Examples:\n  deadstick incident act assume\n  deadstick incident act open database-lock-pileup\n  \
        deadstick incident act confirm 2 4711\n  deadstick incident act note The phones are quiet\n  deadstick incident act help"
    )]
    Act {
        /// Which incident [default: the newest]
        #[arg(long)]
        incident: Option<String>,
        /// What to do
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Close an incident
    Close {
        /// How it ended
        summary: String,
        /// Which incident [default: the newest]
        #[arg(long)]
        incident: Option<String>,
        /// Close although something is unfinished
        #[arg(long)]
        confirm: bool,
    },
}

/// `deadstick debrief`
#[derive(Debug, Args)]
pub(crate) struct Debrief {
    /// Which incident [default: the newest]
    pub(crate) incident: Option<String>,
    #[command(flatten)]
    pub(crate) staged: Staged,
}
