//! The responder's screen of deadstick: model, update, view, and the plain mode that can do the same.
//!
//! [`update`] turns one [`Msg`] into a changed [`Model`] and [`Effect`]s; [`view()`] draws a model on a frame of any
//! size; [`plain::Plain`] does the same work in append-only lines. The crate performs no I/O and knows no clock:
//! reading keys, drawing, recording acts and running commands are the caller's, who feeds what came of them back in.
//!
//! Read in this order: [`keymap`] (every action, once, for help, footer, palette and plain mode), `snapshot` (what is
//! shown of an incident), `intent` (how typed words become acts, shared by screen and plain mode), then [`Model`],
//! [`update`], [`view()`].

mod finder;
mod guide;
mod here;
mod intent;
pub mod keymap;
mod menu;
mod model;
mod news;
pub mod plain;
mod prompt;
mod settings;
mod snapshot;
mod text;
mod timeline;
mod update;
mod view;
mod when;
mod words;

pub use model::Model;
pub use settings::{Colour, Settings};
pub use update::{Effect, Msg, Ran, update};
pub use view::view;
