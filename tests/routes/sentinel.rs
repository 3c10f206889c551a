//! What is out stays out: forgotten by a reload, put back by a person, in a run and after it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidegate::{
    daemon::{sentinel::Sentinel, watch::Watch},
    journal::{Drift, Ending, Event, Journal, memory::MemoryJournal},
    model::{Admission, Desired, InstanceName, InstanceView, RouteId, RunId},
    plan::Purpose,
    provider::{ProviderError, RouteProvider, null::NullRoute},
    run::{executor::Finish, state::Status},
};
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;

const ROUTE: &str = "web/haproxy:app";
const ROUTES: &str = "[[entrypoint.route]]\nvia = \"haproxy\"\nbackend = \"app\"\nwatch = \"100ms\"\n\
    instances = [{ name = \"lb-1\", socket = \"tcp:lb-1:1\" }, { name = \"lb-2\", socket = \"tcp:lb-2:1\" }]\n";

fn stage(deadline: &str) -> Stage {
    Stage::new(&format!("connections = {{ settle = \"50ms\", deadline = \"{deadline}\" }}"), ROUTES, |_| {})
}

fn put_back(view: &mut InstanceView) {
    let exact = view.members["node-2"].exact.clone();
    let member = view.members.get_mut("node-1").expect("a member");
    (member.admission, member.exact) = (Admission::Serving, exact);
}

fn reload(view: &mut InstanceView) {
    view.generation.push('+');
    put_back(view);
}

/// Runs the sentinel beside `story`.
async fn watched<T>(stage: &Stage, story: impl Future<Output = T>) -> T {
    let stop = CancellationToken::new();
    let mut engine = stage.engine.clone();
    engine.holder = "sentinel@stage:2/2".into();
    let (world, settings) = (engine.world.clone(), engine.settings.clone());
    let notebook = Arc::new(MemoryJournal::default());
    let watching = Watch::start(world, settings, &engine.topology, Vec::new(), notebook, stop.clone());
    let watch = Sentinel::new(engine, watching.sight()).watch(&stop);
    let story = async {
        let done = tokio::time::timeout(Duration::from_secs(15), story).await;
        stop.cancel();
        done.expect("the story ends")
    };
    tokio::join!(watch, story).1
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = tokio::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(8), "not {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn serves(stage: &Stage, instance: &str) -> bool {
    let mut serves = false;
    stage.edit(ROUTE, instance, |view| serves = view.members["node-1"].admission == Admission::Serving);
    serves
}

async fn drifts(stage: &Stage, run: &RunId) -> Vec<Drift> {
    let drift = |event: Event| match event {
        Event::Drifted { drift, .. } => Some(drift),
        _ => None,
    };
    stage.events(run).await.into_iter().filter_map(drift).collect()
}

#[tokio::test]
async fn a_reload_after_the_drain_is_set_again_within_two_seconds() {
    let stage = stage("3s");
    assert_eq!(stage.run(Purpose::Drain, "node-1").await.1, Finish::Done);
    let took = watched(&stage, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.edit(ROUTE, "lb-2", reload);
        let began = tokio::time::Instant::now();
        until("out again", async || !serves(&stage, "lb-2")).await;
        let took = began.elapsed();
        until("over", async || stage.journal.runs(10).await.expect("runs")[0].ending.is_some()).await;
        took
    })
    .await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    let runs = stage.journal.runs(10).await.expect("runs");
    assert_eq!(
        (runs.len(), runs[0].plan.request.purpose, &runs[0].ending),
        (2, Purpose::Withhold, &Some(Ending::Done))
    );
    assert!(runs[0].plan.request.reason.contains("lb-2"), "{}", runs[0].plan.request.reason);
    // And it can still be restored, to what it was before the drain.
    assert_eq!(stage.run(Purpose::Restore, "node-1").await.1, Finish::Done);
    assert!(serves(&stage, "lb-1") && serves(&stage, "lb-2"));
}

/// Each look takes longer than the loop's pace: what was asked before it was set again comes in after it.
#[tokio::test]
async fn a_reload_is_answered_once_however_slowly_the_load_balancers_answer() {
    let mut stage = stage("3s");
    assert_eq!(stage.run(Purpose::Drain, "node-1").await.1, Finish::Done);
    let route = stage.routes[ROUTE].clone();
    stage.engine.world.routes = vec![Arc::new(Slow(route))];
    watched(&stage, async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        stage.edit(ROUTE, "lb-1", reload);
        stage.edit(ROUTE, "lb-2", reload);
        until("out again", async || !serves(&stage, "lb-1") && !serves(&stage, "lb-2")).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
    })
    .await;
    let runs = stage.journal.runs(10).await.expect("runs");
    assert_eq!(runs.len(), 2, "{:?}", runs.iter().map(|r| &r.plan.request.reason).collect::<Vec<_>>());
}

/// A route that tells what was there when it was asked, later.
struct Slow(Arc<NullRoute>);

#[async_trait]
impl RouteProvider for Slow {
    fn id(&self) -> &RouteId {
        self.0.id()
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView, ProviderError> {
        let view = self.0.observe(instance).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        view
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<(), ProviderError> {
        self.0.apply(instance, server, desired).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<(), ProviderError> {
        self.0.close_connections(instance, server).await
    }
}

#[tokio::test]
async fn what_a_person_put_back_is_written_down_and_left_alone() {
    let stage = stage("3s");
    let (drain, _) = stage.run(Purpose::Drain, "node-1").await;
    watched(&stage, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.edit(ROUTE, "lb-1", put_back);
        until("written down", async || drifts(&stage, &drain).await == [Drift::Overruled]).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
    })
    .await;
    assert!(serves(&stage, "lb-1"), "it is not fought over");
    assert_eq!(drifts(&stage, &drain).await, [Drift::Overruled], "once");
    assert_eq!(stage.journal.runs(10).await.expect("runs").len(), 1);
    assert_eq!(stage.state(&drain).await.status, Status::Ended { ending: Ending::Done });
}

#[tokio::test]
async fn requests_on_a_drained_member_are_written_down() {
    let stage = stage("3s");
    let (drain, _) = stage.run(Purpose::Drain, "node-1").await;
    watched(&stage, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.edit(ROUTE, "lb-1", |view| view.members.get_mut("node-1").expect("a member").requests_total += 3);
        until("written down", async || drifts(&stage, &drain).await == [Drift::Requests]).await;
    })
    .await;
    let said = stage.events(&drain).await;
    assert!(said.iter().any(|e| matches!(e, Event::Drifted { saw, .. } if saw == "got 3 requests")), "{said:?}");
}

#[tokio::test]
async fn a_held_run_sets_again_what_a_reload_forgot_and_stays_held() {
    let stage = stage("300ms");
    stage.edit(ROUTE, "lb-1", |view| view.members.get_mut("node-1").expect("a member").sessions = 2);
    let (drain, finish) = stage.run(Purpose::Drain, "node-1").await;
    assert!(matches!(finish, Finish::Held(_)), "{finish:?}");
    watched(&stage, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.edit(ROUTE, "lb-2", reload);
        until("out again", async || !serves(&stage, "lb-2")).await;
        until("written", async || stage.state(&drain).await.reassertions == 1).await;
    })
    .await;
    assert!(matches!(stage.state(&drain).await.status, Status::Held { .. }));
    // The run goes on from there, by the person who asked for it.
    stage.edit(ROUTE, "lb-1", |view| view.members.get_mut("node-1").expect("a member").sessions = 0);
    let lease = stage.engine.take().await.expect("the lease");
    assert_eq!(stage.execute(&drain, lease).await, Finish::Done);
}

#[tokio::test]
async fn within_a_run_a_person_is_asked_and_may_insist() {
    let stage = Arc::new(stage("5s"));
    stage.edit(ROUTE, "lb-1", |view| view.members.get_mut("node-1").expect("a member").sessions = 2);
    let person = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        stage.edit(ROUTE, "lb-2", put_back);
    };
    let ((drain, finish), ()) = tokio::join!(stage.run(Purpose::Drain, "node-1"), person);
    assert!(matches!(&finish, Finish::Held(why) if why.contains("somebody put it back on purpose")), "{finish:?}");
    assert!(serves(&stage, "lb-2"), "it is not fought over");
    stage.edit(ROUTE, "lb-1", |view| view.members.get_mut("node-1").expect("a member").sessions = 0);
    let lease = stage.engine.take().await.expect("the lease");
    assert_eq!(stage.execute(&drain, lease).await, Finish::Done, "to resume is to insist");
    assert!(!serves(&stage, "lb-2"));
}
