//! The house keeps its own rules: who may know whom, what ships, and where unsafe code may stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use deadstick_runner::library::{CHECKLISTS, PLAYBOOKS};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder and of all folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read"))
    {
        if entry.file_type().expect("it has a type").is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// The crates of ours that a manifest names but for itself, in whichever table: tests may not know more either.
fn known_to(manifest: &str) -> BTreeSet<&str> {
    let lines = manifest.lines().filter(|line| !line.starts_with("name") && !line.starts_with('#'));
    let names = lines.flat_map(|line| line.split("deadstick-").skip(1));
    let names = names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
    names.filter(|name| root().join("crates").join(name).is_dir()).collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let joined = ["core", "timeline", "faults", "proxy", "probes", "lab"];
    let mut seen = 0;
    for entry in fs::read_dir(root().join("crates")).expect("the crates").flatten() {
        let name = entry.file_name().into_string().expect("it is text");
        let may: &[&str] = match name.as_str() {
            "core" => &[],
            "timeline" | "tls" | "proxy" | "lab" | "tui" => &["core"],
            "faults" | "probes" => &["core", "tls"],
            "runner" => &joined,
            "deadstick" => continue,
            other => panic!("the house does not say whom {other} may know: say so here and in README.md"),
        };
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).expect("its manifest");
        let knows = known_to(&manifest);
        let too_much: Vec<_> = knows.iter().filter(|known| !may.contains(known)).collect();
        assert!(too_much.is_empty(), "{name} must not know {too_much:?}");
        assert!(name == "core" || knows.contains("core"), "everything points at core; {name} does not");
        seen += 1;
    }
    assert_eq!(seen, 9, "every crate but the binary was looked at");
}

#[test]
fn every_manifest_takes_the_workspaces_lints() {
    for entry in fs::read_dir(root().join("crates")).expect("the crates").flatten() {
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).expect("its manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", entry.path().display());
    }
}

#[test]
fn everything_that_is_to_ship_is_embedded() {
    for (folder, shipped) in [("checklists", &CHECKLISTS[..]), ("playbooks", &PLAYBOOKS[..])] {
        let there = files(&root().join(folder));
        assert_eq!(there.len(), shipped.len(), "{folder}: {there:?}");
        for path in there {
            let text = fs::read_to_string(&path).expect("it is text");
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("it is text");
            let embedded = shipped.iter().find(|(known, _)| *known == name);
            assert_eq!(embedded.map(|(_, text)| *text), Some(text.as_str()), "{}", path.display());
        }
    }
}

#[test]
fn unsafe_code_stands_only_where_it_may() {
    let mut blocks = 0;
    for path in files(&root().join("crates")) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it is text");
        // As code: `unsafe` and then what it opens.
        let opens = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "unsafe_code"];
        let found = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = found.filter(|line| opens.iter().any(|open| line.contains(open))).count();
        let may = ["faults", "proxy"].iter().any(|name| path.starts_with(root().join("crates").join(name)));
        assert!(found == 0 || may, "unsafe code in {}", path.display());
        blocks += found;
    }
    assert!(blocks > 0, "faults has some: whoever finds none does not look right");
}

#[test]
fn the_core_is_kept_pure_by_its_lints() {
    let rules =
        fs::read_to_string(root().join("crates/core/.clippy.toml")).expect("core has lints of its own");
    let sources = files(&root().join("crates/core/src"));
    let forbidden =
        ["std::time::SystemTime::now", "std::time::Instant::now", "std::env::var", "std::fs::read"];
    for rule in forbidden {
        assert!(rules.contains(&format!("\"{rule}\"")), "{rule} is no longer forbidden in core");
    }
    // What the lints cannot see: whole modules of the standard library that the core has no business with.
    for path in sources {
        let text = fs::read_to_string(&path).expect("it is text");
        for module in ["std::fs", "std::net::Tcp", "std::net::Udp", "std::process", "std::env", "std::thread"]
        {
            let used = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(module));
            assert!(!used, "{} uses {module}", path.display());
        }
    }
}
