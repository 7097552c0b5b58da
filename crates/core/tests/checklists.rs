//! Every checklist file that ships, and folders of good and bad ones, go through reading and lint.

#![expect(clippy::disallowed_methods, reason = "a test reads its samples; the core it tests does not")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use deadstick_core::checklist::{Checklist, World, lint, schema};
use deadstick_core::source::{Diagnostic, Source};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no samples in {}", folder.display());
    files
}

fn name(path: &Path) -> String {
    path.file_stem().expect("a file").to_string_lossy().into_owned()
}

fn source(path: &Path) -> Result<Source, Vec<Diagnostic>> {
    let bytes = std::fs::read(path).expect("a readable file");
    Source::from_bytes(&name(path), &bytes).map_err(|problem| vec![*problem])
}

/// What the samples may refer to: the shipped checklists, and the variables of the labs.
fn world() -> World {
    let checklists =
        files("../../checklists").iter().map(|path| name(path).parse().expect("a name")).collect();
    let variables = ["shop.url", "db.primary", "db.replica", "db.file", "job.address"];
    World { checklists: Some(checklists), variables: Some(variables.map(str::to_owned).into()) }
}

fn read(path: &Path) -> Result<(Source, Checklist), Vec<Diagnostic>> {
    let source = source(path)?;
    let checklist = Checklist::read(&source, &world())?;
    Ok((source, checklist))
}

fn render(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn shipped_checklists_are_read_and_have_nothing_to_complain_about() {
    let shipped: Vec<(Source, Checklist)> = files("../../checklists")
        .iter()
        .map(|path| read(path).unwrap_or_else(|problems| panic!("{}", render(&problems))))
        .collect();
    let names: BTreeSet<String> = shipped.iter().map(|(source, _)| source.name.clone()).collect();
    for wanted in ["database-lock-pileup", "first-lesson"] {
        assert!(names.contains(wanted), "{wanted} ships");
    }
    for (source, checklist) in &shipped {
        assert_eq!(source.name, checklist.name.value.as_str(), "a file is called like its checklist");
    }
    let set: Vec<(&Source, &Checklist)> =
        shipped.iter().map(|(source, checklist)| (source, checklist)).collect();
    let findings = lint(&set);
    assert!(findings.is_empty(), "{}", render(&findings));
}

#[test]
fn the_items_that_playbooks_name_are_there() {
    for (checklist, items) in
        [("database-lock-pileup", ["head", "terminate"]), ("first-lesson", ["holder", "end-holder"])]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../checklists/{checklist}.yaml"));
        let (_, checklist) = read(&path).expect("shipped");
        let [reading, act] = items.map(|id| checklist.item(id).expect("named by a playbook").1);
        assert!(reading.reading.is_some(), "{} asks whom the act is for", reading.id);
        assert!(act.run.is_some(), "{} offers the command", act.id);
    }
}

#[test]
fn good_samples_are_read() {
    for path in files("tests/samples/checklists/good") {
        if let Err(problems) = read(&path) {
            panic!("{}:\n{}", path.display(), render(&problems));
        }
    }
}

/// A bad sample says in comments what must be complained about: `# expect: TEXT`, any number of them.
#[test]
fn bad_samples_are_refused_with_place_and_hint() {
    for path in files("tests/samples/checklists/bad") {
        let bytes = std::fs::read(&path).expect("a readable file");
        let text = String::from_utf8_lossy(&bytes);
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
        let Err(problems) = read(&path) else { panic!("{} was accepted", path.display()) };
        let rendered = render(&problems);
        for expected in &expected {
            assert!(rendered.contains(expected), "{}: no `{expected}` in\n{rendered}", path.display());
        }
        for problem in &problems {
            assert_eq!(problem.file, name(&path), "{rendered}");
            assert!(problem.hint.is_some(), "{}: no hint in\n{rendered}", path.display());
        }
        // Files that are YAML of the right shape are complained about as a whole: everything at once, each with a line.
        if expected.len() > 1 {
            assert_eq!(problems.len(), expected.len(), "{}:\n{rendered}", path.display());
            assert!(problems.iter().all(|problem| problem.line > 0), "{rendered}");
        }
    }
}

#[test]
fn the_schema_knows_the_keys() {
    let schema = serde_json::to_value(schema()).expect("a schema is JSON");
    let properties = schema["properties"].as_object().expect("an object");
    for key in ["checklist", "not-when", "memory", "items", "deferred", "allow"] {
        assert!(properties.contains_key(key), "{key} in {properties:?}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

proptest::proptest! {
    /// Whatever an editor does to a checklist, reading it ends with a model or with diagnostics that can be shown.
    #[test]
    fn mangled_checklists_are_read_or_refused(
        cut in 0..4000usize,
        length in 0..200usize,
        put in "[a-z:{}&*|>! \n-]{0,12}",
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checklists/database-lock-pileup.yaml");
        let mut source = source(&path).expect("shipped");
        let whole = source.text.chars().collect::<Vec<_>>();
        let (before, rest) = whole.split_at(cut.min(whole.len()));
        let after = &rest[length.min(rest.len())..];
        source.text = before.iter().copied().chain(put.chars()).chain(after.iter().copied()).collect();
        match Checklist::read(&source, &world()) {
            Ok(checklist) => drop(lint(&[(&source, &checklist)])),
            Err(problems) => proptest::prop_assert!(!problems.is_empty() && !render(&problems).is_empty()),
        }
    }
}
