//! What only a file can do: be another program's, be damaged, be moved, be locked, be read-only.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::TempDir;
use tidegate::journal::{Journal, JournalError, sqlite::SqliteJournal};

use super::{
    full::{Mount, is_root},
    support::{TTL, at, begun, open, opened, run},
};

fn new() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("journal.db");
    (dir, path)
}

/// A closed journal with one run of five records.
async fn written(path: &PathBuf) {
    let journal = open(path).await;
    let (lease, r1) = opened(&journal, "r1").await;
    let batch: Vec<_> = (0..5).map(begun).collect();
    journal.append(&lease, &r1, &batch, at(1)).await.expect("appended");
}

fn change(path: &Path, sql: &str) {
    let db = Connection::open(path).expect("the file");
    db.execute_batch(sql).expect("the change");
}

/// The reason of a storage error; fails on anything else.
fn reason<T: std::fmt::Debug>(result: Result<T, JournalError>) -> String {
    match result {
        Err(JournalError::Storage { reason, path }) => {
            assert!(path.ends_with("journal.db"), "{path}");
            reason
        }
        other => panic!("a storage error was expected: {other:?}"),
    }
}

#[tokio::test]
async fn it_is_made_for_its_owner_and_group_only() {
    let (dir, _) = new();
    let path = dir.path().join("a").join("b").join("journal.db");
    written(&path).await;
    let mode = |p: &Path| fs::metadata(p).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path) & !0o640, 0, "{:o}", mode(&path));
    assert_eq!(mode(&path) & 0o600, 0o600);
    assert_eq!(mode(&dir.path().join("a")) & !0o750, 0);
    assert_eq!(mode(&dir.path().join("a/b")) & !0o750, 0);
}

#[tokio::test]
async fn it_outlives_its_program() {
    let (_dir, path) = new();
    written(&path).await;
    let journal = open(&path).await;
    assert_eq!(journal.records(&run("r1")).await.expect("the records").len(), 5);
    assert_eq!(journal.holder(at(1)).await.expect("the lease").map(|l| l.token), Some(1));
}

#[tokio::test]
async fn closing_leaves_one_whole_file() {
    let (dir, path) = new();
    written(&path).await;
    let names: Vec<_> = fs::read_dir(dir.path()).expect("the directory").map(|e| e.expect("one").file_name()).collect();
    assert_eq!(names, ["journal.db"], "the log is folded in by the time that dropping returns");
}

#[tokio::test]
async fn a_newer_or_foreign_file_is_refused_and_left_alone() {
    let (_dir, path) = new();
    written(&path).await;
    change(&path, "PRAGMA user_version = 7");
    let words = reason(SqliteJournal::open(&path).await);
    assert!(words.contains("schema 7"), "{words}");

    let (_dir, path) = new();
    change(&path, "CREATE TABLE t (x); PRAGMA user_version = 1");
    let before = fs::read(&path).expect("the file");
    let words = reason(SqliteJournal::open(&path).await);
    assert!(words.contains("another program"), "{words}");
    assert_eq!(fs::read(&path).expect("the file"), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error() {
    let (_dir, path) = new();
    fs::write(&path, "tide tables for 2031\n".repeat(999)).expect("written");
    let words = reason(SqliteJournal::open(&path).await);
    assert!(words.contains("not a database"), "{words}");
}

#[tokio::test]
async fn pages_that_were_overwritten_are_an_error() {
    let (_dir, path) = new();
    written(&path).await;
    let mut bytes = fs::read(&path).expect("the file");
    for byte in &mut bytes[4096..] {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).expect("written");
    let words = match SqliteJournal::open(&path).await {
        Ok(journal) => reason(journal.records(&run("r1")).await),
        Err(error) => error.to_string(),
    };
    assert!(words.contains("malformed"), "{words}");
}

#[tokio::test]
async fn changed_and_missing_lines_are_an_error() {
    for (sql, expected) in [
        (r#"UPDATE records SET event = '{"event":"step-begun","step":9}' WHERE seq = 3"#, "record 3 of run r1"),
        ("UPDATE records SET at = '2031-01-01T00:00:00Z' WHERE seq = 2", "record 2 of run r1"),
        ("UPDATE records SET at = 'once' WHERE seq = 2", "is no time"),
        ("DELETE FROM records WHERE seq = 1", "record 1 of run r1"),
        ("DELETE FROM records WHERE seq = 5", "record 5 of run r1"),
        ("DELETE FROM records", "record 1 of run r1"),
    ] {
        let (_dir, path) = new();
        written(&path).await;
        change(&path, sql);
        let journal = open(&path).await;
        let words = reason(journal.records(&run("r1")).await);
        assert!(words.contains(expected), "{sql}: {words}");
    }
    let (_dir, path) = new();
    written(&path).await;
    change(&path, "UPDATE runs SET plan = replace(plan, 'node-02', 'node-03')");
    let journal = open(&path).await;
    let words = reason(journal.run(&run("r1")).await);
    assert!(words.contains("the plan of run r1 was changed"), "{words}");
    reason(journal.runs(9).await);
}

#[tokio::test]
async fn a_file_that_was_moved_or_replaced_takes_no_more_writes() {
    let (dir, path) = new();
    let journal = open(&path).await;
    let (lease, r1) = opened(&journal, "r1").await;
    fs::rename(&path, dir.path().join("old.db")).expect("moved");
    let words = reason(journal.append(&lease, &r1, &[begun(0)], at(1)).await);
    assert!(words.contains("moved away"), "{words}");
    fs::write(&path, "").expect("another file");
    let words = reason(journal.append(&lease, &r1, &[begun(0)], at(1)).await);
    assert!(words.contains("replaced"), "{words}");
    fs::rename(dir.path().join("old.db"), &path).expect("moved back");
    journal.append(&lease, &r1, &[begun(0)], at(1)).await.expect("it is the same file again");
}

#[tokio::test]
async fn a_lock_that_does_not_go_is_an_error_in_bounded_time_and_stops_no_reader() {
    let (_dir, path) = new();
    let journal = open(&path).await;
    let (lease, r1) = opened(&journal, "r1").await;
    let other = Connection::open(&path).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let started = Instant::now();
    let words = reason(journal.append(&lease, &r1, &[begun(0)], at(1)).await);
    assert!(words.contains("locked"), "{words}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(open(&path).await.records(&r1).await, Ok(vec![]));
    other.execute_batch("ROLLBACK").expect("unlocked");
    journal.append(&lease, &r1, &[begun(0)], at(1)).await.expect("appends again");
}

#[tokio::test]
async fn where_it_cannot_be_written_it_can_still_be_read() {
    let (dir, _) = new();
    let dir = dir.path().join("50% #1?");
    fs::create_dir(&dir).expect("a directory");
    let mount = is_root().then(|| Mount::tmpfs(&dir, "1m"));
    let path = dir.join("journal.db");
    written(&path).await;
    match &mount {
        Some(mount) => mount.remount("ro"),
        None => fs::set_permissions(&dir, fs::Permissions::from_mode(0o550)).expect("read-only"),
    }
    let journal = open(&path).await;
    assert_eq!(journal.records(&run("r1")).await.expect("the records").len(), 5);
    assert_eq!(journal.runs(9).await.expect("the runs").len(), 1);
    let words = reason(journal.acquire("ben@ops-1:2", at(100), TTL).await);
    assert!(words.contains("can only be read"), "{words}");
    let missing = reason(SqliteJournal::open(dir.join("other-journal.db")).await);
    assert!(!missing.is_empty());
    match &mount {
        Some(mount) => mount.remount("rw"),
        None => fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).expect("writable"),
    }
}
