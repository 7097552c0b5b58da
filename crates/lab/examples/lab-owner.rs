//! An owner of a lab as a program, for tests that kill it or run it as another user.
//!
//! `lab-owner LAB FOLDER PROGRAM`: says `prepared ID PID`, waits for a line, starts the lab, says `ready`, waits for
//! another line, stops it, says `stopped`. Makes itself a user namespace when it may not make namespaces as it is.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use deadstick_lab::{Lab, LabError, Options, describe, enter_user_namespace, may_make_namespaces};

fn main() -> ExitCode {
    match own() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn own() -> Result<(), LabError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [lab, under, program] = args.as_slice() else {
        say("usage: lab-owner LAB FOLDER PROGRAM");
        return Ok(());
    };
    let lab = describe(lab).expect("a lab by this name");
    if lab.name == "shop-postgres" && !may_make_namespaces() {
        enter_user_namespace()?;
    }
    let options = Options { program: program.into(), under: under.into() };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let prepared = Lab::prepare(lab, &options).await?;
        let id =
            prepared.folder().file_name().and_then(|n| n.to_str()).map(str::to_owned).unwrap_or_default();
        say(&format!("prepared {id} {}", prepared.supervisor().pid));
        wait();
        let lab = prepared.start(|_| ()).await?;
        say("ready");
        wait();
        lab.stop().await?;
        say("stopped");
        Ok(())
    })
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}").and_then(|()| out.flush()).expect("somebody listens");
}

fn wait() {
    std::io::stdin().lock().read_line(&mut String::new()).expect("standard input");
}
