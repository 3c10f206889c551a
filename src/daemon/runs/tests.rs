//! A whole drain, as its metrics tell it.

use jiff::Timestamp;

use super::*;
use crate::{
    journal::{Event, Lease, memory::MemoryJournal},
    plan::Plan,
};

struct Story {
    journal: Arc<MemoryJournal>,
    lease: Lease,
    run: RunId,
    runs: Runs,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

impl Story {
    async fn begin() -> Self {
        let plan: Plan =
            serde_json::from_str(include_str!("../../../tests/plans/clean-drain/expected.json")).expect("a plan");
        let journal = Arc::new(MemoryJournal::default());
        let lease = journal.acquire("ann@admin:1/1", at(0), Duration::from_secs(3600)).await.expect("a lease");
        let run = RunId::new("run-1");
        let mut runs = Runs::new(journal.clone());
        runs.look().await.expect("a look");
        journal.open(&lease, &run, &plan, None, at(0)).await.expect("open");
        Self { journal, lease, run, runs }
    }

    async fn tell(&mut self, second: i64, events: &[Event]) -> &Option<Open> {
        self.journal.append(&self.lease, &self.run, events, at(second)).await.expect("written");
        self.runs.look().await.expect("a look");
        &self.runs.open
    }
}

#[tokio::test]
async fn what_an_open_run_does_and_waits_for() {
    let mut story = Story::begin().await;
    story.runs.look().await.expect("a look");
    let open = story.runs.open.clone().expect("a run");
    assert_eq!((open.status, open.waits_for().word()), (RunStatus::Open, "executor"));
    let begun = [Event::Taken { by: "ann@admin:1".into() }, Event::StepBegun { step: 0 }];
    let open = story.tell(1, &begun).await.clone().expect("a run");
    assert_eq!(
        (open.status, open.doing),
        (RunStatus::Active, Some(Doing { step: Step::DrainRoutes, since: Some(at(1)) }))
    );
    assert_eq!((open.waits_for().word(), open.node.as_str(), open.since), ("routes", "node-2", at(0)));
    let open = story.tell(5, &[Event::Held { why: "silence".into() }]).await.clone().expect("a run");
    assert_eq!((open.status, open.waits_for().word()), (RunStatus::Held, "person"));
}

#[tokio::test]
async fn ends_are_told_once_and_old_ones_never() {
    let mut story = Story::begin().await;
    let stuck = Ending::Stuck { why: "no way".into() };
    let begun = [Event::Taken { by: "ann@admin:1".into() }, Event::Ended { ending: stuck }];
    let open = story.tell(60, &begun).await.clone().expect("a stuck run stays");
    assert_eq!((open.status, open.waits_for().word()), (RunStatus::Stuck, "person"));
    assert_eq!(story.runs.told.as_ref().map(BTreeSet::len), Some(1));
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let page = |runs: Vec<RunSummary>| {
        ::metrics::with_local_recorder(&recorder, || {
            for purpose in PURPOSES {
                metrics::baseline(purpose, usual(&runs, purpose));
            }
        });
        recorder.handle().render()
    };
    let mut runs = story.journal.runs(5).await.expect("runs");
    assert!(page(runs.clone()).contains(r#"tidegate_run_baseline_seconds{purpose="drain"} NaN"#), "it was not done");
    runs[0].ending = Some(Ending::Done);
    assert!(page(runs.clone()).contains(r#"tidegate_run_baseline_seconds{purpose="drain"} 60"#));
    assert_eq!(last_done(&runs).get(&(Purpose::Drain, "node-2".into())), Some(&at(60)));
}
