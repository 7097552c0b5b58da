//! Help, completions and the manual page know every kind, and fit a terminal of eighty columns.

use deadstick_core::fault::catalogue;

use crate::Host;

/// Help as a terminal of eighty columns shows it.
fn help(host: &Host, words: &[&str]) -> String {
    let output = host.place.command(words).env("COLUMNS", "80").output().expect("it starts");
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}

#[test]
fn every_kind_helps_in_eighty_columns() {
    let host = Host::new();
    let listed = help(&host, &["inject", "--help"]);
    fits(&listed);
    for kind in catalogue::all() {
        assert!(listed.contains(&format!("\n  {} ", kind.kind)), "{} in\n{listed}", kind.kind);
        let text = help(&host, &["inject", kind.kind.word(), "--help"]);
        fits(&text);
        for parameter in kind.all_parameters() {
            assert!(text.contains(&format!("--{}", parameter.name)), "{}: {text}", kind.kind);
        }
        for option in kind.aims.iter().filter_map(|aim| aim.option()) {
            assert!(text.contains(&format!("--{option} <")), "{}: {text}", kind.kind);
        }
        for expected in ["--for <DURATION>", "--dry-run", "--detach", "Needs: ", "Undo: "] {
            assert!(text.contains(expected), "{}: {expected} in {text}", kind.kind);
        }
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "\\").collect();
        let example = format!("deadstick inject {}", kind.example);
        assert!(words.join(" ").contains(&example), "{example} in {text}");
    }
}

#[test]
fn completions_and_the_manual_know_every_kind() {
    let host = Host::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = host.place.run(&["completions", shell]).out;
        for kind in catalogue::all() {
            assert!(text.contains(kind.kind.word()), "{shell}: {}", kind.kind);
        }
    }
    assert!(host.place.run(&["man"]).out.contains("inject"));
    let inject = host.place.run(&["man", "inject"]).out.replace('\\', "");
    for kind in catalogue::all() {
        assert!(inject.contains(kind.kind.word()), "{}", kind.kind);
    }
    let latency = host.place.run(&["man", "inject", "latency"]).out.replace('\\', "");
    assert!(latency.contains("--delay"), "{latency}");
    let unknown = host.place.run(&["man", "injekt"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("did you mean `inject`?"), "{}", unknown.err);
}

/// The README's table of kinds, from the catalogue.
fn table() -> String {
    let mut table = "| fault | what it does | what it needs |\n|---|---|---|\n".to_owned();
    for kind in catalogue::all() {
        table.push_str(&format!("| `{}` | {} | {} |\n", kind.kind, kind.about, kind.needs));
    }
    table
}

#[test]
fn the_readme_has_every_kind_with_what_it_needs() {
    let path = format!("{}/../../README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(&path).expect("it is there");
    let table = table();
    if std::env::var_os("DEADSTICK_BLESS").is_some() && !readme.contains(&table) {
        let head = table.lines().next().expect("it has a head");
        let (before, rest) = readme.split_once(head).expect("the README has such a table");
        let (_, after) = rest.split_once("\n\n").expect("a blank line ends it");
        std::fs::write(&path, format!("{before}{table}\n{after}")).expect("it is ours");
        return;
    }
    assert!(
        readme.contains(&table),
        "the table of faults in README.md is stale: DEADSTICK_BLESS=1 renews it"
    );
}
