//! The screen, driven by keys in a real terminal.
