//! `deadstick checklist`: the checklists there are, on paper, and what is wrong with them.

use deadstick_core::checklist::{Checklist, lint, paper};
use deadstick_core::source::{Severity, Source};
use deadstick_runner::library::{self, Read};

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure, NO};

/// Lists, shows, prints or lints.
pub(crate) fn run(context: &Context, args: args::Checklist) -> Answer {
    match args {
        args::Checklist::List => {
            let mut rows = Vec::new();
            for (name, _) in library::CHECKLISTS {
                let checklist = library::checklist(name)?.value;
                rows.push((name, checklist.level, checklist.title));
            }
            context.answer(&rows, || {
                let lines = rows.iter().map(|(name, level, title)| format!("{name:<24} {level:?}: {title}"));
                lines.collect::<Vec<_>>().join("\n")
            })?;
        }
        args::Checklist::Show { checklist } => {
            let source = library::find("checklist", &library::CHECKLISTS, &checklist)?;
            context.say(source.text.trim_end());
        }
        args::Checklist::Print { checklist } => {
            let read = library::checklist(&checklist)?;
            context.say(paper::print(&read.value).trim_end());
        }
        args::Checklist::Lint { checklists } => return run_lint(context, checklists),
    }
    Ok(DONE)
}

fn run_lint(context: &Context, asked: Vec<String>) -> Answer {
    let all = library::CHECKLISTS.iter().map(|(name, _)| (*name).to_owned());
    let asked = if asked.is_empty() { all.collect() } else { asked };
    let read =
        asked.iter().map(|name| library::checklist(name)).collect::<Result<Vec<Read<Checklist>>, _>>()?;
    let pairs: Vec<(&Source, &Checklist)> = read.iter().map(|r| (&r.source, &r.value)).collect();
    let problems = lint(&pairs);
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let colour = context.colour(&std::io::stdout());
    if context.json() {
        context.machine(&problems)?;
    } else {
        problems.iter().for_each(|problem| context.show(&problem.render(colour)));
        let several =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        context.say(&format!(
            "{}: {}, {}",
            several(asked.len(), "checklist"),
            several(errors, "error"),
            several(problems.len() - errors, "other finding")
        ));
    }
    if errors > 0 { Ok(NO) } else { Ok::<u8, Failure>(DONE) }
}
