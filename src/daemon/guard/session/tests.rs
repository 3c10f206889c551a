//! One router that has a session with a node, other hands at it, and coordinators that die.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::{
    guard::Act,
    journal::{Notebook, memory::MemoryJournal},
    model::{Admission, ClusterView, InstanceName, InstanceView, MemberView, RouteId, UnitName, topology::Role},
    provider::{
        RouteProvider, SystemClock, World,
        null::{NullCluster, NullProber, NullTraffic, NullUnits},
    },
};

/// What the router has.
#[derive(Clone, Debug, PartialEq)]
struct State {
    open: bool,
    /// Whose words are in the session that is closed.
    words: &'static str,
    /// Whether it still shows the path although the session is closed.
    lingers: bool,
    /// How often it was told to do something.
    told: u32,
}

struct Router {
    id: RouteId,
    state: Mutex<State>,
}

impl Router {
    fn new() -> Arc<Self> {
        let state = State { open: true, words: "", lingers: false, told: 0 };
        Arc::new(Self { id: "web/bgp".into(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with it")
    }
}

#[async_trait]
impl RouteProvider for Router {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, _instance: &InstanceName) -> Result<InstanceView> {
        let state = self.state();
        let admission = if state.open || state.lingers { Admission::Serving } else { Admission::Draining };
        let member = MemberView { admission, weight: 1, ..MemberView::default() };
        Ok(InstanceView { members: [("node-2".to_owned(), member)].into(), ..InstanceView::default() })
    }

    async fn apply(&self, _instance: &InstanceName, _server: &str, _desired: &Desired) -> Result<()> {
        panic!("a session is no member's state")
    }

    async fn close_connections(&self, _instance: &InstanceName, _server: &str) -> Result<()> {
        Ok(())
    }

    async fn session(&self, _instance: &InstanceName, _server: &str) -> Result<Session> {
        let State { open, words, .. } = self.state().clone();
        Ok(Session { open, ours: words == "ours", exact: Exact(json!(words)) })
    }

    async fn set_session(&self, _instance: &InstanceName, _server: &str, desired: &Desired) -> Result<()> {
        let mut state = self.state();
        state.told += 1;
        match desired {
            Desired::Drained => (state.open, state.words) = (false, "ours"),
            _ => (state.open, state.words) = (true, ""),
        }
        Ok(())
    }
}

fn target() -> RouteTarget {
    RouteTarget {
        route: "web/bgp".into(),
        instance: "edge".into(),
        server: "node-2".into(),
        service: "app".into(),
        role: Role::Follower,
    }
}

/// A coordinator.
fn hand(router: &Arc<Router>, journal: &Arc<MemoryJournal>) -> Hand {
    let world = World {
        routes: vec![Arc::clone(router) as Arc<dyn RouteProvider>],
        cluster: Arc::new(NullCluster::new(ClusterView::default())),
        units: Arc::new(NullUnits::new(Vec::<(NodeName, UnitName, bool)>::new())),
        traffic: Arc::new(NullTraffic::default()),
        prober: Arc::new(NullProber::default()),
        alerts: None,
        clock: Arc::new(SystemClock),
    };
    Hand {
        world,
        journal: Arc::clone(journal) as _,
        notebook: Arc::clone(journal) as _,
        followers: vec!["edge".into()],
        limit: Duration::from_millis(300),
    }
}

async fn close(hand: &Hand) -> Option<Guarded> {
    let (target, node) = (target(), NodeName::new("node-2"));
    let done = hand.carry_out(Act::Withdraw { target, node, before: Exact::default(), why: "lost".into() }).await;
    done.error.is_none().then_some(done.kind)
}

async fn open(hand: &Hand, journal: &MemoryJournal) -> Option<Guarded> {
    let was = journal.withdrawn().await.expect("the journal")[&target()].clone();
    let (target, node, acknowledged) = (target(), NodeName::new("node-2"), was.acknowledged.is_some());
    let done = hand.carry_out(Act::Return { target, node, before: was.before, acknowledged }).await;
    done.error.is_none().then_some(done.kind)
}

async fn words(journal: &MemoryJournal) -> Vec<&'static str> {
    let mut notes = journal.notes(100).await.expect("the journal");
    notes.reverse();
    notes.iter().map(|noted| noted.note.word()).collect()
}

#[tokio::test]
async fn it_is_noted_before_and_after() {
    let (router, journal) = (Router::new(), Arc::new(MemoryJournal::default()));
    let hand = hand(&router, &journal);
    assert_eq!(close(&hand).await, Some(Guarded::TookOut));
    assert!(!router.state().open);
    assert_eq!(words(&journal).await, ["withdrawing", "withdrawn"]);
    assert_eq!(open(&hand, &journal).await, Some(Guarded::PutBack));
    assert!(router.state().open);
    assert_eq!(words(&journal).await, ["withdrawing", "withdrawn", "returning", "returned"]);
    assert!(journal.withdrawn().await.expect("the journal").is_empty());
}

#[tokio::test]
async fn a_coordinator_that_died_in_between_has_a_successor_that_opens_it() {
    let (router, journal) = (Router::new(), Arc::new(MemoryJournal::default()));
    router.state().lingers = true;
    // It is gone while it waits for the path to go.
    let first = hand(&router, &journal);
    assert!(timeout(Duration::from_millis(100), close(&first)).await.is_err());
    assert_eq!(words(&journal).await, ["withdrawing"]);
    assert!(!router.state().open);
    // Its successor sees the path still: what is closed by the guard is waited for, and not closed again.
    let second = hand(&router, &journal);
    assert_eq!(close(&second).await, None, "the path still shows");
    router.state().lingers = false;
    assert_eq!(close(&second).await, Some(Guarded::TookOut));
    assert_eq!(router.state().told, 1);
    assert_eq!(open(&second, &journal).await, Some(Guarded::PutBack));
    assert!(router.state().open);
}

#[tokio::test]
async fn a_note_without_a_change_is_taken_back() {
    let (router, journal) = (Router::new(), Arc::new(MemoryJournal::default()));
    let note =
        Note::Withdrawing { target: target(), node: "node-2".into(), before: Exact(json!("")), why: "lost".into() };
    journal.note(&[note], jiff::Timestamp::UNIX_EPOCH).await.expect("the journal");
    assert_eq!(open(&hand(&router, &journal), &journal).await, Some(Guarded::PutBack));
    assert_eq!(router.state().told, 0);
    assert!(journal.withdrawn().await.expect("the journal").is_empty());
}

#[tokio::test]
async fn a_session_that_another_hand_closed_is_theirs() {
    let (router, journal) = (Router::new(), Arc::new(MemoryJournal::default()));
    let hand = hand(&router, &journal);
    // Before the guard came, with a path that is on its way out.
    *router.state() = State { open: false, words: "theirs", lingers: true, told: 0 };
    assert_eq!(close(&hand).await, Some(Guarded::Yielded));
    // With the guard's words, and closed for another route.
    router.state().words = "ours";
    assert_eq!(close(&hand).await, Some(Guarded::Yielded));
    assert!(words(&journal).await.is_empty());
    // After the guard had closed it: opened, and closed again by a person.
    *router.state() = State { open: true, words: "", lingers: false, told: 0 };
    assert_eq!(close(&hand).await, Some(Guarded::TookOut));
    router.state().words = "theirs";
    assert_eq!(open(&hand, &journal).await, Some(Guarded::Yielded));
    let left = router.state().clone();
    assert_eq!((left.open, left.told), (false, 1));
    assert!(journal.withdrawn().await.expect("the journal").is_empty());
}
