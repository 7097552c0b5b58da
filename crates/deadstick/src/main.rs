//! deadstick: stage outages, work them with checklists, keep the timeline.
//!
//! Owns the process: arguments in, exit code out. What each command does is in [`commands`]; what the words mean is in
//! [`args`]; what an ending is called is in [`exit`].

mod args;
mod commands;
mod context;
mod exit;
mod fit;
mod plain;
mod screen;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::context::Context;

fn main() -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return context::refuse(error),
    };
    let context = Context::new(global);
    let answer = match command {
        Command::Drill(args) => commands::drill::run(&context, &args),
        Command::Respond(args) => commands::respond::run(&context, &args),
        Command::Incident(args) => commands::incident::run(&context, args),
        Command::Checklist(args) => commands::checklist::run(&context, args),
        Command::Playbook(args) => commands::playbook::run(&context, args),
        Command::Timeline(args) => commands::timeline::run(&context, args),
        Command::Debrief(args) => commands::debrief::run(&context, &args),
        Command::Lab(args) => commands::lab::run(&context, args),
        Command::Probe(args) => commands::probe::run(&context, args),
        Command::Proxy { args } => commands::proxy::run(&context, args),
        Command::Faults { watch: false } => commands::faults::list(&context),
        Command::Faults { watch: true } => commands::watch::watch(&context),
        Command::Inject(args) => commands::inject::run(&context, &args),
        Command::InjectDetached => commands::inject::run_detached(&context),
        Command::Restore(args) => commands::faults::restore(&context, &args),
        Command::Doctor => commands::doctor::run(&context),
        Command::Schema(args) => commands::words::schema(&context, &args),
        Command::Completions { shell } => commands::words::completions(&context, shell),
        Command::Man { command } => commands::words::man(&context, &command),
        Command::Guardian { ledger } => commands::hidden::guardian(&ledger),
        Command::Hold => Ok(deadstick_faults::holder::main()),
        Command::LabProcess { args } => Ok(deadstick_lab::process::main(args)),
    };
    ExitCode::from(answer.unwrap_or_else(|failure| context.fail(&failure)))
}
