//! The files people write: `deadstick checklist`, `playbook` and `schema`.

use clap::{Args, Subcommand, ValueEnum};

/// `deadstick checklist`
#[derive(Debug, Subcommand)]
pub(crate) enum Checklist {
    /// List the shipped checklists
    List,
    /// Show a checklist as it is written
    Show {
        /// A shipped checklist by name, or a file by path
        checklist: String,
    },
    /// Print a checklist for paper
    Print {
        /// A shipped checklist by name, or a file by path
        checklist: String,
    },
    /// Look for what makes checklists fail their readers; exit 8 on errors
    Lint {
        /// Shipped checklists by name, or files by path [default: all that ship]
        checklists: Vec<String>,
    },
}

/// `deadstick playbook`
#[derive(Debug, Subcommand)]
pub(crate) enum Playbook {
    /// List the shipped playbooks
    List,
    /// Show a playbook as it is written: the beginning of one of your own
    Show {
        /// A shipped playbook by name, or a file by path
        playbook: String,
    },
    /// Check playbooks without staging them
    Check {
        /// Shipped playbooks by name, or files by path [default: all that ship]
        playbooks: Vec<String>,
    },
}

/// `deadstick schema`
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of which files
    #[arg(value_enum)]
    pub(crate) kind: SchemaKind,
}

/// Files people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaKind {
    /// Playbooks.
    Playbook,
    /// Checklists.
    Checklist,
    /// Responder scripts.
    Responder,
}
