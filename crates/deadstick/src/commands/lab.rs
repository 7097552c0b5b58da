//! `deadstick lab`: the practice systems by themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deadstick_core::lab::LabDescription;
use deadstick_core::source::did_you_mean;
use deadstick_core::text::printable;
use deadstick_core::units::HumanDuration;
use deadstick_faults::Injector;
use deadstick_faults::process::Life;
use deadstick_lab::{Lab, LabClient, Options, RunState, Status};
use deadstick_runner::ledger::SharedLedger;
use deadstick_runner::{incidents, session, signals, surroundings};
use deadstick_timeline::Ledger;

use crate::args;
use crate::context::Context;
use crate::exit::{Answer, DONE, Failure};

/// How long a lab that is held by hand may live.
const LONGEST: HumanDuration = HumanDuration::secs(24 * 3600);

/// Carries out one of the subcommands.
pub(crate) fn run(context: &Context, args: args::Lab) -> Answer {
    match args {
        args::Lab::Up { lab, set } => up(context, &lab, &set),
        args::Lab::List => list(context),
        other => context.runtime()?.block_on(async {
            let lab = client().await?;
            match other {
                args::Lab::Down => lab.down().await?,
                args::Lab::Status => {
                    let status = lab.status().await?;
                    context.answer(&status, || describe(&status, context.verbose()))?;
                }
                args::Lab::Set { key, value } => lab.set(&key, &value).await?,
                args::Lab::Run { command, options } => {
                    let options: BTreeMap<_, _> = pairs(&options)?.into_iter().collect();
                    let started = lab.run(&command, &options).await?;
                    context
                        .answer(&started, || format!("{command} runs with pid {}", started.process.pid))?;
                }
                args::Lab::End { host } => {
                    lab.end(&host).await?;
                    context.say(&format!("the process on host {host} has ended"));
                }
                args::Lab::Terminate { backend } => {
                    lab.terminate(backend).await?;
                    context.say(&format!("backend {backend} was terminated"));
                }
                args::Lab::Up { .. } | args::Lab::List => {}
            }
            Ok(DONE)
        }),
    }
}

/// The lab that is meant: the one named in the environment, or the only one that is up.
async fn client() -> Result<LabClient, Failure> {
    if let Some(folder) = std::env::var_os(surroundings::LAB_FOLDER) {
        return Ok(LabClient::connect(&PathBuf::from(folder)).await?);
    }
    let mut up = surroundings::labs_up(&std::env::temp_dir()).await;
    match up.len() {
        1 => Ok(up.remove(0)),
        0 => {
            Err(Failure::usage("no lab is up").hint("bring one up with `deadstick lab up`, or start a drill"))
        }
        _ => {
            let folders: Vec<String> = up.iter().map(|lab| lab.folder().display().to_string()).collect();
            Err(Failure::usage(format!("several labs are up: {}", folders.join(", "))).hint(format!(
                "say which: {}={} deadstick lab …",
                surroundings::LAB_FOLDER,
                folders[0]
            )))
        }
    }
}

fn pairs(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let split = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`{word}` is not KEY=VALUE")).hint("write it as job.transaction=whole-run")
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    words.iter().map(split).collect()
}

fn list(context: &Context) -> Answer {
    context.answer(&deadstick_lab::ALL, || {
        let mut text = String::new();
        for lab in deadstick_lab::ALL {
            text.push_str(&format!("{}: {}\n", lab.name, lab.about));
            for setting in lab.settings {
                let values = setting.values.describe();
                text.push_str(&format!(
                    "  {:<48} {} ({values})\n",
                    format!("{} = {}", setting.key, setting.default),
                    setting.about
                ));
            }
            for command in lab.commands {
                text.push_str(&format!("  run {:<44} {}\n", command.name, command.about));
            }
        }
        text
    })?;
    Ok(DONE)
}

fn up(context: &Context, name: &str, set: &[String]) -> Answer {
    let Some(lab) = deadstick_lab::describe(name) else {
        let known = deadstick_lab::ALL.iter().map(|lab| lab.name);
        return Err(Failure::usage(format!("there is no lab `{name}`")).hint(did_you_mean(name, known)));
    };
    let set = pairs(set)?;
    if std::ptr::eq(lab, &raw const deadstick_lab::SHOP_POSTGRES) && !deadstick_lab::may_make_namespaces() {
        deadstick_lab::enter_user_namespace()?;
    }
    context.runtime()?.block_on(hold(context, lab, set))
}

/// A lab as it stands, for people: what runs; with everything also what it is set to.
fn describe(status: &Status, everything: bool) -> String {
    let mut text = format!("lab {} in {}\n", status.lab, status.folder.display());
    if let Some(url) = status.variables.get("shop.url") {
        text.push_str(&format!("  shop at {url}\n"));
    }
    for (name, host) in &status.hosts {
        let process = host.process.as_ref().map_or("no process".to_owned(), |process| {
            let state = match deadstick_faults::process::life(process) {
                Ok(Life::Running) => "running",
                Ok(Life::Stopped) => "STOPPED",
                Ok(Life::Gone) => "gone",
                Err(_) => "unknown",
            };
            format!("pid {} {state}", process.pid)
        });
        let address = host.address.map(|address| format!(", {address}")).unwrap_or_default();
        text.push_str(&format!("  host {name:<8} {process}{address}\n"));
    }
    for run in &status.runs {
        let session = run.session.as_ref().map(|s| format!(", backend pid {}", s.pid)).unwrap_or_default();
        let state = match run.state {
            RunState::Running => "running".to_owned(),
            RunState::Exited { code } => format!("exited with {code}"),
            RunState::Killed { signal } => format!("killed by signal {signal}"),
        };
        let said = run.said.as_ref().map(|said| format!(": {}", printable(said))).unwrap_or_default();
        text.push_str(&format!("  run  {:<8} on {}, {state}{session}{said}\n", run.command, run.host));
    }
    for (key, value) in status.variables.iter().chain(&status.settings).filter(|_| everything) {
        text.push_str(&format!("  {key:<32} {value}\n"));
    }
    text
}

/// Brings a lab up and holds it until somebody stops it.
async fn hold(context: &Context, kind: &'static LabDescription, set: Vec<(String, String)>) -> Answer {
    let (_stop, mut signal) = signals::until_stopped().map_err(Failure::internal)?;
    let ledgers = context.state()?.ledgers();
    context.recover(&ledgers).await?;
    let run = incidents::new_id(session::now(), &format!("lab-{}", kind.name));
    let ledger = SharedLedger::new(Ledger::create(&ledgers, &run).map_err(Failure::internal)?);
    let program = context.program()?;
    let injector = Injector::arm(deadstick_faults::Settings {
        program: program.clone(),
        ledger: ledger.path(),
        store: ledger.store(),
        observer: std::sync::Arc::new(|_| {}),
        relay: None,
        load: None,
        steps: None,
    })
    .await?;
    let held = async {
        let prepared = Lab::prepare(kind, &Options { program, under: std::env::temp_dir() }).await?;
        injector.register(&format!("lab {}", kind.name), prepared.undo(), LONGEST).await?;
        let lab = prepared.start(|line| context.note(line)).await?;
        for (key, value) in &set {
            lab.client().set(key, value).await?;
        }
        let status = lab.client().status().await?;
        context.answer(&status, || format!("{}Ctrl-C ends it", describe(&status, true)))?;
        tokio::select! {
            () = lab.ended() => context.note("the lab has ended"),
            changed = signal.wait_for(Option::is_some) => {
                // Whoever could stop it has gone, or has stopped it: either way it is time.
                drop(changed);
                context.note("ending the lab…");
            }
        }
        lab.stop().await?;
        Ok::<(), Failure>(())
    }
    .await;
    let residue = injector.close().await;
    ledger.retire().map_err(Failure::internal)?;
    held?;
    match residue.first() {
        None => Ok(DONE),
        Some(left) => {
            Err(Failure::new(crate::exit::RESIDUE, &left.why).hint(format!("run: {}", left.manual)))
        }
    }
}
