//! The evidence of a run, from the records of its journal.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::{
    drill::report::{Evidence, Outcome, RemarkKind, guard_remarks, markdown, of_run},
    journal::{Ending, Event, Note, Noted, Record, RunSummary, chain},
    plan::Plan,
};

pub fn at(millis: u64) -> Timestamp {
    let start: Timestamp = "2026-03-14T09:00:00Z".parse().expect("a time");
    start + Duration::from_millis(millis)
}

/// A plan of two steps: routing on two instances, then connections.
pub fn plan(purpose: &str) -> Plan {
    let target = |lb: &str| json!({ "route": "web/haproxy:app", "instance": lb, "server": "node-2", "service": "app" });
    serde_json::from_value(json!({
        "request": { "purpose": purpose, "node": "node-2", "operator": "mira", "reason": "new kernel",
            "overrides": [{ "gate": "fencing", "reason": "it is being repaired" }] },
        "parent": null, "origin": null, "made_at": at(0), "fingerprint": "f1ce",
        "steps": [
            { "step": "drain-routes", "tier": 1, "targets": [target("lb-01"), target("lb-02")] },
            { "step": "await-connections", "services": [] },
        ],
        "warnings": [],
    }))
    .expect("a plan")
}

fn drained(lb: &str) -> Value {
    json!({ "effect": "route", "route": "web/haproxy:app", "instance": lb, "server": "node-2",
        "desired": { "want": "drained" } })
}

pub fn event(value: Value) -> Event {
    serde_json::from_value(value).expect("an event")
}

fn summary(purpose: &str, ending: Option<Ending>, ended: Option<u64>) -> RunSummary {
    RunSummary { run: "drain-node-2".into(), opened_at: at(0), plan: plan(purpose), ending, ended_at: ended.map(at) }
}

/// Records with their chain; each event with its milliseconds.
fn records(events: Vec<(u64, Event)>) -> Vec<Record> {
    let (mut head, mut records) = (chain::Head::default(), Vec::new());
    for (millis, event) in events {
        let made = chain::extend(&head, 1, at(millis), &[event]).expect("a record");
        head = chain::Head::from(&made[0]);
        records.extend(made);
    }
    records
}

pub fn routing() -> Vec<(u64, Event)> {
    let intended = |lb| event(json!({ "event": "intended", "step": 0, "effect": drained(lb), "receipt": null }));
    let read = |lb| event(json!({ "event": "acknowledged", "step": 0, "effect": drained(lb) }));
    let lost = json!({ "event": "not-accepted", "step": 0, "effect": drained("lb-02"), "error": "timed out" });
    vec![
        (10, event(json!({ "event": "taken", "by": "mira@host:1" }))),
        (20, event(json!({ "event": "step-begun", "step": 0 }))),
        (30, intended("lb-01")),
        (30, intended("lb-02")),
        (240, read("lb-01")),
        (500, event(lost)),
        (600, intended("lb-02")),
        (1_030, read("lb-02")),
        (1_040, event(json!({ "event": "step-done", "step": 0 }))),
        (1_050, event(json!({ "event": "step-begun", "step": 1 }))),
    ]
}

fn done(more: Vec<(u64, Event)>) -> Evidence {
    let mut events = routing();
    events.extend(more);
    events.push((9_000, event(json!({ "event": "step-done", "step": 1 }))));
    events.push((9_010, event(json!({ "event": "ended", "ending": { "ending": "done" } }))));
    of_run(&summary("drain", Some(Ending::Done), Some(9_010)), &records(events))
}

#[test]
fn each_instance_has_its_latency_from_the_first_intent() {
    let evidence = done(vec![(8_900, event(json!({ "event": "drained", "service": "app" })))]);
    assert_eq!(evidence.verdict.outcome, Outcome::Kept, "{:?}", evidence.verdict);
    let [routes, connections] = evidence.phases.as_slice() else { panic!("{:?}", evidence.phases) };
    let seen: Vec<_> = routes
        .acknowledgements
        .iter()
        .map(|a| (a.instance.as_ref().map_or("", |i| i.as_str()), a.what.as_str(), a.seconds, a.tries))
        .collect();
    assert_eq!(seen, [("lb-01", "node-2 drained", Some(0.21), 1), ("lb-02", "node-2 drained", Some(1.0), 2)]);
    assert_eq!((routes.took_s(), connections.took_s()), (Some(1.02), Some(7.95)));
    assert_eq!(evidence.took_s(), Some(9.01));
    let [chain] = evidence.signature.chains.as_slice() else { panic!("one chain") };
    assert_eq!((chain.records, chain.head.len()), (13, 64));
    let told: Vec<_> = evidence.remarks.iter().map(|r| (r.kind, r.text.contains("fencing"))).collect();
    assert_eq!(told, [(RemarkKind::Note, true), (RemarkKind::Trouble, false)]);
    assert_eq!(evidence.differences, None, "nothing was rehearsed, so nothing was as rehearsed");
}

#[test]
fn a_deadline_is_never_a_drain_that_was_kept() {
    let reached = json!({ "event": "deadline-reached", "service": "app", "remaining": 3, "policy": "close",
        "left": [{ "peer": "192.0.2.7:4711", "age": null, "received": null, "sent": null, "through": "lb-01", "id": "a" }] });
    let cut = json!({ "event": "cut", "service": "app", "sockets": 1, "remaining": 0,
        "through": [{ "route": "web/haproxy:app", "instance": "lb-01", "connections": 2 }] });
    let evidence = done(vec![(8_000, event(reached)), (8_500, event(cut))]);
    assert_eq!(evidence.verdict.outcome, Outcome::Missed);
    assert_eq!(evidence.verdict.why.as_deref(), Some("connections left at the deadline"));
    let [deadline, cut] = evidence.residual.as_slice() else { panic!("{:?}", evidence.residual) };
    assert_eq!((deadline.remaining, deadline.deadline, deadline.oldest.len()), (3, true, 1));
    assert_eq!(cut.what, "3 cut, 0 left");
    assert!(markdown(&evidence).contains("192.0.2.7:4711 through lb-01"));
}

#[test]
fn what_is_held_or_given_up_says_so() {
    let mut events = routing();
    events.push((2_000, event(json!({ "event": "held", "why": "3 connections stay" }))));
    let held = of_run(&summary("drain", None, None), &records(events.clone()));
    assert_eq!((held.verdict.outcome, held.ended), (Outcome::NotKnown, None));
    assert_eq!(held.verdict.why.as_deref(), Some("it is held: 3 connections stay"));
    assert_eq!(held.phases.last().and_then(|p| p.took_s()), None);

    let ending = Ending::Aborted { why: "told to".into(), undo: Some("restore-1".into()) };
    events.push((3_000, event(json!({ "event": "abort-requested", "by": "mira" }))));
    events.push((3_010, Event::Ended { ending: ending.clone() }));
    let given_up = of_run(&summary("drain", Some(ending), Some(3_010)), &records(events));
    assert_eq!(given_up.verdict.outcome, Outcome::Aborted);
    assert!(given_up.verdict.why.is_some_and(|why| why.contains("restore-1")));
    assert_eq!(given_up.phases.last().and_then(|p| p.took_s()), Some(1.96));
}

#[test]
fn the_guard_is_heard_only_for_the_time_of_the_run() {
    let noted = |seq, millis| Noted { seq, at: at(millis), note: Note::OutOfOrder { node: "node-3".into() } };
    let notes = [noted(3, 9_500), noted(2, 5_000), noted(1, 0)];
    let heard = guard_remarks(&notes, at(1), Some(at(9_000)));
    assert_eq!(heard.len(), 1);
    assert!(heard[0].text.contains("node-3") && heard[0].kind == RemarkKind::Guard, "{heard:?}");
}

#[test]
fn a_play_takes_over_what_its_runs_say() {
    let mut play = super::samples::planned();
    let phases = play.phases.len();
    play.absorb(done(Vec::new()));
    assert_eq!(play.phases.len(), phases + 2);
    assert_eq!(play.phases.last().and_then(|p| p.run.as_ref()).map(|r| r.as_str()), Some("drain-node-2"));
    assert_eq!(play.signature.chains.last().map(|c| c.id.as_str()), Some("drain-node-2"));
}
