//! What every route promises. The route must have an instance `lb-01` with the members `node-01` and `node-02`,
//! both serving (with a weight above 1, where there are weights); it is left as it was.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidegate::{
    model::{Admission, Desired, Exact, Health, InstanceName, InstanceView, MemberView},
    provider::{ProviderError, RouteProvider},
};
use tokio::time::{Instant, sleep};

const SERVER: &str = "node-01";
const OTHER: &str = "node-02";

type Route = Arc<dyn RouteProvider>;

/// What not every kind of route can promise.
#[derive(Clone, Copy)]
pub struct Promises {
    /// A member has a weight, which can be set. Without one it is in or out.
    pub weights: bool,
    /// A drained member keeps its weight. Where it is gone altogether, so is its weight.
    pub keeps_weight: bool,
}

/// All of it, one promise after the other.
pub async fn keeps_the_contract(route: Route) {
    keeps(route, Promises { weights: true, keeps_weight: true }).await;
}

/// What a route of such a kind can promise of it.
pub async fn keeps(route: Route, promises: Promises) {
    let before = member(&route, SERVER).await;
    assert!(
        before.takes_clients() && (before.weight > 1 || !promises.weights),
        "the suite begins with a serving member"
    );
    observing_changes_nothing(&route).await;
    a_drain_is_undone_exactly(&route, promises).await;
    each_state_applied_twice_is_applied_once(&route).await;
    a_ramp_sets_the_weight_and_lets_clients_in(&route).await;
    a_fresh_check_voids_the_old_one(&route).await;
    unknown_names_are_refused(&route).await;
    a_foreign_receipt_is_refused(&route).await;
    closing_no_connections_is_no_error(&route).await;
    a_list_of_nobody_is_empty_and_nobody_is_cut(&route).await;
    a_call_given_up_half_way_leaves_a_working_provider(&route).await;
    assert_same(&before, &member(&route, SERVER).await);
}

/// An endpoint at which nobody answers: every call ends with an error, and in time.
pub async fn fails_in_time(route: Route, limit: Duration) {
    let began = Instant::now();
    let seen = route.observe(&instance()).await;
    assert!(seen.is_err(), "nobody answered, and still: {seen:?}");
    assert!(began.elapsed() < limit * 3, "observe took {:?}", began.elapsed());
    let began = Instant::now();
    assert!(route.apply(&instance(), SERVER, &Desired::Drained).await.is_err());
    assert!(route.close_connections(&instance(), SERVER).await.is_err());
    assert!(began.elapsed() < limit * 5, "apply and close took {:?}", began.elapsed());
}

pub fn instance() -> InstanceName {
    InstanceName::new("lb-01")
}

/// What the instance shows; a program that has only just begun may take a moment to listen everywhere.
pub async fn view(route: &Route) -> InstanceView {
    let began = Instant::now();
    loop {
        match route.observe(&instance()).await {
            Ok(view) => return view,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "no view of lb-01: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

pub async fn member(route: &Route, server: &str) -> MemberView {
    view(route).await.members.remove(server).unwrap_or_else(|| panic!("no member {server}"))
}

/// Sets a state and waits until it shows: `Ok` only means that it was accepted.
pub async fn apply(route: &Route, desired: &Desired) {
    route.apply(&instance(), SERVER, desired).await.unwrap_or_else(|e| panic!("{desired:?}: {e}"));
    let shows = |m: &MemberView| match desired {
        Desired::Drained => m.admission != Admission::Serving,
        Desired::Closed => m.is_closed(),
        Desired::Serving { .. } => m.admission == Admission::Serving,
        Desired::Exactly { exact } => m.exact == *exact,
        Desired::FreshCheck => true,
    };
    eventually(route, SERVER, "as set", shows).await;
}

/// Waits for what the route does by itself (a check that passes), at most ten seconds. An instance may be unknown
/// for a moment, while one of its processes ends.
pub async fn eventually(route: &Route, server: &str, what: &str, holds: impl Fn(&MemberView) -> bool) -> MemberView {
    let began = Instant::now();
    loop {
        let seen = route.observe(&instance()).await;
        match seen.as_ref().map(|view| view.members.get(server)) {
            Ok(Some(member)) if holds(member) => return member.clone(),
            _ => assert!(began.elapsed() < Duration::from_secs(10), "not {what} after 10 s: {seen:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn back_to(before: &MemberView) -> Desired {
    Desired::Exactly { exact: before.exact.clone() }
}

fn assert_same(a: &MemberView, b: &MemberView) {
    assert_eq!((a.admission, a.weight, &a.exact), (b.admission, b.weight, &b.exact));
}

async fn observing_changes_nothing(route: &Route) {
    let (first, second) = (view(route).await, view(route).await);
    assert_eq!(first.generation, second.generation);
    assert!(!first.generation.is_empty());
    assert_eq!(first.members.keys().collect::<Vec<_>>(), second.members.keys().collect::<Vec<_>>());
    for (name, member) in &first.members {
        assert_same(member, &second.members[name]);
    }
}

async fn a_drain_is_undone_exactly(route: &Route, promises: Promises) {
    let (before, other) = (member(route, SERVER).await, member(route, OTHER).await);
    apply(route, &Desired::Drained).await;
    let drained = member(route, SERVER).await;
    let weight = if promises.keeps_weight { before.weight } else { 0 };
    assert_eq!((drained.admission, drained.weight), (Admission::Draining, weight));
    assert!(!drained.takes_clients());
    assert_ne!(drained.exact, before.exact, "a receipt must tell the two apart");
    assert_same(&other, &member(route, OTHER).await);
    apply(route, &back_to(&before)).await;
    assert_same(&before, &member(route, SERVER).await);
}

async fn each_state_applied_twice_is_applied_once(route: &Route) {
    let before = member(route, SERVER).await;
    let states = [
        Desired::Drained,
        Desired::FreshCheck,
        Desired::Serving { weight: (before.weight / 2).max(1) },
        back_to(&before),
    ];
    for desired in states {
        apply(route, &desired).await;
        let once = member(route, SERVER).await;
        apply(route, &desired).await;
        assert_same(&once, &member(route, SERVER).await);
    }
}

async fn a_ramp_sets_the_weight_and_lets_clients_in(route: &Route) {
    let before = member(route, SERVER).await;
    apply(route, &Desired::Drained).await;
    apply(route, &Desired::Serving { weight: 1 }).await;
    let first = member(route, SERVER).await;
    assert_eq!((first.admission, first.weight), (Admission::Serving, 1));
    apply(route, &back_to(&before)).await;
    assert_same(&before, &member(route, SERVER).await);
}

async fn a_fresh_check_voids_the_old_one(route: &Route) {
    let before = eventually(route, SERVER, "healthy", |m| !matches!(m.health, Health::Failing { .. })).await;
    apply(route, &Desired::Drained).await;
    apply(route, &Desired::FreshCheck).await;
    let asked = member(route, SERVER).await;
    assert_eq!(asked.admission, Admission::Draining, "a fresh check lets no client in");
    match before.health {
        Health::Unchecked => assert_eq!(asked.health, Health::Unchecked),
        _ => assert!(matches!(asked.health, Health::Failing { .. }), "the old check still counts: {asked:?}"),
    }
    let healthy = eventually(route, SERVER, "healthy again", |m| m.health == before.health).await;
    assert_eq!(healthy.admission, Admission::Draining, "and neither does the check that passes");
    apply(route, &back_to(&before)).await;
    assert_same(&before, &member(route, SERVER).await);
}

async fn unknown_names_are_refused(route: &Route) {
    let before = view(route).await;
    for desired in [Desired::Drained, Desired::FreshCheck, Desired::Serving { weight: 1 }] {
        let refused = route.apply(&instance(), "node-99", &desired).await;
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{desired:?}: {refused:?}");
    }
    let refused = route.close_connections(&instance(), "node-99").await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    let nowhere = InstanceName::new("lb-99");
    assert!(route.observe(&nowhere).await.is_err());
    assert!(route.apply(&nowhere, SERVER, &Desired::Drained).await.is_err());
    assert_eq!(before.members.len(), view(route).await.members.len());
}

async fn a_foreign_receipt_is_refused(route: &Route) {
    let before = member(route, SERVER).await;
    let foreign = Desired::Exactly { exact: Exact(json!({ "ttl": 30 })) };
    let refused = route.apply(&instance(), SERVER, &foreign).await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    assert_same(&before, &member(route, SERVER).await);
}

async fn closing_no_connections_is_no_error(route: &Route) {
    let before = member(route, SERVER).await;
    assert_eq!(route.close_connections(&instance(), SERVER).await, Ok(()));
    assert_same(&before, &member(route, SERVER).await);
}

/// Those that can list connections list none here; those that cannot say so, which is something else.
async fn a_list_of_nobody_is_empty_and_nobody_is_cut(route: &Route) {
    let before = member(route, SERVER).await;
    match route.stragglers(&instance(), SERVER).await {
        Ok(None) => {}
        Ok(Some(list)) => assert_eq!((list.count, list.oldest.len()), (0, 0), "{list:?}"),
        Err(error) => panic!("no list: {error}"),
    }
    let refused = route.close_one(&instance(), SERVER, "no such connection").await;
    assert!(matches!(refused, Err(ProviderError::Refused(_))), "{refused:?}");
    assert_same(&before, &member(route, SERVER).await);
}

async fn a_call_given_up_half_way_leaves_a_working_provider(route: &Route) {
    let before = member(route, SERVER).await;
    for micros in [0, 50, 100, 200, 400, 800] {
        let limit = Duration::from_micros(micros);
        let _ = tokio::time::timeout(limit, route.observe(&instance())).await;
        let _ = tokio::time::timeout(limit, route.apply(&instance(), SERVER, &back_to(&before))).await;
    }
    assert_same(&before, &member(route, SERVER).await);
}
