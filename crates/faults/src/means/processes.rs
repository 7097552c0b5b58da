//! What all means about processes share: whose they are, and who must not be hit.

use std::path::Path;

use deadstick_core::fault::{Fault, ResolvedTarget};
use deadstick_core::identity::ProcessIdentity;

use super::{Site, failed};
use crate::error::FaultError;
use crate::kernel::{Control, GroupPlace};
use crate::process::Life;

/// The target's processes, at least one.
pub(crate) fn of_target(fault: &Fault, target: &ResolvedTarget) -> Result<Vec<ProcessIdentity>, FaultError> {
    let processes: Vec<_> = target.processes().cloned().collect();
    if processes.is_empty() {
        return Err(FaultError::refused(
            format!("{} needs a process, and {} has none", fault.kind(), target.name),
            "name a process, or start it first",
        ));
    }
    Ok(processes)
}

/// `process 7`, or `processes 7, 9 and 3 more`.
pub(crate) fn words(processes: &[ProcessIdentity]) -> String {
    let named: Vec<_> = processes.iter().take(5).map(|process| process.pid.to_string()).collect();
    let more = processes.len() - named.len();
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    let word = if processes.len() == 1 { "process" } else { "processes" };
    format!("{word} {}{rest}", named.join(", "))
}

/// What each of them does. Refuses those that are deadstick's own, and a target of which nobody is left.
pub(crate) async fn lives(
    site: &Site,
    processes: &[ProcessIdentity],
) -> Result<Vec<(ProcessIdentity, Life)>, FaultError> {
    refuse_ours(site, processes)?;
    let all = processes.to_vec();
    let lives = site.blocking(move |kernel| {
        all.into_iter()
            .map(|process| Ok((process.clone(), kernel.life(&process)?)))
            .collect::<Result<Vec<_>, _>>()
    });
    let mut lives = lives.await?;
    lives.retain(|(_, life)| *life != Life::Gone);
    if lives.is_empty() {
        let verb = if processes.len() == 1 { "is" } else { "are" };
        return Err(FaultError::refused(
            format!("{} {verb} gone", words(processes)),
            "find the target again",
        ));
    }
    Ok(lives)
}

/// A fault must not hit who has to take it back, nor the first process, from which everything comes.
pub(crate) fn refuse_ours(site: &Site, processes: &[ProcessIdentity]) -> Result<(), FaultError> {
    if let Some(own) = processes.iter().find(|process| site.ours.contains(process)) {
        let what = format!("process {} is deadstick itself", own.pid);
        return Err(FaultError::refused(what, "name another process"));
    }
    Ok(())
}

/// The target's own group in a tree that has what is asked for: never the root, and never one with deadstick in it.
pub(crate) async fn own_group(
    site: &Site,
    control: Control,
    path: &Path,
    processes: &[ProcessIdentity],
) -> Result<Option<GroupPlace>, FaultError> {
    let (path, targets) = (path.to_owned(), processes.to_vec());
    let found = site
        .blocking(move |kernel| {
            for place in kernel.places(control, &path)? {
                let members = kernel.members(&place.group.folder)?;
                // In trees of version 1 the same path may be empty, or have other processes. Any of the target's will do:
                // those that live shortly have ended meanwhile.
                let theirs = targets.is_empty() || targets.iter().any(|target| members.contains(target));
                if !members.is_empty() && theirs {
                    return Ok(Some((place, members)));
                }
            }
            Ok(None)
        })
        .await?;
    let Some((place, members)) = found else { return Ok(None) };
    refuse_vital(site, &place, &members)?;
    Ok(Some(place))
}

fn refuse_vital(site: &Site, place: &GroupPlace, members: &[ProcessIdentity]) -> Result<(), FaultError> {
    let folder = place.group.folder.display();
    let own = members.iter().any(|member| site.ours.contains(member) || member.pid == std::process::id());
    if place.is_root || own || members.iter().any(|member| member.pid == 1) {
        let who = if own { "deadstick itself" } else { "the machine's first process" };
        let what = format!("control group {folder} has {who} in it");
        return Err(FaultError::refused(what, "name a control group, unit or container of its own"));
    }
    Ok(())
}

/// Nobody was left to be hit.
pub(crate) fn all_gone(processes: &[ProcessIdentity]) -> FaultError {
    failed(format!("{} ended meanwhile", words(processes)))
}
