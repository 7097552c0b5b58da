//! `deadstick playbook`: the playbooks there are, and whether a file is one.

use deadstick_runner::library;

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE};

/// Lists, shows or checks.
pub(crate) fn run(context: &Context, args: args::Playbook) -> Answer {
    match args {
        args::Playbook::List => {
            let mut rows = Vec::new();
            for (name, _) in library::PLAYBOOKS {
                let playbook = library::playbook(name)?.value;
                rows.push(serde_json::json!({
                    "playbook": name,
                    "title": playbook.title,
                    "lab": playbook.lab.name,
                    "slices": playbook.slices.iter().map(|s| s.name.to_string()).collect::<Vec<_>>(),
                }));
            }
            context.answer(&rows, || {
                let line = |row: &serde_json::Value| {
                    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                    format!("{:<20} {} (lab {})", text("playbook"), text("title"), text("lab"))
                };
                rows.iter().map(line).collect::<Vec<_>>().join("\n")
            })?;
        }
        args::Playbook::Show { playbook } => {
            let source = library::find("playbook", &library::PLAYBOOKS, &playbook)?;
            context.say(source.text.trim_end());
        }
        args::Playbook::Check { playbooks } => {
            let all = library::PLAYBOOKS.iter().map(|(name, _)| (*name).to_owned());
            let asked = if playbooks.is_empty() { all.collect() } else { playbooks };
            for name in &asked {
                library::playbook(name)?;
            }
            context.answer(&serde_json::json!({ "checked": asked }), || {
                format!("nothing is wrong with {}", asked.join(", "))
            })?;
        }
    }
    Ok(DONE)
}
