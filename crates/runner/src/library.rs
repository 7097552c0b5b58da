//! The playbooks and checklists that ship in the binary, and those in files.
//!
//! Owns finding them by name or path and reading them against everything else that is known; leaves their meaning to
//! core. What a playbook may refer to (labs, checklists and their items) is gathered here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use deadstick_core::checklist::{self, Checklist};
use deadstick_core::playbook::{Playbook, World};
use deadstick_core::source::{Diagnostic, LONGEST_SOURCE, Source, did_you_mean};
use deadstick_core::units::Name;
use sha2::{Digest, Sha256};

use crate::drill::link;

/// A shipped file: its name without ending, and its text.
type Shipped = (&'static str, &'static str);

/// The shipped playbooks; the first is the first lesson.
pub const PLAYBOOKS: [Shipped; 2] = [
    ("first-lesson", include_str!("../../../playbooks/first-lesson.yaml")),
    ("leaky-abstractions", include_str!("../../../playbooks/leaky-abstractions.yaml")),
];

/// The shipped checklists.
pub const CHECKLISTS: [Shipped; 2] = [
    ("database-lock-pileup", include_str!("../../../checklists/database-lock-pileup.yaml")),
    ("first-lesson", include_str!("../../../checklists/first-lesson.yaml")),
];

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Neither shipped nor a file.
    #[error("there is no {kind} `{name}`: {hint}")]
    Unknown {
        /// Playbook or checklist.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What would do.
        hint: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("{} in this file", problems(.0.len()))]
    Wrong(Vec<Diagnostic>),
}

fn problems(count: usize) -> String {
    if count == 1 { "a problem".to_owned() } else { format!("{count} problems") }
}

/// A text and what it was read into.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// The text, with its name.
    pub source: Source,
    /// What it means.
    pub value: T,
}

/// A shipped file, or a file by its path: whatever contains a slash or ends in `.yaml` or `.yml` is a path.
///
/// # Errors
/// Neither of these, or not readable as a text of a sensible size.
pub fn find(kind: &'static str, shipped: &[Shipped], name: &str) -> Result<Source, LibraryError> {
    let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
    if !is_path {
        return shipped
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(known, text)| Source { name: format!("shipped:{known}"), text: (*text).to_owned() })
            .ok_or_else(|| LibraryError::Unknown {
                kind,
                name: name.to_owned(),
                hint: format!(
                    "{}; a file is named by its path, such as ./{name}.yaml",
                    did_you_mean(name, shipped.iter().map(|(known, _)| *known))
                ),
            });
    }
    let io = |error| LibraryError::Io { path: name.to_owned(), error };
    let wrong = |problem: Box<Diagnostic>| LibraryError::Wrong(vec![*problem]);
    let path = Path::new(name);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(io(std::io::Error::other("not a regular file")));
    }
    // Not even read when it is far too large to be meant.
    if about.len() > LONGEST_SOURCE as u64 {
        return Err(wrong(Source::too_large(name, about.len())));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    Source::from_bytes(name, &bytes).map_err(wrong)
}

/// SHA-256 of a text, in hexadecimal: what a playbook is recorded under.
#[must_use]
pub fn digest(source: &Source) -> String {
    Sha256::digest(source.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A checklist, checked on its own and against the shipped ones.
///
/// # Errors
/// See [`LibraryError`].
pub fn checklist(name: &str) -> Result<Read<Checklist>, LibraryError> {
    let source = find("checklist", &CHECKLISTS, name)?;
    let mut names: BTreeSet<Name> = CHECKLISTS.iter().filter_map(|(known, _)| known.parse().ok()).collect();
    // The file's own folder counts as well, so that a team's checklists can name each other.
    names.extend(siblings(name));
    let variables =
        deadstick_lab::ALL.iter().flat_map(|lab| lab.variables).map(|v| (*v).to_owned()).collect();
    let world = checklist::World { checklists: Some(names), variables: Some(variables) };
    let value = Checklist::read(&source, &world).map_err(LibraryError::Wrong)?;
    Ok(Read { source, value })
}

/// The names of the YAML files beside a file.
fn siblings(path: &str) -> Vec<Name> {
    let Some(folder) = Path::new(path).parent().filter(|_| path.contains('/')) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.path().file_stem()?.to_str()?.parse().ok()).collect()
}

/// A playbook, checked against every lab and checklist there is.
///
/// # Errors
/// See [`LibraryError`].
pub fn playbook(name: &str) -> Result<Read<Playbook>, LibraryError> {
    let source = find("playbook", &PLAYBOOKS, name)?;
    let mut checklists = BTreeMap::new();
    for (known, _) in CHECKLISTS {
        let read = checklist(known)?;
        checklists.insert(read.value.name.value.clone(), item_ids(&read.value));
    }
    for sibling in siblings(name) {
        // What is no checklist beside a playbook is none of our business here.
        let path = Path::new(name).with_file_name(format!("{sibling}.yaml"));
        if let Some(Ok(read)) = path.to_str().map(checklist) {
            checklists.insert(read.value.name.value.clone(), item_ids(&read.value));
        }
    }
    let value = link::with_toxics(|toxics| {
        Playbook::read(&source, &World { labs: &deadstick_lab::ALL, checklists: &checklists, toxics })
    })
    .map_err(LibraryError::Wrong)?;
    Ok(Read { source, value })
}

fn item_ids(checklist: &Checklist) -> BTreeSet<String> {
    checklist.items.iter().map(|item| item.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_ships_is_right() {
        for (name, _) in PLAYBOOKS {
            let read = playbook(name).unwrap_or_else(|e| panic!("{}", render(&e)));
            assert_eq!(read.value.name.as_str(), name);
        }
        for (name, _) in CHECKLISTS {
            let read = checklist(name).unwrap_or_else(|e| panic!("{}", render(&e)));
            assert_eq!(read.value.name.value.as_str(), name);
        }
    }

    #[test]
    fn every_file_of_the_folders_ships() {
        for (folder, shipped) in [("playbooks", &PLAYBOOKS[..]), ("checklists", &CHECKLISTS[..])] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
            let mut files: Vec<String> = std::fs::read_dir(path)
                .expect("the folder is there")
                .flatten()
                .filter_map(|e| e.path().file_stem()?.to_str().map(str::to_owned))
                .collect();
            files.sort();
            let mut names: Vec<&str> = shipped.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            assert_eq!(files, names, "{folder}");
        }
    }

    fn render(error: &LibraryError) -> String {
        match error {
            LibraryError::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
            other => other.to_string(),
        }
    }
}
