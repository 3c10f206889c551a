//! What nobody could look at is told, rule by rule, and is never fine.

use std::collections::BTreeSet;

use tidegate::{
    model::Observed,
    review::{Found, Needs, rules},
};

use super::clean::*;

/// The rules that say "not known" for this.
fn unknown(change: impl Fn(&mut Found)) -> BTreeSet<&'static str> {
    let mut found = found();
    change(&mut found);
    let review = reviewed(CONFIG, Some(&found));
    assert!(
        review.findings.iter().all(|f| !f.known && f.what.starts_with("not known: ")),
        "{:?}",
        told(&review.findings)
    );
    review.findings.iter().map(|f| f.code).collect()
}

#[test]
fn a_load_balancer_whose_configuration_cannot_be_read() {
    let all: BTreeSet<&str> = [
        "layer-mismatch",
        "tls-at-balancer",
        "tls-to-service",
        "identity-lost",
        "proxy-protocol-unexpected",
        "proxy-protocol-demanded",
        "check-missing",
        "check-passive",
        "check-port-only",
        "check-differs",
        "failover-check-slow",
        "affinity-undeclared",
        "quiet-past-deadline",
    ]
    .into();
    assert_eq!(unknown(|f| f.balancers.values_mut().for_each(|b| *b = Err("no answer".into()))), all);
    assert_eq!(unknown(|f| f.balancers.values_mut().for_each(|b| *b = Ok(None))), all);
    assert_eq!(unknown(|f| f.balancers.clear()), all);
}

#[test]
fn what_only_the_file_tells_without_the_file() {
    let asked = unknown(|f| {
        for view in f.balancers.values_mut().filter_map(|b| b.as_mut().ok()?.as_mut()) {
            (view.pace, view.tells, view.lacks) = (None, None, "no file is named".into());
        }
    });
    assert_eq!(asked, ["failover-check-slow", "identity-lost", "proxy-protocol-unexpected"].into());
}

#[test]
fn a_node_that_does_not_answer() {
    let of_nodes: BTreeSet<&str> =
        ["unit-enabled", "unit-missing", "unit-differs", "archive-differs", "stop-endless", "grace-short"].into();
    assert_eq!(unknown(|f| drop(f.machines.insert("node-02".into(), Err("no route".into())))), of_nodes);
    assert_eq!(unknown(|f| drop(f.machines.remove("node-02"))), of_nodes);
}

#[test]
fn everything_else_that_does_not_answer() {
    assert_eq!(unknown(|f| f.stop_timeouts.clear()), ["stop-fences"].into());
    assert_eq!(
        unknown(|f| f.names.values_mut().for_each(|a| a[0].addresses = Err("no".into()))),
        ["name-unresolved"].into()
    );
    assert_eq!(
        unknown(|f| f.resolvers.values_mut().for_each(|r| r[0].1 = Err("no".into()))),
        ["resolver-elsewhere"].into()
    );
    let silent = unknown(|f| {
        for seen in f.seen.routes.values_mut().flat_map(|i| i.values_mut()) {
            *seen = Observed::Unknown { reason: "no answer".into() };
        }
    });
    assert_eq!(silent, ["single-resolver", "resolver-elsewhere", "ttl-differs"].into());
}

#[test]
fn offline_says_which_rules_were_not_asked() {
    let review = reviewed(CONFIG, None);
    let systems: Vec<&str> = rules().filter(|r| r.needs == Needs::Systems).map(|r| r.code).collect();
    assert_eq!(review.not_asked, systems);
}
