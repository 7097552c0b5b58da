//! Everything again as an ordinary user, in a user namespace of its own, as a lab without root has it.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::program;

/// Copies of the programs where another user can run them.
fn copies(folder: &std::path::Path) -> (PathBuf, PathBuf) {
    let examples = folder.join("examples");
    let deps = folder.join("deps");
    for made in [&examples, &deps] {
        std::fs::create_dir(made).expect("a folder");
    }
    let own = std::env::current_exe().expect("own path").with_file_name("");
    let newest = std::fs::read_dir(own)
        .expect("target/debug/deps")
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("conformance-") && !name.contains('.')
        })
        .max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).expect("its age"))
        .expect("the conformance tests are built with this one")
        .path();
    let (helper, tests) = (examples.join("faults-process"), deps.join("conformance"));
    std::fs::copy(program(), &helper).expect("copied");
    std::fs::copy(newest, &tests).expect("copied");
    Command::new("chmod").args(["-R", "a+rX"]).arg(folder).status().expect("chmod runs");
    (helper, tests)
}

#[test]
fn the_conformance_body_passes_without_root() {
    let folder = tempfile::Builder::new().prefix("deadstick-faults-").tempdir().expect("a folder");
    let (_, tests) = copies(folder.path());
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    }
    command.args(["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]);
    let output = command
        .arg(tests)
        // The other body makes control groups, which an ordinary user has none of.
        .args(["--exact", "on_the_real_kernel"])
        .env("TMPDIR", "/tmp")
        .current_dir("/")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}
