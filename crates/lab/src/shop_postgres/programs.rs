//! Where the machine's PostgreSQL programs are, and as whom they run.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use crate::LabError;

const PACKAGE: &str = "postgresql";
const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];
/// Where Debian keeps them, a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder that has all programs: on the search path, else the newest version installed.
pub(crate) fn find() -> Result<PathBuf, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(&path, Path::new(VERSIONS))
}

fn find_in(path: &OsStr, versions: &Path) -> Result<PathBuf, LabError> {
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    installed.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));
    let folders: Vec<PathBuf> =
        std::env::split_paths(path).chain(installed.into_iter().map(|(_, bin)| bin)).collect();
    if let Some(folder) = folders.iter().find(|folder| NEEDED.iter().all(|name| folder.join(name).is_file()))
    {
        return Ok(folder.clone());
    }
    let missing = NEEDED.iter().find(|name| !folders.iter().any(|folder| folder.join(name).is_file()));
    let looked_in = vec!["PATH".to_owned(), format!("{}/*/bin", versions.display())];
    Err(LabError::Missing {
        package: PACKAGE.to_owned(),
        program: (*missing.unwrap_or(&NEEDED[0])).to_owned(),
        looked_in,
    })
}

/// User and group for the servers, when this process must not run them itself: PostgreSQL refuses root.
pub(super) fn user() -> Result<Option<(u32, u32)>, LabError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some((user.uid.as_raw(), user.gid.as_raw())));
        }
    }
    Err(LabError::start("finding a user for the servers", "there is neither postgres nor nobody"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        for name in NEEDED {
            fs::write(folder.join(name), "").expect("a file");
        }
    }

    #[test]
    fn the_path_comes_first_then_the_newest() {
        let machine = tempfile::tempdir().expect("a temporary folder");
        let (versions, own) = (machine.path().join("versions"), machine.path().join("own"));
        let missing = find_in(own.as_os_str(), &versions).expect_err("there is nothing");
        assert!(
            matches!(&missing, LabError::Missing { package, .. } if package == "postgresql"),
            "{missing}"
        );
        install(&versions.join("9/bin"));
        install(&versions.join("15/bin"));
        fs::create_dir_all(versions.join("17/bin")).expect("a version without its server");
        assert_eq!(find_in(own.as_os_str(), &versions), Ok(versions.join("15/bin")));
        install(&own);
        assert_eq!(find_in(own.as_os_str(), &versions), Ok(own));
    }
}
