//! Runs kept in SQLite.
