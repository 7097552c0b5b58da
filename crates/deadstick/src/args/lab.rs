//! `deadstick lab`.

use clap::Subcommand;

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
