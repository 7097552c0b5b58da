//! The server's command line and environment, as the original takes them: one dash or two, `-port 1` or `-port=1`.

use std::path::PathBuf;

use crate::settings::Settings;

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    /// To serve. The file, if any, is to be read into [`Settings::config`]; if it cannot be read, that is logged and the server
    /// runs all the same.
    Serve(Box<Settings>, Option<PathBuf>),
    /// To print [`version_line`].
    Version,
    /// To print [`USAGE`].
    Help,
}

/// A command line that asks for nothing that exists. The caller prints [`USAGE`] behind it and exits with 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// A flag without its value.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// A value that the flag does not take.
    #[error("invalid value {value:?} for flag -{flag}")]
    BadValue {
        /// The flag.
        flag: String,
        /// What was given.
        value: String,
    },
}

/// The flags.
pub const USAGE: &str = "\
Usage of deadstick proxy:
  -host HOST          Host for the API to listen on (default localhost)
  -port PORT          Port for the API to listen on (default 8474)
  -config FILE        JSON file with proxies, and their toxics, to start with
  -seed N             Seed that makes a run repeatable (default: another one each time)
  -precise            Keep delays to the microsecond, at the price of processor time
  -proxy-metrics      Serve traffic counters at /metrics
  -runtime-metrics    Serve numbers about the process at /metrics
  -unix-socket PATH   Serve the API on this socket too
  -version            Print the version
The environment variable DEADSTICK_PROXY_TOKEN sets a bearer token that every call must show.
LOG_LEVEL is one of panic, fatal, error, warn, info, debug, trace.
";

/// What `-version` prints.
pub fn version_line() -> String {
    format!("toxiproxy-server version {}", crate::api::API_VERSION)
}

/// Reads a command line, without the program's name.
///
/// # Errors
///
/// A flag is unknown, lacks its value or does not take the one given.
pub fn parse(arguments: &[String]) -> Result<Request, UsageError> {
    let mut settings = Settings::default();
    let mut config = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            // The original stops at the first word that is no flag, and ignores what follows.
            break;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.is_empty() {
            // Two dashes end the flags.
            break;
        }
        let (flag, given) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (flag, None),
        };
        let bad = |value: &str| UsageError::BadValue { flag: flag.to_owned(), value: value.to_owned() };
        let on = || match given.as_deref() {
            None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(bad(other)),
        };
        match flag {
            "h" | "help" => return Ok(Request::Help),
            "version" if on()? => return Ok(Request::Version),
            "version" => continue,
            "precise" => {
                settings.precise = on()?;
                continue;
            }
            "proxy-metrics" => {
                settings.proxy_metrics = on()?;
                continue;
            }
            "runtime-metrics" => {
                settings.runtime_metrics = on()?;
                continue;
            }
            "host" | "port" | "config" | "seed" | "unix-socket" => {}
            unknown => return Err(UsageError::Unknown(unknown.to_owned())),
        }
        let value = given
            .clone()
            .or_else(|| rest.next().cloned())
            .ok_or_else(|| UsageError::NoValue(flag.to_owned()))?;
        match flag {
            "host" => settings.host = value,
            "port" => settings.port = value.parse().map_err(|_| bad(&value))?,
            "config" => config = Some(PathBuf::from(value)).filter(|path| path.as_os_str() != ""),
            // Negative seeds are seeds as well, and so is every one that the log has shown.
            "seed" => {
                let seed = value.parse().or_else(|_| value.parse().map(i64::cast_unsigned));
                settings.seed = Some(seed.map_err(|_| bad(&value))?);
            }
            _ => settings.unix_socket = Some(PathBuf::from(value)),
        }
    }
    Ok(Request::Serve(Box::new(settings), config))
}

/// The `tracing` level for a value of `LOG_LEVEL`: unset means everything, and so does an unknown value, which the caller
/// should complain about.
///
/// # Errors
///
/// The value is unknown; the level to use is in the error.
pub fn log_level(value: Option<&str>) -> Result<tracing::Level, tracing::Level> {
    let value = value.map(str::to_ascii_lowercase);
    Ok(match value.as_deref() {
        Some("panic" | "fatal" | "error") => tracing::Level::ERROR,
        Some("warn" | "warning") => tracing::Level::WARN,
        Some("info") => tracing::Level::INFO,
        Some("debug") => tracing::Level::DEBUG,
        None | Some("trace") => tracing::Level::TRACE,
        Some(_) => return Err(tracing::Level::TRACE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, UsageError> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    #[test]
    fn one_dash_or_two_with_or_without_an_equals_sign() {
        for line in [
            "-host 0.0.0.0 -port 1 -seed -7 -precise -proxy-metrics -config a.json",
            "--host=0.0.0.0 --port=1 --seed=-7 --precise=1 --proxy-metrics=true --config=a.json",
        ] {
            let Ok(Request::Serve(settings, config)) = read(line) else {
                panic!("{line}");
            };
            assert_eq!((settings.host.as_str(), settings.port), ("0.0.0.0", 1));
            assert_eq!(settings.seed, Some((-7_i64).cast_unsigned()));
            assert!(settings.precise && settings.proxy_metrics && !settings.runtime_metrics);
            assert_eq!(config, Some(PathBuf::from("a.json")));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(read("-nope").unwrap_err(), UsageError::Unknown("nope".to_owned()));
        assert_eq!(read("-port").unwrap_err(), UsageError::NoValue("port".to_owned()));
        assert!(read("-port 99999").is_err());
        assert!(read("-proxy-metrics=maybe").is_err());
        assert!(matches!(read("-version"), Ok(Request::Version)));
        assert!(matches!(read("-- -nope"), Ok(Request::Serve(..))));
    }

    #[test]
    fn every_seed_can_be_given_back() {
        for (given, wanted) in [("18446744073709551615", u64::MAX), ("0", 0), ("-1", u64::MAX)] {
            let Ok(Request::Serve(settings, _)) = read(&format!("-seed {given}")) else {
                panic!("{given}");
            };
            assert_eq!(settings.seed, Some(wanted));
        }
        assert!(read("-seed 18446744073709551616").is_err());
    }

    #[test]
    fn log_levels_are_those_of_the_original() {
        assert_eq!(log_level(None), Ok(tracing::Level::TRACE));
        assert_eq!(log_level(Some("fatal")), Ok(tracing::Level::ERROR));
        assert_eq!(log_level(Some("Info")), Ok(tracing::Level::INFO));
        assert_eq!(log_level(Some("loud")), Err(tracing::Level::TRACE));
    }
}
