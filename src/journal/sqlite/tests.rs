//! What needs a hand on the connection itself.

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::{
    journal::chain,
    plan::{Purpose, Request},
};

const TTL: Duration = Duration::from_secs(15);

fn plan() -> Plan {
    Plan {
        request: Request {
            purpose: Purpose::Drain,
            node: "node-02".into(),
            operator: "ann".to_owned(),
            reason: "kernel".to_owned(),
            overrides: Vec::new(),
            leave: Default::default(),
        },
        found: Vec::new(),
        rehearsal: None,
        parent: None,
        origin: None,
        made_at: Timestamp::UNIX_EPOCH,
        fingerprint: String::new(),
        steps: Vec::new(),
        warnings: Vec::new(),
    }
}

async fn pragma(journal: &SqliteJournal, name: &'static str) -> i64 {
    let value = journal.call(move |store| Ok(store.database().pragma_query_value(None, name, |row| row.get(0))));
    value.await.expect("the thread").expect("the pragma")
}

async fn limit_pages(journal: &SqliteJournal, pages: i64) {
    let set = journal.call(move |store| {
        let db = store.database();
        Ok(db.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)))
    });
    set.await.expect("the thread").expect("the pragma");
}

#[tokio::test]
async fn every_commit_is_synced() {
    let dir = TempDir::new().expect("a directory");
    let journal = SqliteJournal::open(dir.path().join("journal.db")).await.expect("open");
    assert_eq!(pragma(&journal, "synchronous").await, 2, "FULL");
    assert_eq!(pragma(&journal, "busy_timeout").await, 2000, "milliseconds");
}

#[tokio::test]
async fn a_full_database_stores_nothing_of_a_batch_and_a_larger_one_goes_on() {
    let dir = TempDir::new().expect("a directory");
    let journal = SqliteJournal::open(dir.path().join("journal.db")).await.expect("open");
    let (now, run) = (Timestamp::UNIX_EPOCH, RunId::new("r1"));
    let lease = journal.acquire("ann@ops-1:1", now, TTL).await.expect("the lease");
    journal.open(&lease, &run, &plan(), None, now).await.expect("opened");
    let small = Event::StepBegun { step: 0 };
    journal.append(&lease, &run, std::slice::from_ref(&small), now).await.expect("appended");

    limit_pages(&journal, pragma(&journal, "page_count").await).await;
    let batch = [small.clone(), Event::Held { why: "x".repeat(20_000) }, small];
    let full = journal.append(&lease, &run, &batch, now).await;
    assert!(matches!(&full, Err(JournalError::Storage { reason, .. }) if reason.contains("full")), "{full:?}");
    assert_eq!(journal.records(&run).await.expect("readable").len(), 1);

    limit_pages(&journal, 1_000_000).await;
    journal.append(&lease, &run, &batch, now).await.expect("there is room again");
    let records = journal.records(&run).await.expect("readable");
    assert_eq!(records.len(), 4);
    assert_eq!(chain::verify(&records), Ok(()));
}

#[tokio::test]
async fn a_call_that_was_given_up_before_it_began_is_not_carried_out() {
    let dir = TempDir::new().expect("a directory");
    let journal = SqliteJournal::open(dir.path().join("journal.db")).await.expect("open");
    let (now, run) = (Timestamp::UNIX_EPOCH, RunId::new("r1"));
    let lease = journal.acquire("ann@ops-1:1", now, TTL).await.expect("the lease");
    journal.open(&lease, &run, &plan(), None, now).await.expect("opened");
    let (go, wait) = blocking::channel::<()>();
    let busy = journal.call(move |_| Ok(wait.recv().is_ok()));
    let given_up = async {
        let append = journal.append(&lease, &run, &[Event::StepBegun { step: 0 }], now);
        let late = tokio::time::timeout(Duration::from_millis(50), append).await;
        go.send(()).expect("the thread waits");
        late.is_err()
    };
    assert_eq!(tokio::join!(busy, given_up), (Ok(true), true));
    assert_eq!(journal.records(&run).await, Ok(vec![]));
}

#[tokio::test]
async fn a_panic_in_the_thread_is_an_error_to_all_who_come_after() {
    let dir = TempDir::new().expect("a directory");
    let journal = SqliteJournal::open(dir.path().join("journal.db")).await.expect("open");
    let broken: Result<()> = journal.call(|_| panic!("as wanted by this test")).await;
    assert!(matches!(broken, Err(JournalError::Storage { .. })), "{broken:?}");
    assert!(matches!(journal.runs(1).await, Err(JournalError::Storage { .. })));
}
