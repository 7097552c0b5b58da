//! The command line: words, options and help.
//!
//! Doc comments here are help texts, so they carry no markup. Owns what can be typed; what it does is in [`crate::commands`], one file per command.

#![expect(clippy::doc_markdown, reason = "doc comments here are help texts for terminals")]

mod dsn;
mod inject;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use deadstick_core::units::{HumanDuration, Name};

pub(crate) use inject::Inject;

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

/// `deadstick timeline`
#[derive(Debug, Subcommand)]
pub(crate) enum Timeline {
    /// Show a timeline in lines
    Show {
        /// Which incident [default: the newest]
        incident: Option<String>,
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

/// `deadstick debrief`
#[derive(Debug, Args)]
pub(crate) struct Debrief {
    /// Which incident [default: the newest]
    pub(crate) incident: Option<String>,
}

/// `deadstick lab`
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Bring a lab up and hold it until Ctrl-C
    Up {
        /// Which lab
        #[arg(default_value = "shop")]
        lab: String,
        /// Set this once it is up (may be repeated)
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// End a lab that is up
    Down,
    /// Show what runs, with pids, sessions, addresses and settings
    Status,
    /// List the labs with their settings and commands
    List,
    /// Change a setting
    Set {
        /// Its key, such as job.transaction
        key: String,
        /// Its new value
        value: String,
    },
    /// Run a command of the lab
    Run {
        /// Which, such as job or migrate
        command: String,
        /// Its options (may be repeated)
        #[arg(long = "option", short = 'o', value_name = "KEY=VALUE")]
        options: Vec<String>,
    },
    /// End the process on a host
    End {
        /// Which host
        host: String,
    },
    /// Terminate a PostgreSQL backend of the primary
    Terminate {
        /// Its backend pid
        backend: i32,
    },
}

/// `deadstick probe`
#[derive(Debug, Subcommand)]
pub(crate) enum Probe {
    /// Ask a URL; satisfied by any 2xx unless --status says otherwise
    Http {
        /// The URL
        url: String,
        /// Send POST instead of GET
        #[arg(long)]
        post: bool,
        /// The exact status expected
        #[arg(long)]
        status: Option<u16>,
        /// Text the body must hold
        #[arg(long, value_name = "TEXT")]
        body_contains: Option<String>,
        /// No answer by then is unknown
        #[arg(long, default_value = "2s")]
        timeout: HumanDuration,
    },
    /// Connect; satisfied when something accepts
    Tcp {
        /// HOST:PORT
        address: String,
        /// No answer by then is unknown
        #[arg(long, default_value = "2s")]
        timeout: HumanDuration,
    },
    /// Query a database, read-only
    Sql {
        /// A postgres:// URL, or sqlite:PATH
        #[arg(long)]
        connect: String,
        /// The query; its first value is what counts
        #[arg(long)]
        query: String,
        /// What the first value must be
        #[arg(long)]
        equals: Option<String>,
        /// No answer by then is unknown
        #[arg(long, default_value = "2s")]
        timeout: HumanDuration,
    },
    /// Look for a process
    Process {
        /// Its pid
        pid: u32,
    },
}

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
