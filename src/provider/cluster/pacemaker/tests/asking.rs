//! Who is asked, in which order, and how long.

use tokio::time::Instant;

use super::{
    super::{Pacemaker, VIEW_AGE},
    *,
};
use crate::provider::ClusterControl;

fn text(name: &str) -> Says {
    Says::Text(recorded(name))
}

fn cluster(fake: &Arc<Fake>) -> Pacemaker {
    Pacemaker::new(Arc::<Fake>::clone(fake), members(), LIMIT)
}

const DOWN: Says = Says::Exit(102, "Could not connect to the CIB: Transport endpoint is not connected");

#[tokio::test(start_paused = true)]
async fn the_member_that_answered_last_is_asked_first() {
    let fake = Fake::new(&[("host-1", &[DOWN]), ("host-2", &[text("clean")]), ("host-3", &[text("clean")])]);
    let cluster = cluster(&fake);
    let began = Instant::now();
    assert!(cluster.observe().await.expect("a view").quorate);
    assert!(cluster.observe().await.expect("a view").quorate);
    assert_eq!(fake.asked(), ["host-1", "host-2", "host-2"]);
    assert_eq!(began.elapsed(), Duration::ZERO, "a clear no costs no wait");
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_costs_a_short_wait_and_only_once() {
    let fake = Fake::new(&[("host-1", &[Says::Nothing]), ("host-2", &[text("clean")]), ("host-3", &[text("clean")])]);
    let cluster = cluster(&fake);
    let began = Instant::now();
    cluster.observe().await.expect("a view");
    assert!(began.elapsed() <= Duration::from_millis(1010), "{:?}", began.elapsed());
    let began = Instant::now();
    cluster.observe().await.expect("a view");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nobody_answering_is_an_error_that_names_everybody() {
    let fake = Fake::new(&[("host-1", &[Says::Unreachable]), ("host-2", &[DOWN]), ("host-3", &[Says::Nothing])]);
    let began = Instant::now();
    let Err(ProviderError::Unreachable(said)) = cluster(&fake).observe().await else { panic!("not unreachable") };
    assert!(said.contains("node-1: connection refused"), "{said}");
    assert!(said.contains("the cluster is not running on node-2"), "{said}");
    assert!(said.contains("the others: no answer within 5.0 s"), "{said}");
    assert!(began.elapsed() < LIMIT, "the caller's own limit comes first");

    let silent = Fake::new(&[("host-1", &[Says::Nothing]), ("host-2", &[Says::Nothing]), ("host-3", &[Says::Nothing])]);
    assert_eq!(cluster(&silent).observe().await, Err(ProviderError::TimedOut(LIMIT)));
    let nobody = Pacemaker::new(silent, Vec::new(), LIMIT);
    assert!(matches!(nobody.observe().await, Err(ProviderError::Unreachable(_))));
}

#[tokio::test(start_paused = true)]
async fn the_quorate_side_of_a_partition_is_preferred() {
    let fake =
        Fake::new(&[("host-1", &[text("no-quorum")]), ("host-2", &[Says::Nothing]), ("host-3", &[text("clean")])]);
    let cluster = cluster(&fake);
    assert!(cluster.observe().await.expect("a view").quorate);
    assert!(cluster.observe().await.expect("a view").quorate);
    assert_eq!(fake.asked().last().map(String::as_str), Some("host-3"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_quorum_is_told_soon_even_if_the_rest_is_silent() {
    let fake =
        Fake::new(&[("host-1", &[text("no-quorum")]), ("host-2", &[Says::Nothing]), ("host-3", &[Says::Nothing])]);
    let began = Instant::now();
    assert!(!cluster(&fake).observe().await.expect("a view").quorate);
    assert!(began.elapsed() <= Duration::from_millis(1010), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn output_that_ends_early_is_no_answer() {
    let reading = recorded("clean");
    let half = [Says::Text(halves(&reading).0.to_owned())];
    let fake = Fake::new(&[("host-1", &half), ("host-2", &half), ("host-3", &half)]);
    let seen = cluster(&fake).observe().await;
    assert!(matches!(seen, Err(ProviderError::Unexpected(_))), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_cib_is_not_scheduled_again_but_not_for_ever() {
    let same = Says::Text("==tidegate==\n".into());
    let fake = Fake::new(&[
        ("host-1", &[text("clean"), same.clone(), text("standby")]),
        ("host-2", &[DOWN]),
        ("host-3", &[DOWN]),
    ]);
    let cluster = cluster(&fake);
    let first = cluster.observe().await.expect("a view");
    assert_eq!(cluster.observe().await.as_ref(), Ok(&first));
    tokio::time::advance(VIEW_AGE).await;
    assert_ne!(cluster.observe().await, Ok(first));
    let heads: Vec<String> = fake.calls().into_iter().map(|(_, argv)| argv[5].clone()).collect();
    assert_eq!((heads[0].as_str(), heads[2].as_str()), ("", ""), "nothing is known, or no longer");
    assert!(heads[1].starts_with("<cib ") && heads[1].contains("num_updates="), "{}", heads[1]);

    // A member that claims "the same" to somebody who knows nothing is not believed.
    let liar = Fake::new(&[("host-1", &[same]), ("host-2", &[DOWN]), ("host-3", &[DOWN])]);
    assert!(self::cluster(&liar).observe().await.is_err());
}
