//! Arguments of a part: `PART --key value … -- rest`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use deadstick_core::units::HumanDuration;

/// The arguments make no sense. They are written by this crate alone, so there is nobody to explain it to.
#[derive(Debug)]
pub(crate) struct Misuse;

pub(crate) struct Arguments {
    part: String,
    options: BTreeMap<String, OsString>,
    rest: Vec<OsString>,
}

impl Arguments {
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, Misuse> {
        let mut args = args.into_iter();
        let part = args.next().and_then(|part| part.into_string().ok()).ok_or(Misuse)?;
        let mut options = BTreeMap::new();
        while let Some(arg) = args.next() {
            if arg == "--" {
                break;
            }
            let key = arg.to_str().and_then(|a| a.strip_prefix("--")).ok_or(Misuse)?.to_owned();
            options.insert(key, args.next().ok_or(Misuse)?);
        }
        Ok(Self { part, options, rest: args.collect() })
    }

    pub(crate) fn part(&self) -> &str {
        &self.part
    }

    pub(crate) fn rest(&self) -> &[OsString] {
        &self.rest
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str, Misuse> {
        self.options.get(key).and_then(|value| value.to_str()).ok_or(Misuse)
    }

    pub(crate) fn path(&self, key: &str) -> Result<PathBuf, Misuse> {
        self.options.get(key).map(PathBuf::from).ok_or(Misuse)
    }

    pub(crate) fn get<T: FromStr>(&self, key: &str) -> Result<T, Misuse> {
        self.text(key)?.parse().map_err(|_| Misuse)
    }

    /// A value that may be absent, but not malformed.
    pub(crate) fn maybe<T: FromStr>(&self, key: &str) -> Result<Option<T>, Misuse> {
        self.options.get(key).map(|_| self.get(key)).transpose()
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Duration, Misuse> {
        self.get::<HumanDuration>(key).map(|d| d.0)
    }
}
