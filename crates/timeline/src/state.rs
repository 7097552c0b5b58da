//! The state directory: where ledgers and incidents lie.
//!
//! Owns which directory it is and its layout. The environment is passed in: reading it is the binary's business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::storage;

/// The variables that decide where state lies, as the binary found them.
#[derive(Clone, Debug, Default)]
pub struct StateEnv {
    /// `DEADSTICK_STATE`.
    pub deadstick_state: Option<OsString>,
    /// `XDG_STATE_HOME`.
    pub xdg_state_home: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
}

/// Why there is no state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Nothing says where.
    #[error("no place for state: set DEADSTICK_STATE or HOME, or give --state DIR")]
    Nowhere,
    /// It cannot be made or read.
    #[error("cannot use the state directory {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An incident's name that cannot be a folder's name.
    #[error("{0:?} cannot name an incident: use letters, digits, dots, hyphens and underscores")]
    Incident(String),
}

/// The state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Finds it: what was asked for, else `$DEADSTICK_STATE`, else `/var/lib/deadstick` for root, else
    /// `$XDG_STATE_HOME/deadstick`, else `~/.local/state/deadstick`. Creates it for its owner only.
    ///
    /// # Errors
    /// Nothing says where, or it cannot be created.
    pub fn find(asked: Option<&Path>, env: &StateEnv, is_root: bool) -> Result<Self, StateError> {
        let Self(path) = Self::locate(asked, env, is_root)?;
        match storage::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(StateError::Io { path, source }),
        }
    }

    /// The same for whoever only looks: it is not created, and need not be there.
    ///
    /// # Errors
    /// Nothing says where.
    pub fn locate(asked: Option<&Path>, env: &StateEnv, is_root: bool) -> Result<Self, StateError> {
        Self::place(asked, env, is_root).map(Self).ok_or(StateError::Nowhere)
    }

    fn place(asked: Option<&Path>, env: &StateEnv, is_root: bool) -> Option<PathBuf> {
        let set = |value: &Option<OsString>| value.clone().filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(asked) = asked {
            return Some(asked.to_owned());
        }
        if let Some(state) = set(&env.deadstick_state) {
            return Some(state);
        }
        if is_root {
            return Some(PathBuf::from("/var/lib/deadstick"));
        }
        // The XDG specification: a relative path is to be ignored.
        let xdg = set(&env.xdg_state_home).filter(|p| p.is_absolute());
        let home = || set(&env.home).map(|home| home.join(".local/state"));
        xdg.or_else(home).map(|base| base.join("deadstick"))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the ledgers are.
    #[must_use]
    pub fn ledgers(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// Where an incident's log is, or will be.
    ///
    /// # Errors
    /// The name would lead elsewhere.
    pub fn incident(&self, id: &str) -> Result<PathBuf, StateError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if id.is_empty() || id.len() > 100 || id.starts_with('.') || !id.bytes().all(plain) {
            return Err(StateError::Incident(id.to_owned()));
        }
        Ok(self.0.join("incidents").join(id))
    }

    /// The names of all incidents, sorted.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn incidents(&self) -> Result<Vec<String>, StateError> {
        let path = self.0.join("incidents");
        let failed = |source| StateError::Io { path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
