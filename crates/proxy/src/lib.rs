//! The Toxiproxy-compatible stream proxy of deadstick.
