//! `deadstick probe`.

use clap::Subcommand;
use deadstick_core::units::HumanDuration;

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
