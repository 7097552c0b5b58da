//! Everything privileged in deadstick: plan, apply, prove, undo; the guardian.
