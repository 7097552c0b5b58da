//! The practice systems of deadstick.
