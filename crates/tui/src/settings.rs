//! What a session is started with.
//!
//! Owns the choices of the person and of the terminal; leaves finding them (flags, environment, files) to the binary.

use deadstick_core::event::Actor;

use crate::keymap::Keymap;

/// Whether to colour. Every state reads without colour, so this is a matter of taste and terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// The sixteen colours of the terminal's palette, never the background.
    Always,
    /// Bold, dim and reversed only.
    #[default]
    Never,
}

/// What a session is started with; the same for the screen and the plain mode.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who works here.
    pub me: Actor,
    /// Whether to colour.
    pub colour: Colour,
    /// Frames of ASCII characters; otherwise lines, which some terminals draw too wide.
    pub ascii: bool,
    /// Which keys do what.
    pub keys: Keymap,
    /// Shows what a drill stages as it happens; a responder sees it after the verdict.
    pub facilitator: bool,
    /// The command that comes back to this incident, told when leaving.
    pub resume: String,
    /// A note half typed in an earlier session.
    pub draft: String,
}

impl Settings {
    /// A responder without colour, in ASCII, with the usual keys.
    #[must_use]
    pub fn new(me: Actor) -> Self {
        Self {
            me,
            colour: Colour::default(),
            ascii: true,
            keys: Keymap::default(),
            facilitator: false,
            resume: "deadstick respond".to_owned(),
            draft: String::new(),
        }
    }
}
