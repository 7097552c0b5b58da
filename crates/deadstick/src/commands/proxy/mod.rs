//! `deadstick proxy`: the Toxiproxy-compatible server, and `deadstick proxy ctl`, its client.
//!
//! Owns the process around them: environment, log, signals, exit codes. Their command lines are the proxy crate's, as the
//! original's are: clap knows no words behind a single dash.

mod log;

use std::ffi::OsString;
use std::path::Path;

use deadstick_proxy::arguments::{self, Request};
use deadstick_proxy::ctl::{self, CtlError};
use deadstick_proxy::{ServeError, Server, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO, REFUSED};

/// Serves, or speaks to a server.
pub(crate) fn run(context: &Context, args: Vec<OsString>) -> Answer {
    let unreadable =
        |word: OsString| Failure::usage(format!("{} is not UTF-8", word.to_string_lossy().escape_default()));
    let words = args.into_iter().map(|word| word.into_string().map_err(unreadable));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    match words.split_first() {
        Some((first, rest)) if first == "ctl" => control(context, rest),
        Some((first, _)) if !first.starts_with('-') => {
            Err(Failure::usage(format!("unexpected word `{first}`"))
                .hint("flags begin with a dash; `deadstick proxy --help` lists them, `ctl` is the client"))
        }
        _ => server(context, &words),
    }
}

fn token() -> Option<String> {
    std::env::var("DEADSTICK_PROXY_TOKEN").ok().filter(|token| !token.is_empty())
}

fn server(context: &Context, words: &[String]) -> Answer {
    let request = arguments::parse(words)
        .map_err(|error| Failure::usage(error).hint("`deadstick proxy --help` lists the flags"))?;
    let (settings, config) = match request {
        Request::Help => {
            context.say(&format!("{}\n{}", arguments::USAGE, ctl::USAGE));
            return Ok(DONE);
        }
        Request::Version => {
            context.say(&arguments::version_line());
            return Ok(DONE);
        }
        Request::Serve(settings, config) => (*settings, config),
    };
    start_log(context);
    let settings = Settings { token: token(), config: config.as_deref().and_then(read), ..settings };
    context.runtime()?.block_on(serve(settings))
}

/// Starts the log. `-q` stands in for `LOG_LEVEL=warn` where that is not set.
fn start_log(context: &Context) {
    let wanted = std::env::var("LOG_LEVEL").ok().or_else(|| context.quiet().then(|| "warn".to_owned()));
    let read = arguments::log_level(wanted.as_deref());
    let (Ok(level) | Err(level)) = read;
    log::begin(level);
    if read.is_err() {
        let value = wanted.unwrap_or_default();
        tracing::warn!(
            value,
            "LOG_LEVEL is none of panic, fatal, error, warn, info, debug, trace: logging everything"
        );
    }
}

/// The configuration file's text. One that cannot be read stops nothing, as with the original.
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path)
        .inspect_err(|error| {
            tracing::error!(path = %path.display(), %error, "the configuration cannot be read; no proxy of it was made");
        })
        .ok()
}

/// Serves until a signal comes. Calls in progress may end; a second signal cuts them off.
async fn serve(settings: Settings) -> Answer {
    let mut signals = Signals::new()?;
    let server = Server::bind(settings).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server.run(async {
        // The sender is kept until it is used.
        drop(stopped.await);
    });
    tokio::pin!(serving);
    let why = tokio::select! {
        () = &mut serving => return Ok(DONE),
        why = signals.next() => why,
    };
    tracing::info!(signal = why, "stopping");
    drop(stop);
    tokio::select! {
        () = &mut serving => {}
        why = signals.next() => tracing::warn!(signal = why, "calls in progress are cut off"),
    }
    Ok(DONE)
}

/// The signals that end a server. Not SIGHUP: a server started in a terminal may be meant to outlive it.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::internal);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

fn control(context: &Context, words: &[String]) -> Answer {
    // As in the original, -h names the host; who has none to name asks for help.
    let asks = match words {
        [] => true,
        [word] if word == "-h" => true,
        [first, ..] => first == "help" || words.iter().any(|word| word == "--help"),
    };
    if asks {
        context.say(ctl::USAGE.trim_end());
        return Ok(DONE);
    }
    let url = std::env::var("TOXIPROXY_URL").ok().filter(|url| !url.is_empty());
    let (token, mut lines) = (token(), Vec::new());
    context.runtime()?.block_on(ctl::run(words, url.as_deref(), token.as_deref(), &mut lines))?;
    let lines = String::from_utf8_lossy(&lines);
    if lines.is_empty() && !context.json() {
        return Ok(DONE);
    }
    let value = serde_json::json!({ "lines": lines.lines().collect::<Vec<_>>() });
    context.answer(&value, || lines.to_string())?;
    Ok(DONE)
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::new(REFUSED, error)
            .hint("another address with -host and -port (0: any free port), or -unix-socket")
    }
}

impl From<CtlError> for Failure {
    fn from(error: CtlError) -> Self {
        match error {
            CtlError::Usage(_) => Self::usage(error).hint("`deadstick proxy ctl help` lists the commands"),
            CtlError::Refused { error: ref why, .. } if why == "invalid toxic type" => {
                Self::new(NO, error).hint("`deadstick proxy ctl toxic` lists the types")
            }
            CtlError::Refused { .. } => Self::new(NO, error),
            CtlError::Unreachable { .. } => {
                Self::internal(error).hint("start one with `deadstick proxy`, or name it with --host")
            }
            CtlError::Http(_) | CtlError::NotJson(_) | CtlError::Timeout(_) | CtlError::Output(_) => {
                Self::internal(error)
            }
        }
    }
}
