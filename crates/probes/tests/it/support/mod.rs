//! What is asked: servers of the tests' own.

pub(crate) mod database;
pub(crate) mod server;

/// Whether a test must fail where the machine lacks something, instead of being skipped.
pub(crate) fn required() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}
