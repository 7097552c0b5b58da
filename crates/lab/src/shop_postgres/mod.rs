//! The shop on PostgreSQL. Its processes come with the next commit.
