//! The async shell that joins deadstick's crates: drills, sessions, recovery.
