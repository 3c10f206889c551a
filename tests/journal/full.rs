//! A disk that fills up: a real one, where the test may mount it. (`journal::sqlite`'s own tests fill the database up
//! to SQLite's limit of pages, without any rights.)

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use tidegate::journal::{Event, Journal, JournalError, chain};

use super::support::{at, begun, open, opened};

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A file system of its own, unmounted at the end.
pub struct Mount(PathBuf);

impl Mount {
    pub fn tmpfs(at: &Path, size: &str) -> Self {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at));
        Self(at.to_owned())
    }

    pub fn remount(&self, option: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, because a failing test may still have the file open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("started");
    assert!(status.success(), "{command:?}: {status}");
}

#[tokio::test]
async fn a_full_disk_stores_nothing_of_a_batch_and_an_emptied_one_goes_on() {
    if !is_root() {
        return; // Only root may mount.
    }
    let dir = TempDir::new().expect("a directory");
    let mount = Mount::tmpfs(dir.path(), "512k");
    let path = dir.path().join("journal.db");
    let journal = open(&path).await;
    let (lease, r1) = opened(&journal, "r1").await;
    let long = Event::Held { why: "x".repeat(2000) };
    let batch = [begun(0), long, begun(1)];
    let (mut stored, mut failure) = (0, None);
    for _ in 0..1000 {
        match journal.append(&lease, &r1, &batch, at(1)).await {
            Ok(records) => stored += records.len(),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let failure = failure.expect("half a megabyte fills up");
    assert!(matches!(&failure, JournalError::Storage { reason, .. } if reason.contains("full")), "{failure}");
    assert_eq!(journal.records(&r1).await.expect("still readable").len(), stored);
    let second = open(&path).await;
    assert_eq!(second.records(&r1).await.expect("readable to others").len(), stored);
    drop(second);

    mount.remount("size=8m");
    journal.append(&lease, &r1, &batch, at(2)).await.expect("there is room again");
    let records = journal.records(&r1).await.expect("the records");
    assert_eq!(records.len(), stored + 3);
    assert_eq!(chain::verify(&records), Ok(()));
}
