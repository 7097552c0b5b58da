//! `deadstick timeline`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use deadstick_core::units::HumanDuration;

/// `deadstick timeline`
#[derive(Debug, Subcommand)]
pub(crate) enum Timeline {
    /// Show a timeline in lines
    Show {
        /// Which incident [default: the newest]
        incident: Option<String>,
        #[command(flatten)]
        staged: Staged,
    },
    /// Add a note, perhaps back-dated
    Add {
        /// What
        text: String,
        /// Which incident [default: the newest]
        #[arg(long)]
        incident: Option<String>,
        /// How long ago it was, such as 3m
        #[arg(long, value_name = "DURATION")]
        ago: Option<HumanDuration>,
    },
    /// Write a timeline for a postmortem, a spreadsheet or a machine
    Export {
        /// Which incident [default: the newest]
        incident: Option<String>,
        /// The format
        #[arg(long, value_enum, default_value_t = ExportFormat::Markdown)]
        format: ExportFormat,
        /// Do not guard cells against spreadsheets that run them as formulas (csv)
        #[arg(long)]
        raw: bool,
        /// Write to this file instead of stdout
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        staged: Staged,
    },
    /// Check that nothing was changed, dropped or reordered; exit 8 if so
    Verify {
        /// Which incident [default: the newest]
        incident: Option<String>,
    },
    /// Print a short code of the timeline's head, to be kept elsewhere
    Seal {
        /// Which incident [default: the newest]
        incident: Option<String>,
    },
}

/// Whether what a drill has staged is told while it lasts.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Staged {
    /// Tell what a drill has staged while it still lasts, too: for its facilitator, not for its responders
    #[arg(long)]
    pub(crate) facilitator: bool,
}

/// Export formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// For a postmortem.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One CloudEvents object a line.
    Jsonl,
}
