//! `deadstick schema`, `completions` and `man`: what other programs want to know about the words we use.

use clap::CommandFactory;
use deadstick_core::source::did_you_mean;
use deadstick_runner::responder::Script;

use crate::args::{Cli, Schema, SchemaKind};
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure};

/// JSON Schema of the files people write.
pub(crate) fn schema(context: &Context, args: &Schema) -> Answer {
    let schema = match args.kind {
        SchemaKind::Playbook => deadstick_core::playbook::schema(),
        SchemaKind::Checklist => deadstick_core::checklist::schema(),
        SchemaKind::Responder => schemars::schema_for!(Script),
    };
    context.say(&serde_json::to_string_pretty(&schema).map_err(Failure::internal)?);
    Ok(DONE)
}

/// Shell completions.
pub(crate) fn completions(context: &Context, shell: clap_complete::Shell) -> Answer {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "deadstick", &mut text);
    context.say(String::from_utf8_lossy(&text).trim_end());
    Ok(DONE)
}

/// The manual page, in troff: of the whole, or of one command.
pub(crate) fn man(context: &Context, words: &[String]) -> Answer {
    let mut command = Cli::command();
    command.build();
    for word in words {
        let Some(found) = command.find_subcommand(word).filter(|found| !found.is_hide_set()) else {
            let known =
                command.get_subcommands().filter(|one| !one.is_hide_set()).map(clap::Command::get_name);
            return Err(
                Failure::usage(format!("there is no command `{word}`")).hint(did_you_mean(word, known))
            );
        };
        command = found.clone();
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Failure::internal)?;
    context.say(String::from_utf8_lossy(&text).trim_end());
    Ok(DONE)
}
