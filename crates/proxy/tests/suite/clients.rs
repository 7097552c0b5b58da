//! Public clients of three languages, unmodified, as their registries have them. Each is installed into a folder of the test's own.
//! Where that is impossible the test says so and passes, except in CI, where it fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Api, echo};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs a command to its end; what it printed if it failed.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Whether the client is there. In CI it must be.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn installed(outcome: Result<(), String>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error) if std::env::var("CI").as_deref() == Ok("true") => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: the client cannot be installed here: {error}");
            false
        }
    }
}

#[test]
fn toxiproxy_node_client() {
    let place = tempfile::tempdir().expect("a folder");
    let install = run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(place.path())
        .arg("toxiproxy-node-client@4.1.0"));
    if !installed(install) {
        return;
    }
    let script = place.path().join("node.mjs");
    std::fs::copy(folder().join("node.mjs"), &script).expect("copied");
    let api = Api::start();
    let url = format!("http://{}", api.address);
    let upstream = echo().to_string();
    run(Command::new("node").arg(script).args([url, upstream])).expect("the client is content");
}

#[test]
fn toxiproxy_python() {
    let place = tempfile::tempdir().expect("a folder");
    let python = place.path().join("bin/python");
    let install = run(Command::new("python3").args(["-m", "venv"]).arg(place.path())).and_then(|()| {
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "toxiproxy-python==0.1.1"]))
    });
    if !installed(install) {
        return;
    }
    let api = Api::start();
    let (host, port) = (api.address.ip().to_string(), api.address.port().to_string());
    let script = folder().join("python.py");
    run(Command::new(python).arg(script).args([host, port, echo().to_string()]))
        .expect("the client is content");
}

#[test]
fn toxiproxy_rust() {
    // Beside this test's own binary, so that it is built once.
    let mut target = std::env::current_exe().expect("a path");
    while target.pop() && !target.ends_with("deps") {}
    target.pop();
    let target = target.join("clients");
    let build = run(Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--manifest-path"])
        .arg(folder().join("rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target));
    if !installed(build) {
        return;
    }
    let api = Api::start();
    let program = target.join("debug/rust-client");
    run(Command::new(program).args([api.address.to_string(), echo().to_string()]))
        .expect("the client is content");
}
