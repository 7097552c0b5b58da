//! `deadstick schema`, `completions` and `man`: what other programs want to know about the words we use.

use clap::CommandFactory;
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

/// The manual page, in troff.
pub(crate) fn man(context: &Context) -> Answer {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(Failure::internal)?;
    context.say(String::from_utf8_lossy(&text).trim_end());
    Ok(DONE)
}
