//! Which patches are made, which are refused, and what becomes of them.

use super::{
    super::{
        Pacemaker, clones,
        leave::{leave, rejoin},
    },
    *,
};
use crate::{provider::ClusterControl, run::proof::StandbyPermit};

/// The recorded CIB with other contents in the element of node-2.
fn with_node(inside: &str) -> String {
    let reading = recorded("clean");
    let (text, simulation) = halves(&reading);
    let begin = text.find(r#"<node id="2" uname="node-2""#).expect("node-2");
    let end = begin + text[begin..].find("<node id=\"3\"").expect("node-3");
    format!(
        "{}<node id=\"2\" uname=\"node-2\">{inside}</node>{}\n==tidegate==\n{simulation}",
        &text[..begin],
        &text[end..]
    )
}

fn set(pairs: &[(&str, &str)]) -> String {
    let pairs: String = pairs
        .iter()
        .map(|(name, value)| format!(r#"<nvpair id="nodes-2-{name}" name="{name}" value="{value}"/>"#))
        .collect();
    format!(r#"<instance_attributes id="nodes-2">{pairs}</instance_attributes>"#)
}

const MARK: [(&str, &str); 3] =
    [("tidegate-run", "drain-7"), ("tidegate-operator", "alice"), ("tidegate-reason", "kernel update")];

fn held(before: &[(&str, &str)]) -> Cib {
    cib(&with_node(&set(&[before, &MARK].concat())))
}

fn node() -> NodeName {
    NodeName::new("node-2")
}

fn refusal(change: Result<Option<String>>) -> String {
    match change {
        Err(ProviderError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn standby(cib: &Cib, node: &NodeName, owner: &Ownership) -> Result<Option<String>> {
    leave(cib, node, owner, &Leave::Standby)
}

fn unstandby(cib: &Cib, node: &NodeName, owner: &RunId, attribute: Option<&str>) -> Result<Option<String>> {
    rejoin(cib, node, owner, &Leave::Standby, attribute)
}

#[test]
fn standby_and_mark_are_one_patch_of_this_version() {
    let reading = with_node("");
    let patch = standby(&cib(&reading), &node(), &owner("drain-7")).expect("allowed").expect("needed");
    insta::assert_snapshot!("patch-standby", patch.replace("><", ">\n<"));
    let version = cib(&reading).version;
    assert!(patch.contains(&format!(r#"epoch="{}" num_updates="{}""#, version.epoch, version.num_updates)));
}

#[test]
fn unstandby_puts_back_what_was_there() {
    let owner = RunId::new("drain-7");
    let patch = |before: &Cib, attribute| unstandby(before, &node(), &owner, attribute).expect("allowed");
    let ours_alone = held(&[("standby", "on")]);
    insta::assert_snapshot!("patch-unstandby-to-none", patch(&ours_alone, None).expect("needed").replace("><", ">\n<"));
    let among_others = held(&[("rack", "b"), ("standby", "on")]);
    insta::assert_snapshot!(
        "patch-unstandby-to-off",
        patch(&among_others, Some("off")).expect("needed").replace("><", ">\n<")
    );
}

#[test]
fn what_is_so_already_needs_no_patch() {
    let on = held(&[("standby", "on")]);
    assert_eq!(standby(&on, &node(), &owner("drain-7")), Ok(None));
    let run = RunId::new("drain-7");
    assert_eq!(unstandby(&cib(&with_node("")), &node(), &run, None), Ok(None));
    assert_eq!(unstandby(&cib(&with_node(&set(&[("standby", "off")]))), &node(), &run, Some("off")), Ok(None));
}

#[test]
fn a_half_state_is_completed() {
    // Somebody took the standby away and left the mark: both ways lead on.
    let half = held(&[]);
    assert!(standby(&half, &node(), &owner("drain-7")).expect("allowed").is_some());
    assert!(unstandby(&half, &node(), &RunId::new("drain-7"), None).expect("allowed").is_some());
}

#[test]
fn somebody_elses_standby_is_not_touched() {
    let theirs = cib(&with_node(&set(&[("standby", "on")])));
    assert_eq!(
        refusal(standby(&theirs, &node(), &owner("drain-7"))),
        "node-2 is already in standby, and not by Tidegate"
    );
    let why = refusal(unstandby(&theirs, &node(), &RunId::new("drain-7"), None));
    assert!(why.contains("no longer carries the mark of drain-7") && why.contains("'on'"), "{why}");

    let other_run = held(&[("standby", "on")]);
    let why = refusal(standby(&other_run, &node(), &owner("drain-8")));
    assert!(why.contains("held by drain-7 of alice"), "{why}");
    let why = refusal(unstandby(&other_run, &node(), &RunId::new("drain-8"), None));
    assert!(why.contains("held by drain-7 of alice (kernel update), not by drain-8"), "{why}");
}

#[test]
fn what_no_single_patch_can_put_back_is_refused() {
    let two = set(&[("standby", "off")]) + &set(&[("standby", "off")]).replace("nodes-2", "more");
    assert!(refusal(standby(&cib(&with_node(&two)), &node(), &owner("r"))).contains("more than one place"));
    let rule = set(&[("standby", "off")]).replace("<nvpair", r#"<rule id="r"/><nvpair"#);
    assert!(refusal(standby(&cib(&with_node(&rule)), &node(), &owner("r"))).contains("depends on a rule"));
    let reading = recorded("clean").replacen(
        r#"<nvpair id="status-2-"#,
        r#"<nvpair id="status-2-standby" name="standby" value="on"/><nvpair id="status-2-"#,
        1,
    );
    assert!(refusal(standby(&cib(&reading), &node(), &owner("r"))).contains("until its restart"));
    let missing = standby(&cib(&recorded("clean")), &NodeName::new("node-9"), &owner("r"));
    assert!(refusal(missing).contains("no node node-9"));
}

#[test]
fn texts_are_plain_and_short_and_a_run_is_written_exactly_or_not_at_all() {
    let wild = Ownership {
        run: RunId::new("drain-7"),
        operator: "x".repeat(1000),
        reason: "\"grün\" <&>\n\u{0}\u{1b}[31m'".into(),
    };
    let patch = standby(&cib(&with_node("")), &node(), &wild).expect("allowed").expect("needed");
    assert!(patch.is_ascii() && !patch.chars().any(char::is_control), "{patch}");
    assert!(patch.contains(&format!("value=\"{}...\"", "x".repeat(61))), "{patch}");
    assert!(patch.contains("value=\"&quot;gr?n&quot; &lt;&amp;&gt;   [31m&apos;\""), "{patch}");
    roxmltree::Document::parse(&patch).expect("well-formed");
    for bad in ["", "a b", "dräin", "x'/>", &"x".repeat(200)] {
        assert!(refusal(standby(&cib(&with_node("")), &node(), &owner(bad))).contains("cannot be the mark"), "{bad}");
    }
}

/// A cluster with one member that answers the first reading and then these.
fn member(then: &[Says]) -> (Pacemaker, Arc<Fake>) {
    let says = [&[Says::Text(with_node(""))], then].concat();
    let fake = Fake::new(&[("host-1", &says)]);
    (Pacemaker::new(Arc::<Fake>::clone(&fake), members()[..1].to_vec(), LIMIT), fake)
}

fn after() -> Says {
    Says::Text(halves(&with_node(&set(&[&[("standby", "on")], &MARK[..]].concat()))).0.to_owned())
}

async fn put_into_standby(cluster: &Pacemaker) -> Result<()> {
    cluster.standby(StandbyPermit::for_tests(node()), &owner("drain-7"), &Leave::Standby).await
}

#[tokio::test(start_paused = true)]
async fn after_an_observation_standby_is_one_question() {
    let (cluster, fake) = member(&[after()]);
    cluster.observe().await.expect("a view");
    assert_eq!(put_into_standby(&cluster).await, Ok(()));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn success_that_changed_nothing_is_not_believed() {
    let unchanged = Says::Text(halves(&with_node("")).0.to_owned());
    let (cluster, fake) = member(&[unchanged.clone(), after()]);
    assert_eq!(put_into_standby(&cluster).await, Ok(()));
    assert_eq!(fake.asked().len(), 3, "the patch was not tried again");

    let (cluster, _) = member(&[unchanged]);
    let why = put_into_standby(&cluster).await;
    assert!(matches!(&why, Err(ProviderError::Refused(w)) if w.contains("attempts")), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn each_way_to_fail_has_its_meaning() {
    type Expected = fn(&ProviderError) -> bool;
    let cases: [(Says, Expected); 5] = [
        (Says::Nothing, |e| matches!(e, ProviderError::TimedOut(_))),
        (Says::Exit(4, "Permission denied"), |e| matches!(e, ProviderError::Refused(w) if w.contains("Permission"))),
        (Says::Exit(78, "schema"), |e| matches!(e, ProviderError::Refused(_))),
        (Says::Exit(124, "timeout"), |e| matches!(e, ProviderError::TimedOut(_))),
        (Says::Exit(1, "what?"), |e| matches!(e, ProviderError::Unexpected(_))),
    ];
    for (says, expected) in cases {
        let (cluster, _) = member(std::slice::from_ref(&says));
        let error = put_into_standby(&cluster).await.expect_err("an error");
        assert!(expected(&error), "{says:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_quorum_is_not_written_to() {
    let fake = Fake::new(&[("host-1", &[Says::Text(recorded("no-quorum"))])]);
    let cluster = Pacemaker::new(Arc::<Fake>::clone(&fake), members()[..1].to_vec(), LIMIT);
    let why = put_into_standby(&cluster).await;
    assert!(matches!(&why, Err(ProviderError::Refused(w)) if w.contains("quorum")), "{why:?}");
    cluster.observe().await.expect("a view");
    assert!(put_into_standby(&cluster).await.is_err());
    assert!(fake.calls().iter().all(|(_, argv)| !argv[2].contains("--patch")));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_before_the_patch_is_replaced_by_another() {
    let gone = Says::Exit(102, "not connected");
    let fake = Fake::new(&[
        ("host-1", &[Says::Text(with_node("")), gone]),
        ("host-2", &[Says::Text(with_node("")), after()]),
        ("host-3", &[Says::Nothing]),
    ]);
    let cluster = Pacemaker::new(Arc::<Fake>::clone(&fake), members(), LIMIT);
    assert_eq!(put_into_standby(&cluster).await, Ok(()));
    assert_eq!(fake.asked(), ["host-1", "host-1", "host-1", "host-2", "host-2"]);
}

#[test]
fn the_number_of_instances_is_changed_from_what_it_is_and_from_nothing_else() {
    let now = cib(&recorded("clean"));
    assert_eq!(clones::clone_max(&now, "app_service").as_deref(), Some("3"));
    let patch = clones::resize(&now, "app_service", "3", "4").expect("a change").expect("a patch");
    assert!(patch.contains("4"), "{patch}");
    assert_eq!(clones::resize(&now, "app_service", "2", "3"), Ok(None), "it is so already");
    let why = refusal(clones::resize(&now, "app_service", "2", "1"));
    assert!(why.contains("is 3 and no longer 2"), "{why}");
    let why = refusal(clones::resize(&now, "power", "1", "2"));
    assert!(why.contains("power"), "{why}");
}
