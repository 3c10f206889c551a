//! What goes wrong inside the store, before it is told with the file's name.

use std::{io, path::Path};

use rusqlite::ErrorCode;

use crate::journal::JournalError;

/// A failure inside the store.
#[derive(Debug)]
pub(super) enum Fault {
    /// The journal's own answer: fenced, held, no such run.
    Told(JournalError),
    /// SQLite's.
    Sql(rusqlite::Error),
    /// The operating system's, outside SQLite.
    Io(io::Error),
    /// The file is there and is not what it should be.
    Bad(String),
}

impl Fault {
    /// Another connection kept the file locked for as long as we wait.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(e) if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy)))
    }

    /// The error as the journal tells it.
    pub(super) fn told(self, path: &Path) -> JournalError {
        let reason = match self {
            Self::Told(error) => return error,
            ref busy if busy.is_busy() => {
                format!("another process kept it locked for {} s", super::file::BUSY.as_secs())
            }
            Self::Sql(error) => error.to_string(),
            Self::Io(error) => error.to_string(),
            Self::Bad(reason) => reason,
        };
        JournalError::Storage { path: path.display().to_string(), reason }
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        Self::Told(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Bad(error.to_string())
    }
}
