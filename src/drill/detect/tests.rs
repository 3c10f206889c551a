//! A loss as three kinds of witness tell of it, and what must not be made of silence.

use super::*;
use crate::model::{Admission, Health, MemberView};

fn at(seconds: i64, millis: i32) -> Timestamp {
    Timestamp::new(seconds, millis * 1_000_000).expect("a time")
}

fn way(instance: &str) -> Way {
    Way { route: "web/haproxy:app".into(), instance: instance.into() }
}

fn stands(seconds: i64, instance: &str, standing: Standing) -> Seen {
    Seen { at: at(seconds, 0), sighting: Sighting::Way { way: way(instance), standing } }
}

fn ready(seconds: i64, is: Option<bool>) -> Seen {
    Seen { at: at(seconds, 0), sighting: Sighting::Ready { node: "node-2".into(), ready: is } }
}

fn member(seconds: i64, usable: Option<bool>) -> Seen {
    Seen { at: at(seconds, 0), sighting: Sighting::Member { node: "node-2".into(), usable } }
}

/// Both load balancers send clients to a node that is ready.
fn calm() -> Vec<Seen> {
    vec![stands(90, "lb-1", Standing::Sends), stands(90, "lb-2", Standing::Sends), ready(90, Some(true))]
}

/// From 100 to 120, of node-2.
fn of(seen: &[Seen], until: Option<i64>) -> Times {
    let (node, ways) = (NodeName::new("node-2"), [way("lb-1"), way("lb-2")]);
    times(
        seen,
        &Question {
            begun: at(100, 0),
            momentary: false,
            from: at(100, 0),
            until: until.map(|s| at(s, 0)),
            node: Some(&node),
            ways: &ways,
            lost: &[],
        },
    )
}

fn why(took: &Took) -> &str {
    match took {
        Took::Unknown(why) => why,
        Took::Seconds(seconds) => panic!("{seconds} s"),
    }
}

#[test]
fn a_loss_that_all_saw_and_that_all_got_over() {
    let mut seen = calm();
    seen.extend([
        ready(101, Some(false)),
        member(102, Some(false)),
        stands(103, "lb-2", Standing::Doubts),
        stands(105, "lb-1", Standing::Out),
        stands(108, "lb-2", Standing::Out),
        ready(124, Some(true)),
        stands(126, "lb-2", Standing::Sends),
        stands(125, "lb-1", Standing::Sends),
    ]);
    let times = of(&seen, Some(120));
    assert_eq!(times.detection, Took::Seconds(3.0));
    assert_eq!(times.removal, Took::Seconds(8.0));
    assert_eq!(times.recovery, Took::Seconds(6.0));
    assert_eq!(times.cluster, Took::Seconds(2.0));
    assert_eq!(times.ways["web/haproxy:app at lb-1"], Took::Seconds(5.0));
}

#[test]
fn what_was_out_before_detects_nothing_and_need_not_come_back() {
    let mut seen = calm();
    seen[1] = stands(90, "lb-2", Standing::Out);
    seen.push(stands(101, "lb-2", Standing::Out));
    assert!(why(&of(&seen, Some(120)).detection).contains("no route noticed"));
    seen.extend([stands(104, "lb-1", Standing::Out), stands(121, "lb-1", Standing::Sends)]);
    let times = of(&seen, Some(120));
    assert_eq!((times.detection, times.removal), (Took::Seconds(4.0), Took::Seconds(4.0)));
    assert_eq!(times.recovery, Took::Seconds(1.0));
}

#[test]
fn silence_is_no_removal_and_no_detection() {
    let mut seen = calm();
    seen.extend([stands(101, "lb-1", Standing::Silent("refused".into())), stands(104, "lb-2", Standing::Out)]);
    let times = of(&seen, Some(120));
    assert_eq!(times.detection, Took::Seconds(4.0));
    assert!(why(&times.removal).contains("lb-1 did not say: refused"), "{times:?}");
    assert!(why(&times.recovery).contains("lb-1"), "{times:?}");
}

#[test]
fn who_never_left_is_back_at_once_and_was_never_removed() {
    let times = of(&calm(), Some(120));
    assert!(why(&times.detection).contains("no route noticed"));
    assert!(why(&times.removal).contains("sent clients there all the while"));
    assert_eq!(times.recovery, Took::Seconds(0.0));
}

#[test]
fn what_was_told_counts_as_known() {
    let mut seen = calm();
    seen.push(Seen { at: at(100, 250), sighting: Sighting::Told { way: way("lb-1") } });
    assert_eq!(of(&seen, Some(120)).detection, Took::Seconds(0.25));
}

#[test]
fn a_fault_that_is_not_over_has_no_recovery() {
    let mut seen = calm();
    seen.push(stands(104, "lb-1", Standing::Out));
    assert!(why(&of(&seen, None).recovery).contains("not over"));
}

#[test]
fn without_a_sight_of_before_nothing_is_said() {
    let seen = [stands(101, "lb-1", Standing::Out), stands(101, "lb-2", Standing::Out)];
    let times = of(&seen, Some(120));
    assert!(why(&times.detection).contains("before") && why(&times.removal).contains("before"));
    let none = times_of_nothing();
    assert!(why(&none.detection).contains("no route that is watched"));
}

fn times_of_nothing() -> Times {
    times(
        &calm(),
        &Question {
            begun: at(100, 0),
            momentary: false,
            from: at(100, 0),
            until: None,
            node: None,
            ways: &[],
            lost: &[],
        },
    )
}

#[test]
fn after_the_end_nothing_is_detected_any_more() {
    let mut seen = calm();
    seen.push(stands(121, "lb-1", Standing::Out));
    assert!(why(&of(&seen, Some(120)).detection).contains("no route noticed"));
}

#[test]
fn a_readiness_that_nobody_knows_is_not_ready() {
    let mut seen = calm();
    seen.extend([ready(101, Some(false)), ready(121, None)]);
    assert!(why(&of(&seen, Some(120)).recovery).contains("node-2 was not seen to be ready"));
}

#[test]
fn a_member_stands_by_what_the_route_does_with_new_clients() {
    let failing = Health::Failing { reason: "L4CON".into() };
    let member = |health: Health, still_chosen| MemberView {
        admission: Admission::Serving,
        weight: 100,
        health,
        still_chosen,
        ..MemberView::default()
    };
    assert_eq!(Standing::of(None), Standing::Out);
    assert_eq!(Standing::of(Some(&member(Health::Passing, false))), Standing::Sends);
    assert_eq!(Standing::of(Some(&member(failing.clone(), true))), Standing::Doubts);
    assert_eq!(Standing::of(Some(&member(failing, false))), Standing::Out);
}

/// What an instance sends clients to.
fn instance(seconds: i64, sends: Option<&[&str]>) -> Seen {
    let sends = sends.map(|members| members.iter().map(|m| (*m).to_owned()).collect());
    Seen { at: at(seconds, 0), sighting: Sighting::Instance { way: way("lb-1"), sends } }
}

/// From 100 to 120, of the load balancer lb-1, to which no route leads.
fn of_balancer(seen: &[Seen]) -> Times {
    let lost = [way("lb-1")];
    times(
        seen,
        &Question {
            begun: at(100, 0),
            momentary: false,
            from: at(100, 0),
            until: Some(at(120, 0)),
            node: None,
            ways: &[],
            lost: &lost,
        },
    )
}

#[test]
fn a_lost_instance_is_noticed_by_its_silence_and_is_back_with_all_its_members() {
    let seen = [
        instance(90, Some(&["node-1", "node-2"])),
        instance(101, None),
        instance(122, Some(&["node-1"])),
        instance(124, Some(&["node-1", "node-2", "node-3"])),
    ];
    let times = of_balancer(&seen);
    assert_eq!((times.detection, times.recovery), (Took::Seconds(1.0), Took::Seconds(4.0)));
    assert_eq!(times.noticed.as_deref(), Some("web/haproxy:app at lb-1 did not answer any more"));
    assert!(why(&times.removal).contains("none could take it out"), "{:?}", times.removal);
    let lacks = of_balancer(&seen[..3]);
    assert!(why(&lacks.recovery).contains("does not send clients to node-2 again"), "{:?}", lacks.recovery);
    assert!(why(&of_balancer(&seen[..2]).recovery).contains("does not answer again"));
}

#[test]
fn an_instance_that_never_answered_was_not_lost() {
    let times = of_balancer(&[instance(90, None), instance(121, Some(&["node-1"]))]);
    assert!(why(&times.detection).contains("before") && why(&times.recovery).contains("before"), "{times:?}");
    assert_eq!(times.noticed, None);
}

#[test]
fn what_was_noticed_while_the_fence_device_was_at_work_was_noticed_at_once() {
    let mut seen = calm();
    seen.extend([stands(98, "lb-1", Standing::Out), stands(99, "lb-2", Standing::Out)]);
    let (node, ways) = (NodeName::new("node-2"), [way("lb-1"), way("lb-2")]);
    let question = Question {
        begun: at(95, 0),
        momentary: false,
        from: at(100, 0),
        until: Some(at(120, 0)),
        node: Some(&node),
        ways: &ways,
        lost: &[],
    };
    let times = times(&seen, &question);
    assert_eq!((times.detection, times.removal), (Took::Seconds(0.0), Took::Seconds(0.0)));
}

#[test]
fn a_recovery_counts_from_the_fault_where_nothing_kept_it_going() {
    let mut seen = calm();
    seen.extend([ready(101, Some(false)), ready(108, Some(true))]);
    let mended_itself = of(&seen, Some(120));
    assert_eq!(mended_itself.recovery, Took::Seconds(8.0), "it was back before its end: a boot, for one");
    assert_eq!(mended_itself.counted.as_deref(), Some(BY_ITSELF));
    seen.extend([ready(119, Some(false)), ready(123, Some(true))]);
    assert_eq!(of(&seen, Some(120)).recovery, Took::Seconds(3.0), "it broke again");

    let (node, ways) = (NodeName::new("node-2"), [way("lb-1"), way("lb-2")]);
    let question = Question {
        begun: at(100, 0),
        momentary: true,
        from: at(100, 0),
        until: Some(at(120, 0)),
        node: Some(&node),
        ways: &ways,
        lost: &[],
    };
    let killed = times(&seen, &question);
    assert_eq!((killed.recovery, killed.counted.as_deref()), (Took::Seconds(23.0), Some(AT_ONCE)));
}

#[test]
fn who_was_not_as_it_should_be_before_and_was_not_seen_again_has_not_recovered() {
    let mut seen = calm();
    seen[2] = ready(90, Some(false));
    assert!(why(&of(&seen, Some(120)).recovery).contains("node-2 was not seen to be ready"));
}
