//! From the file's shape to the model, collecting everything that is wrong on the way.
//!
//! Owns the tree: which keys go together, what each item is called, where it stands. Leaves what refers to something
//! else (variables, readings, other checklists) to [`super::refer`].

use crate::source::{Diagnostic, Located, Place};
use crate::text::printable;
use crate::units::HumanDuration;

use super::file::{ChecklistFile, DeferredFile, ItemFile};
use super::sensing::sense;
use super::{Checklist, Item, Kind, Part, lint, refer};

/// Decisions within decisions, at most; more could not be followed, and would not fit on any screen.
const DEEPEST: usize = 6;

/// The model, and everything that is wrong.
pub(super) fn compile(file: ChecklistFile) -> (Checklist, Vec<Diagnostic>) {
    let mut compiler = Compiler { items: Vec::new(), problems: Vec::new() };
    compiler.header(&file);
    let branch = Branch { part: Part::Memory, depth: 0, under: None, prefix: "m".to_owned() };
    compiler.branch(file.memory, &branch);
    let branch = Branch { part: Part::Items, depth: 0, under: None, prefix: String::new() };
    compiler.branch(file.items.value, &branch);
    for (n, deferred) in file.deferred.into_iter().enumerate() {
        compiler.deferred(n + 1, deferred);
    }
    let checklist = Checklist {
        name: file.checklist,
        title: line(&file.title.value),
        level: file.level,
        condition: file.condition.as_deref().map(line),
        objective: file.objective.as_deref().map(line),
        not_when: file.not_when.as_deref().map(line),
        version: file.version.as_deref().map(line),
        revised: file.revised.map(|day| line(&day.value)),
        owner: file.owner.as_deref().map(line),
        method: file.method,
        inhibits: file.inhibits,
        items: compiler.items,
        complete: file.complete.as_deref().map(line),
        allow: file.allow.into_iter().map(|(rule, reason)| (rule, line(&reason.value))).collect(),
    };
    let mut problems = compiler.problems;
    problems.extend(refer::within(&checklist));
    (checklist, problems)
}

/// A text as it is shown: one printable line.
pub(super) fn line(text: &str) -> String {
    printable(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where a list of items hangs.
struct Branch {
    part: Part,
    depth: usize,
    under: Option<(usize, String)>,
    prefix: String,
}

struct Compiler {
    items: Vec<Item>,
    problems: Vec<Diagnostic>,
}

impl Compiler {
    fn problem(&mut self, message: impl Into<String>, place: &Place, hint: impl Into<String>) {
        self.problems.push(Diagnostic::new(message, place.clone()).hint(hint));
    }

    fn header(&mut self, file: &ChecklistFile) {
        if file.title.value.trim().is_empty() {
            self.problem("the title is empty", &file.title.place, "name the symptom that it is for");
        }
        if file.items.value.is_empty() {
            self.problem("there are no items", &file.items.place, "list at least one `do:` or `sensed:`");
        }
        if let Some(day) = &file.revised
            && chrono::NaiveDate::parse_from_str(day.value.trim(), "%Y-%m-%d").is_err()
        {
            self.problem(format!("`{day}` is not a day"), &day.place, "write it as YYYY-MM-DD");
        }
        for (rule, reason) in &file.allow {
            if lint::RULES.iter().all(|known| known.id != rule) {
                let known = lint::RULES.iter().map(|known| known.id);
                let hint = crate::source::did_you_mean(rule, known);
                self.problem(format!("there is no lint rule `{rule}`"), &reason.place, hint);
            }
            if reason.value.trim().is_empty() {
                let message = format!("the waiver of `{rule}` gives no reason");
                self.problem(message, &reason.place, "say why the rule does not apply here");
            }
        }
    }

    fn branch(&mut self, items: Vec<Located<ItemFile>>, branch: &Branch) {
        if branch.depth > DEEPEST {
            if let Some(first) = items.first() {
                let message = format!("decisions are nested more than {DEEPEST} deep");
                self.problem(message, &first.place, "move the inner part into a checklist of its own");
            }
            return;
        }
        for (n, item) in items.into_iter().enumerate() {
            self.item(n + 1, item, branch);
        }
    }

    fn item(&mut self, n: usize, Located { value: mut file, place }: Located<ItemFile>, branch: &Branch) {
        let Some((text, kind_key)) = self.text(&file, &place) else { return };
        let (text, place) = (text.value, text.place);
        if !self.fits(kind_key, &file, &place) {
            return;
        }
        let answers = if kind_key == "decide" { self.answers(&mut file, &place) } else { Vec::new() };
        let kind = match kind_key {
            "sensed" => match sense(&mut file, &place, &mut self.problems) {
                Some(sense) => Kind::Sensed(sense),
                None => return,
            },
            "decide" => Kind::Decide {
                answers: answers.iter().map(|(answer, _)| answer.clone()).collect(),
                observe: file.observe.as_ref().map(|text| line(&text.value)),
                sense: sense(&mut file, &place, &mut self.problems),
            },
            "wait" => Kind::Wait(file.wait.as_ref().map_or(HumanDuration::default(), |wait| wait.value)),
            _ => Kind::Do,
        };
        let id = file.id.map_or_else(|| format!("{}{n}", branch.prefix), |id| id.value.to_string());
        if let Some((_, twin)) = self.items.iter().enumerate().find(|(_, item)| item.id == id) {
            let hint = format!("the other one stands on line {}", twin.place.line);
            self.problem(format!("two items are called `{id}`"), &place, hint);
        }
        let position = self.items.len();
        self.items.push(Item {
            id: id.clone(),
            place,
            part: branch.part,
            depth: branch.depth,
            under: branch.under.clone(),
            text,
            response: file.response.map(|response| line(&response.value)),
            by: file.by.as_deref().map(line),
            why: file.why.as_deref().map(line),
            kind,
            irreversible: file.irreversible.is_some_and(|flag| flag.value),
            killer: file.killer,
            reading: file.reading.map(|reading| line(&reading.value)),
            run: file.run.map(|run| run.value),
        });
        for (answer, items) in answers {
            let prefix = format!("{id}-{answer}-");
            let under = Some((position, answer));
            self.branch(items, &Branch { part: branch.part, depth: branch.depth + 1, under, prefix });
        }
    }

    /// The line's text and the key it was written under: exactly one of the four.
    fn text(&mut self, file: &ItemFile, place: &Place) -> Option<(Located<String>, &'static str)> {
        let wait = file
            .wait
            .as_ref()
            .map(|wait| Located { value: format!("Wait {}", wait.value), place: wait.place.clone() });
        let keys =
            [("do", &file.action), ("decide", &file.decide), ("sensed", &file.sensed), ("wait", &wait)];
        let mut given = keys.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        let Some((key, text)) = given.next() else {
            let hint = "write one of `do:`, `decide:`, `sensed:` and `wait:`";
            self.problem("this item says neither what to do nor what to see", place, hint);
            return None;
        };
        if let Some((other, text)) = given.next() {
            let message = format!("an item is either `{key}:` or `{other}:`");
            self.problem(message, &text.place, "split it into two items");
            return None;
        }
        if text.value.trim().is_empty() {
            self.problem(format!("`{key}:` is empty"), &text.place, "say it in a few words");
            return None;
        }
        Some((Located { value: line(&text.value), place: text.place.clone() }, key))
    }

    /// Whether every other key belongs to this kind of line.
    fn fits(&mut self, kind: &'static str, file: &ItemFile, place: &Place) -> bool {
        let at = |place: Option<&Place>| place.cloned();
        let keys: [(&str, Option<Place>, &[&str]); 15] = [
            ("response", at(file.response.as_ref().map(|v| &v.place)), &["do"]),
            ("reading", at(file.reading.as_ref().map(|v| &v.place)), &["do"]),
            ("irreversible", at(file.irreversible.as_ref().map(|v| &v.place)), &["do"]),
            ("run", at(file.run.as_ref().map(|v| &v.place)), &["do", "decide"]),
            ("observe", at(file.observe.as_ref().map(|v| &v.place)), &["decide"]),
            ("yes", at(file.yes.as_ref().map(|v| &v.place)), &["decide"]),
            ("no", at(file.no.as_ref().map(|v| &v.place)), &["decide"]),
            ("choices", at(file.choices.as_ref().map(|v| &v.place)), &["decide"]),
            ("http", at(file.http.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("tcp", at(file.tcp.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("sql", at(file.sql.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("process", at(file.process.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("every", at(file.every.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("timeout", at(file.timeout.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
            ("unknown", at(file.unknown.as_ref().map(|v| &v.place)), &["sensed", "decide"]),
        ];
        let mut fits = true;
        for (key, at, kinds) in keys {
            if let Some(at) = at
                && !kinds.contains(&kind)
            {
                let hint = format!("it belongs to `{}:`", kinds.join(":` and `"));
                self.problem(format!("`{key}:` means nothing on `{kind}:`"), &at, hint);
                fits = false;
            }
        }
        if file.run.as_ref().is_some_and(|run| run.value.is_empty()) {
            self.problem("the command is empty", place, "list the program, then its arguments");
            fits = false;
        }
        fits
    }

    /// The answers of a decision with what follows each.
    fn answers(&mut self, file: &mut ItemFile, place: &Place) -> Vec<(String, Vec<Located<ItemFile>>)> {
        let items = |branch: Option<Located<Vec<Located<ItemFile>>>>| branch.map(|b| b.value);
        let (yes, no) = (items(file.yes.take()), items(file.no.take()));
        let Some(choices) = file.choices.take() else {
            if yes.is_none() && no.is_none() {
                let hint = "write what follows under `yes:`, `no:` or `choices:`";
                self.problem("nothing depends on this decision", place, hint);
            }
            return vec![
                ("yes".to_owned(), yes.unwrap_or_default()),
                ("no".to_owned(), no.unwrap_or_default()),
            ];
        };
        if yes.is_some() || no.is_some() {
            let hint = "write yes and no among the choices, or leave `choices:` out";
            self.problem("a decision has either `choices:` or `yes:` and `no:`", &choices.place, hint);
        }
        if choices.value.len() < 2 {
            self.problem(
                "a decision needs two answers",
                &choices.place,
                "list every answer that is possible",
            );
        }
        if file.http.is_some() || file.tcp.is_some() || file.sql.is_some() || file.process.is_some() {
            let hint = "a probe can answer yes or no only; let a person answer, or ask differently";
            self.problem("a probe cannot choose among these", &choices.place, hint);
        }
        choices.value.into_iter().map(|(answer, items)| (answer.to_string(), items)).collect()
    }

    fn deferred(&mut self, n: usize, Located { value: file, place }: Located<DeferredFile>) {
        let id = file.id.map_or_else(|| format!("d{n}"), |id| id.value.to_string());
        if file.action.value.trim().is_empty() {
            self.problem("`do:` is empty", &file.action.place, "say it in a few words");
        }
        if self.items.iter().any(|item| item.id == id) {
            self.problem(format!("two items are called `{id}`"), &place, "give one of them another `id:`");
        }
        self.items.push(Item {
            id,
            place: file.action.place,
            part: Part::Deferred,
            depth: 0,
            under: None,
            text: line(&file.action.value),
            response: file.response.map(|response| line(&response.value)),
            by: file.by.as_deref().map(line),
            why: file.why.as_deref().map(line),
            kind: Kind::Deferred { to: file.to },
            irreversible: false,
            killer: false,
            reading: None,
            run: None,
        });
    }
}
