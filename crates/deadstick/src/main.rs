//! deadstick.
fn main() {}
