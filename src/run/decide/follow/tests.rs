//! Followers that lag, and how each is named.

use serde_json::json;

use super::*;
use crate::model::{Admission, Exact};

fn record(weight: u32, ttl: u64) -> MemberView {
    MemberView {
        admission: Admission::Serving,
        weight,
        linger: std::time::Duration::from_secs(ttl),
        exact: Exact(json!({ "weight": weight, "ttl": ttl })),
        ..MemberView::default()
    }
}

fn gone() -> MemberView {
    MemberView { admission: Admission::Draining, exact: Exact(json!({ "weight": null })), ..MemberView::default() }
}

fn view(members: &[(&str, MemberView)]) -> InstanceView {
    let members = members.iter().map(|(name, member)| ((*name).to_owned(), member.clone())).collect();
    InstanceView { members, ..InstanceView::default() }
}

fn said(here: &[(&str, MemberView)], there: &[(&str, MemberView)]) -> Option<String> {
    first_difference(&view(here), &view(there), "node-2")
}

#[test]
fn equal_sets_differ_in_nothing_however_they_are_counted() {
    let here = [("node-1", record(60, 30)), ("node-2", gone())];
    let mut there = here.clone();
    (there[0].1.sessions, there[0].1.requests_total) = (9, 900);
    assert_eq!(said(&here, &there), None);
}

#[test]
fn an_older_weight_or_ttl_or_record_is_named() {
    let newer = [("node-1", record(60, 30)), ("node-2", record(40, 30))];
    let cases = [
        (record(10, 30), "node-2 with weight 10, not 40"),
        (record(40, 300), "node-2 for 5 min, not 30 s"),
        (MemberView { exact: Exact(json!("alpn=h2")), ..record(40, 30) }, "another record of node-2"),
        (gone(), "a set without node-2"),
    ];
    for (older, expected) in cases {
        assert_eq!(said(&[("node-1", record(60, 30)), ("node-2", older)], &newer).as_deref(), Some(expected));
    }
}

#[test]
fn the_rest_of_the_set_counts_as_well() {
    let newer = [("node-1", record(60, 30)), ("node-2", gone())];
    let older = |ttl, weight| [("node-1", record(weight, ttl)), ("node-2", gone())];
    assert_eq!(said(&older(30, 50), &newer).as_deref(), Some("node-1 with weight 50, not 60"));
    assert_eq!(said(&older(5, 60), &newer).as_deref(), Some("node-1 for 5.0 s, not 30 s"));
    let stranger = [("node-1", record(60, 30)), ("node-2", gone()), ("192.0.2.9", record(1, 30))];
    assert_eq!(said(&stranger, &newer).as_deref(), Some("192.0.2.9"));
    assert_eq!(said(&newer, &stranger).as_deref(), Some("a set without 192.0.2.9"));
}
