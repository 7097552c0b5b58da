//! The command line: words, options and help.
//!
//! Doc comments here are help texts, so they carry no markup. Owns what can be typed; what it does is in
//! [`crate::commands`], one file per command.

#![expect(clippy::doc_markdown, reason = "doc comments here are help texts for terminals")]

mod drill;
mod dsn;
mod files;
mod incident;
mod inject;
mod lab;
mod probe;
mod restore;
mod timeline;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use drill::{Drill, Expect};
pub(crate) use files::{Checklist, Playbook, Schema, SchemaKind};
pub(crate) use incident::{Debrief, Incident, Respond};
pub(crate) use inject::Inject;
pub(crate) use lab::Lab;
pub(crate) use probe::Probe;
pub(crate) use restore::Restore;
pub(crate) use timeline::{ExportFormat, Staged, Timeline};

/// Stage outages, work them with checklists, keep the timeline.
///
/// deadstick stages outages that need several holes to line up, walks the people who respond through checklists that
/// sense the system, records everything on one timeline, and takes every disturbance back out whatever dies on the way.
///
/// Begin with `deadstick drill`: the first lesson runs on a small shop of its own and needs nothing else.
#[derive(Debug, Parser)]
#[command(name = "deadstick", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done; 1 internal; 2 usage, or a file that does not parse; 3 the gate failed; \
    4 invalid: a fault did not land; 5 residue: something could not be undone; 6 aborted, all undone; \
    7 refused by policy or missing capability; 8 the answer is no."
)]
pub(crate) struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that go for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Global {
    /// Where incidents and ledgers are kept [default: $DEADSTICK_STATE, else the system's or your state folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Print for machines: one JSON value, the last line of stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Whether to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "auto|always|never", hide_possible_values = true)]
    pub(crate) color: Colour,
    /// Leave out progress and remarks; answers, warnings and errors stay
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: `lab status` with its settings, `timeline export` in Markdown with the routine
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Who you are, on the timeline [default: $DEADSTICK_NAME, else $USER]
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stage a playbook, respond to it, debrief; without an argument the first lesson
    Drill(Drill),
    /// Respond to an incident: the screen, or --plain
    Respond(Respond),
    /// Open, list, show and work incidents
    #[command(subcommand)]
    Incident(Incident),
    /// List, show, lint and print checklists
    #[command(subcommand)]
    Checklist(Checklist),
    /// List, show and check playbooks
    #[command(subcommand)]
    Playbook(Playbook),
    /// Show, add to, export, verify and seal timelines
    #[command(subcommand)]
    Timeline(Timeline),
    /// Scores and figures of a drill or incident
    Debrief(Debrief),
    /// The practice systems by themselves
    #[command(subcommand)]
    Lab(Lab),
    /// Ask one probe by hand
    #[command(subcommand)]
    Probe(Probe),
    /// The Toxiproxy-compatible server; `proxy ctl` is its client
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Proxy {
        /// Flags with one dash or two, or `ctl` and a command; --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG|ctl …")]
        args: Vec<OsString>,
    },
    /// One fault by hand, for a time
    #[command(subcommand)]
    Inject(Box<Inject>),
    /// What is, or may be, injected at this moment
    Faults {
        /// Go on and say each change, until Ctrl-C; with --json, one line for each
        #[arg(long)]
        watch: bool,
    },
    /// End the faults named, or undo whatever dead runs have left
    Restore(Restore),
    /// What this host can do, and why not
    Doctor,
    /// JSON Schema of the files people write, for editors
    Schema(Schema),
    /// Shell completions
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// The manual page, of deadstick or of one command
    Man {
        /// Which command, such as `inject latency`
        command: Vec<String>,
    },

    /// The process that undoes what its owner cannot
    #[command(hide = true)]
    Guardian {
        /// The run's ledger
        #[arg(long)]
        ledger: PathBuf,
    },
    /// The process that holds a fault in the background
    #[command(hide = true)]
    InjectDetached,
    /// A process that holds a lock or a session
    #[command(hide = true)]
    Hold,
    /// A process of a lab
    #[command(hide = true, disable_help_flag = true, disable_version_flag = true)]
    LabProcess {
        /// Its own business
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}
