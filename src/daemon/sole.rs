//! One guard at a time: several coordinators may watch with the same journal, but only one of them changes anything by
//! itself. The lock is the kernel's, on a file beside the journal, so it goes with the process however that ends.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

/// The right to act, for as long as it lives.
#[derive(Debug)]
pub struct Sole {
    _file: File,
}

impl Sole {
    /// The right to act beside this journal; `None` where another process has it.
    pub fn beside(journal: &Path) -> io::Result<Option<Self>> {
        let mut path = journal.as_os_str().to_owned();
        path.push(".guard");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(Path::new(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_waits_for_the_first_to_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = dir.path().join("journal.db");
        let first = Sole::beside(&journal).expect("a lock").expect("free");
        assert!(Sole::beside(&journal).expect("a lock").is_none());
        drop(first);
        assert!(Sole::beside(&journal).expect("a lock").is_some());
    }
}
