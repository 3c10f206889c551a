//! Stores to test, and the smallest things to put into them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use tempfile::TempDir;
use tidegate::{
    journal::{Event, Journal, Lease, memory::MemoryJournal, sqlite::SqliteJournal},
    model::{Exact, NodeName, RouteTarget, RunId, topology::Role},
    plan::{Action, Plan, Purpose, Request, Step, steps::Readmission},
};

/// One journal as two executors see it.
pub struct Pair {
    pub ours: Arc<dyn Journal>,
    pub theirs: Arc<dyn Journal>,
    _dir: Option<TempDir>,
}

pub fn in_memory() -> Pair {
    let journal = Arc::new(MemoryJournal::default());
    Pair { ours: journal.clone(), theirs: journal, _dir: None }
}

pub async fn in_a_file() -> Pair {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("journal.db");
    let ours = Arc::new(open(&path).await);
    let theirs = Arc::new(open(&path).await);
    Pair { ours, theirs, _dir: Some(dir) }
}

pub async fn open(path: &PathBuf) -> SqliteJournal {
    SqliteJournal::open(path).await.expect("the journal opens")
}

pub const TTL: Duration = Duration::from_secs(15);

/// A moment, in seconds after an arbitrary one, with a fraction that a store could lose.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + seconds, 123_456_789).expect("a time")
}

pub fn run(name: &str) -> RunId {
    RunId::new(name)
}

pub fn begun(step: usize) -> Event {
    Event::StepBegun { step }
}

pub fn plan() -> Plan {
    Plan {
        request: Request {
            purpose: Purpose::Drain,
            node: NodeName::new("node-02"),
            operator: "ann".to_owned(),
            reason: "kernel \"6.1\",\nnew line".to_owned(),
            overrides: Vec::new(),
            leave: Default::default(),
        },
        found: Vec::new(),
        rehearsal: None,
        parent: None,
        origin: None,
        made_at: at(-1),
        fingerprint: "f".repeat(64),
        steps: vec![Step { action: Action::Standby { leave: Default::default() } }],
        warnings: vec!["ünïcode".to_owned()],
    }
}

/// A plan with numbers that lose their last digit in a careless reader.
pub fn plan_with_fractions() -> Plan {
    let readmission = Readmission {
        target: RouteTarget {
            route: "web/haproxy:app".into(),
            instance: "lb-01".into(),
            server: "node-02".to_owned(),
            service: "app".into(),
            role: Role::Driven,
        },
        serving: true,
        first: false,
        weight: u32::MAX,
        exact: Exact(serde_json::json!({ "share": 0.100_000_000_000_000_02, "total": u64::MAX, "none": null })),
        ramp: vec![10, 50, 100],
        dwell: Duration::new(3, 7),
        max_error_ratio: 2.638_344_616_030_823_4e-256,
    };
    let steps = vec![Step {
        action: Action::ReadmitRoutes { tier: 20, readmissions: vec![readmission], followers: Vec::new() },
    }];
    Plan { steps, ..plan() }
}

/// Acquires the lease and opens a run.
pub async fn opened(journal: &dyn Journal, name: &str) -> (Lease, RunId) {
    let lease = journal.acquire("ann@ops-1:1", at(0), TTL).await.expect("the lease");
    let run = run(name);
    journal.open(&lease, &run, &plan(), None, at(0)).await.expect("the run opens");
    (lease, run)
}
