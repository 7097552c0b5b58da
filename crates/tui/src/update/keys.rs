//! Where a key goes: to the prompt, the list of actions or the menu that is open, else to the pane in focus.
//!
//! Owns the way of a key. Leaves what an action does to [`super::acts`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::finder::Finder;
use crate::intent::Words;
use crate::keymap::{Action, Key};
use crate::model::{Mode, Model};
use crate::prompt::{Prompt, Purpose, Turn, edit};

use super::{Effect, acts, send};

/// Takes a key.
pub(super) fn key(model: &mut Model, key: &KeyEvent) -> Vec<Effect> {
    let action = model.settings.keys.action(Key::from(key), model.place);
    // These two work everywhere, also while something is typed.
    match action {
        Some(Action::Suspend) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            return vec![Effect::Suspend];
        }
        Some(Action::QuitNow) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            return acts::perform(model, Action::QuitNow, None);
        }
        _ => {}
    }
    match std::mem::take(&mut model.mode) {
        Mode::Panes => pane(model, key, action),
        Mode::Prompt(prompt) => in_prompt(model, prompt, key),
        Mode::Finder(finder) => in_finder(model, finder, key),
        Mode::Menu(menu) => in_menu(model, menu, key),
        Mode::Entry => {
            match key.code {
                KeyCode::Up | KeyCode::Char('k') => acts::scroll(model, -1),
                KeyCode::Down | KeyCode::Char('j') => acts::scroll(model, 1),
                _ => return Vec::new(),
            }
            model.mode = Mode::Entry;
            Vec::new()
        }
    }
}

fn pane(model: &mut Model, key: &KeyEvent, action: Option<Action>) -> Vec<Effect> {
    let digit = match key.code {
        KeyCode::Char(c) => c.to_digit(10).and_then(|d| usize::try_from(d).ok()),
        _ => None,
    };
    match action {
        Some(action) => acts::perform(model, action, digit),
        None => {
            let help = model.settings.keys.shown(Action::Help);
            model.news.notice(
                format!("{} does nothing here; {help} shows the keys that do", Key::from(key)),
                model.now,
            );
            Vec::new()
        }
    }
}

/// Opens a prompt with what was typed for it before; acts that ask for nothing are sent at once.
pub(super) fn open_prompt(model: &mut Model, purpose: Purpose) -> Vec<Effect> {
    let kept = model.drafts.get(&purpose).map(Vec::as_slice);
    let prompt = Prompt::new(purpose, model.snapshot.as_ref(), kept);
    let asks = !prompt.fields.is_empty() || prompt.question(model.snapshot.as_ref(), model.now).is_some();
    if asks {
        model.mode = Mode::Prompt(Box::new(prompt));
        Vec::new()
    } else {
        submit(model, Box::new(prompt), &Words::default())
    }
}

fn in_prompt(model: &mut Model, mut prompt: Box<Prompt>, key: &KeyEvent) -> Vec<Effect> {
    match prompt.key(key, model.snapshot.as_ref(), model.now) {
        Turn::Stay => {
            model.mode = Mode::Prompt(prompt);
            live_filter(model);
            Vec::new()
        }
        Turn::Cancel => {
            if prompt.purpose == Purpose::Filter {
                model.timeline.filter("");
            } else {
                keep(model, &prompt);
            }
            Vec::new()
        }
        Turn::Submit(words) => submit(model, prompt, &words),
    }
}

/// A prompt goes away unused: what was typed stays for the next time.
fn keep(model: &mut Model, prompt: &Prompt) {
    let texts = prompt.texts();
    if texts.iter().all(|text| matches!(text.trim(), "" | "-")) {
        model.drafts.remove(&prompt.purpose);
    } else {
        model.drafts.insert(prompt.purpose.clone(), texts);
    }
}

fn submit(model: &mut Model, mut prompt: Box<Prompt>, words: &Words) -> Vec<Effect> {
    match &prompt.purpose {
        Purpose::Filter => Vec::new(),
        Purpose::Quit => {
            vec![Effect::Quit { farewell: farewell(model) }]
        }
        Purpose::Act { intent, .. } => match intent.act(words, model.snapshot.as_ref()) {
            Ok(act) => {
                model.drafts.remove(&prompt.purpose);
                let typed = (!prompt.fields.is_empty()).then(|| (prompt.purpose.clone(), prompt.texts()));
                send(model, act, typed)
            }
            Err(lacking) if prompt.fields.is_empty() => {
                model.news.notice(lacking.to_string(), model.now);
                Vec::new()
            }
            Err(lacking) => {
                prompt.refuse(lacking.to_string());
                model.mode = Mode::Prompt(prompt);
                Vec::new()
            }
        },
    }
}

/// What is printed when the screen is left.
fn farewell(model: &Model) -> String {
    let closed = model.snapshot.as_ref().is_none_or(|s| s.bar.closed_at.is_some());
    let state = if closed { "" } else { "The incident stays open. " };
    format!("{state}To come back: {}", model.settings.resume)
}

/// The filter works while it is typed.
pub(super) fn live_filter(model: &mut Model) {
    if let Mode::Prompt(prompt) = &model.mode
        && prompt.purpose == Purpose::Filter
        && let Some(field) = prompt.fields.first()
        && field.text().trim().to_lowercase() != model.timeline.filtered_by()
    {
        model.timeline.filter(field.text());
    }
}

fn in_finder(model: &mut Model, mut finder: Box<Finder>, key: &KeyEvent) -> Vec<Effect> {
    let found = finder.found(&model.settings.keys, |action| model.applies(action));
    let last = found.len().saturating_sub(1);
    finder.selected = finder.selected.min(last);
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter => {
            return match found.get(finder.selected) {
                Some(binding) => acts::perform(model, binding.action, None),
                None => Vec::new(),
            };
        }
        KeyCode::Up | KeyCode::BackTab => finder.selected = finder.selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => finder.selected = (finder.selected + 1).min(last),
        KeyCode::PageUp => finder.selected = finder.selected.saturating_sub(10),
        KeyCode::PageDown => finder.selected = (finder.selected + 10).min(last),
        _ => {
            edit(&mut finder.query, key);
            finder.selected = 0;
        }
    }
    model.mode = Mode::Finder(finder);
    Vec::new()
}

fn in_menu(model: &mut Model, mut menu: crate::menu::Menu, key: &KeyEvent) -> Vec<Effect> {
    let last = menu.choices.len().saturating_sub(1);
    let chosen = match key.code {
        KeyCode::Char(c) => menu.choices.iter().find(|choice| choice.key == c),
        KeyCode::Enter => menu.choices.get(menu.selected),
        _ => None,
    };
    if let Some(choice) = chosen {
        let intent = choice.intent.clone();
        return open_prompt(model, Purpose::Act { intent, dated: false });
    }
    match key.code {
        KeyCode::Esc | KeyCode::Char('q') => return Vec::new(),
        KeyCode::Up | KeyCode::Char('k') => menu.selected = menu.selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => menu.selected = (menu.selected + 1).min(last),
        _ => {}
    }
    model.mode = Mode::Menu(menu);
    Vec::new()
}
