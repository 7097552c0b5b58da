//! Whether this host lets itself be touched: its policy, and what keeps people in control, asked before every injection.
//!
//! Owns reading the policy's file and saying whose a target is. Leaves the judgement to [`deadstick_core::policy`]. A
//! drill's faults are all inside its own lab, which every policy allows, so drills do not ask.

use std::io;
use std::path::{Path, PathBuf};

use deadstick_core::fault::catalogue::{self, Family};
use deadstick_core::fault::{Fault, ResolvedTarget, Target};
use deadstick_core::policy::{Denied, POLICY_FILE, Policy, Request, Standing};
use deadstick_core::source::{Diagnostic, LONGEST_SOURCE, Source};
use deadstick_core::units::HumanDuration;
use deadstick_faults::control;
use deadstick_faults::process::ProcessError;
use deadstick_timeline::LedgerError;

use crate::injection;
use crate::recovery;

/// Why nothing is injected.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The policy says no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It would cut off the people who would end it.
    #[error("{0}")]
    CutsControl(String),
    /// The policy cannot be read.
    #[error("the policy {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The policy does not parse.
    #[error("{} is no policy", path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<Diagnostic>,
    },
    /// What is in place cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// This machine does not say who runs what.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The policy of this host, or the one in a file that is named.
///
/// # Errors
/// A file that is named and not there; one that cannot be read or does not parse.
pub fn read(named: Option<&Path>) -> Result<Policy, PolicyError> {
    let path = named.unwrap_or(Path::new(POLICY_FILE));
    let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source };
    let wrong = |problems| PolicyError::Wrong { path: path.to_owned(), problems };
    match std::fs::metadata(path) {
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(Policy::none()),
        Err(error) => return Err(unreadable(error)),
        Ok(about) if about.len() > LONGEST_SOURCE as u64 => {
            return Err(wrong(vec![*Source::too_large(&path.display().to_string(), about.len())]));
        }
        Ok(_) => {}
    }
    let text = match String::from_utf8(std::fs::read(path).map_err(unreadable)?) {
        Ok(text) => text,
        Err(error) => return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, error))),
    };
    // An empty policy is one: it allows nothing.
    Policy::read(&Source { name: path.display().to_string(), text }).map_err(wrong)
}

/// Judges one fault, together with those that are held by hand already.
///
/// # Errors
/// It is not allowed, or that cannot be found out.
pub fn judge(
    policy: &Policy,
    fault: &Fault,
    written: &Target,
    target: &ResolvedTarget,
    lease: HumanDuration,
    ledgers: &Path,
) -> Result<(), PolicyError> {
    let standing = standing(fault, target);
    let asked = Request { kind: fault.kind(), target: as_found(written, target), standing, lease };
    let in_place: Vec<Request> = recovery::open_faults(ledgers)?
        .into_iter()
        .filter(|open| injection::is_single(&open.run))
        .filter_map(|open| {
            // Only how many there are is judged.
            Some(Request { kind: open.kind?, target: Target::Host, standing: Standing::Foreign, lease })
        })
        .collect();
    policy.judge(&[asked], &in_place, chrono::Utc::now())?;
    match control::path()?.cut_by(fault, target) {
        Some(words) => Err(PolicyError::CutsControl(words)),
        None => Ok(()),
    }
}

/// The target in the words that a policy is asked by. A file is where its links and dots lead: a line for one folder allows
/// none that is reached through it.
fn as_found(written: &Target, found: &ResolvedTarget) -> Target {
    match (written, &found.path) {
        (Target::Path(_), Some(path)) => Target::Path(path.clone()),
        _ => written.clone(),
    }
}

/// A user's own processes are theirs to hurt; root owns none.
fn standing(fault: &Fault, target: &ResolvedTarget) -> Standing {
    let about_processes = catalogue::of(fault.kind()).family == Family::Processes && target.process.is_some();
    let own = match user_of("self") {
        None | Some(0) => false,
        me => target.processes().all(|one| user_of(&one.pid.to_string()) == me),
    };
    if about_processes && own { Standing::Own } else { Standing::Foreign }
}

/// The user that a process acts as: its folder belongs to them, and to root when it has changed its user.
fn user_of(process: &str) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(format!("/proc/{process}")).ok()?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_named_must_be_there_and_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.toml");
        assert!(matches!(read(Some(&path)), Err(PolicyError::Unreadable { .. })));
        std::fs::write(&path, "").expect("ours");
        assert!(read(Some(&path)).is_ok());
        std::fs::write(&path, b"\xff").expect("ours");
        assert!(matches!(read(Some(&path)), Err(PolicyError::Unreadable { .. })));
        std::fs::write(&path, "colour = \"red\"").expect("ours");
        assert!(matches!(read(Some(&path)), Err(PolicyError::Wrong { .. })));
        assert!(matches!(read(Some(folder.path())), Err(PolicyError::Unreadable { .. })));
    }

    #[test]
    fn a_line_for_a_folder_allows_nothing_outside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (scratch, other) = (folder.path().join("scratch"), folder.path().join("other"));
        for one in [&scratch, &other] {
            std::fs::create_dir(one).expect("ours");
        }
        std::os::unix::fs::symlink(&other, scratch.join("link")).expect("ours");
        let scratch = scratch.canonicalize().expect("there");
        let text = format!("[allow]\n\"path:{}*\" = [\"disk-fill\"]\n", scratch.display());
        let policy = Policy::read(&Source { name: "policy.toml".to_owned(), text }).expect("a policy");
        let kind = deadstick_core::fault::FaultKind::DiskFill;
        let fill = Fault::read(kind, [("reserve", "1MiB")]).expect("a fault");
        let judged = |path: PathBuf| {
            let written = Target::Path(path);
            let found = crate::targets::find(fill.clone(), &written, None).expect("it is there");
            judge(&policy, &fill, &written, &found.target, HumanDuration::secs(1), folder.path())
        };
        assert!(judged(scratch.clone()).is_ok());
        assert!(judged(scratch.join("../scratch")).is_ok());
        for outside in ["../other", "link"] {
            let denied = judged(scratch.join(outside)).expect_err(outside).to_string();
            assert!(denied.contains("other\" = [\"disk-fill\"]"), "{outside}: {denied}");
        }
    }

    #[test]
    fn nobody_stops_what_they_run_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, "allow-all = true").expect("ours");
        let policy = read(Some(&path)).expect("a policy");
        let me = deadstick_faults::process::me().expect("readable");
        let pause = Fault::read(deadstick_core::fault::FaultKind::Pause, []).expect("a fault");
        let target = ResolvedTarget { process: Some(me), ..ResolvedTarget::default() };
        let written = Target::Pid(std::process::id());
        let judged = judge(&policy, &pause, &written, &target, HumanDuration::secs(1), folder.path());
        assert!(matches!(judged, Err(PolicyError::CutsControl(_))), "{judged:?}");
        let none = judge(&Policy::none(), &pause, &written, &target, HumanDuration::secs(1), folder.path());
        // As root even one's own process is not one's own.
        assert_eq!(matches!(none, Err(PolicyError::Denied(_))), user_of("self") == Some(0), "{none:?}");
    }
}
