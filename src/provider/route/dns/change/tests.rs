//! The rules of a change, each as the records that go and come.

use super::*;
use crate::{model::Exact, provider::route::dns::names};

fn data(kind: Type, text: &str) -> Data {
    Data::parse(kind, text, &names::full("lab.example").expect("a zone")).expect(text)
}

fn set(kind: Type, ttl: u32, texts: &[&str]) -> RrSet {
    RrSet { ttl: Some(ttl), records: texts.iter().map(|text| data(kind, text)).collect() }
}

fn node_01(kind: Type, text: &str) -> Entry {
    let record = data(kind, text);
    Entry { node: "node-01".into(), goal: record.goal(), record: Some(record) }
}

/// Without the records' own words: only the target is configured.
fn bare(entry: Entry) -> Entry {
    Entry { record: None, ..entry }
}

fn shown(change: Result<Option<Change>, String>) -> String {
    match change {
        Err(why) => format!("refused: {why}"),
        Ok(None) => "nothing".into(),
        Ok(Some(change)) => format!("-[{}] +[{}] {}", listed(&change.remove), listed(&change.add), change.ttl),
    }
}

fn a(now: &RrSet, desired: &Desired) -> String {
    shown(towards(now, Type::A, &node_01(Type::A, "192.0.2.11"), desired, Some(60)))
}

fn receipt(set: &RrSet, entry: &Entry, kind: Type) -> Desired {
    Desired::Exactly { exact: set.receipt(kind, entry).exact() }
}

#[test]
fn a_drain_removes_one_record_and_only_where_another_is_left() {
    let both = set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]);
    assert_eq!(a(&both, &Desired::Drained), "-[192.0.2.11] +[] 0");
    assert_eq!(a(&set(Type::A, 30, &["192.0.2.12"]), &Desired::Drained), "nothing");
    assert_eq!(a(&RrSet::default(), &Desired::Drained), "nothing");
    let last = a(&set(Type::A, 30, &["192.0.2.11"]), &Desired::Drained);
    assert!(last.starts_with("refused: 192.0.2.11 is the last record"), "{last}");
}

#[test]
fn a_receipt_brings_back_what_was_there_and_takes_away_what_was_not() {
    let entry = node_01(Type::A, "192.0.2.11");
    let before = set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]);
    let back = receipt(&before, &entry, Type::A);
    assert_eq!(a(&set(Type::A, 30, &["192.0.2.12", "192.0.2.13"]), &back), "-[] +[192.0.2.11] 30");
    assert_eq!(a(&before, &back), "nothing");
    assert_eq!(a(&RrSet::default(), &back), "-[] +[192.0.2.11] 30", "the receipt knows the TTL");
    let out = receipt(&set(Type::A, 30, &["192.0.2.12"]), &entry, Type::A);
    assert_eq!(a(&before, &out), "-[192.0.2.11] +[] 0");
    assert!(a(&set(Type::A, 30, &["192.0.2.11"]), &out).contains("last record"));
}

#[test]
fn nobody_elses_ttl_is_changed_on_the_way() {
    let entry = node_01(Type::A, "192.0.2.11");
    let back = receipt(&set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]), &entry, Type::A);
    let refused = a(&set(Type::A, 300, &["192.0.2.12"]), &back);
    assert!(refused.contains("is 300 s now, and was 30 s"), "{refused}");
    let refused = a(&set(Type::A, 300, &["192.0.2.11", "192.0.2.12"]), &back);
    assert!(refused.contains("is 300 s now, and was 30 s"), "{refused}");
    // Where nobody else is there the TTL is the member's own.
    assert_eq!(a(&set(Type::A, 300, &["192.0.2.11"]), &back), "-[] +[192.0.2.11] 30");
}

#[test]
fn to_serve_is_to_be_there_with_the_sets_ttl() {
    let others = set(Type::A, 30, &["192.0.2.12"]);
    let serving = Desired::Serving { weight: 40 };
    assert_eq!(a(&others, &serving), "-[] +[192.0.2.11] 30");
    assert_eq!(a(&RrSet::default(), &serving), "-[] +[192.0.2.11] 60", "the configured TTL");
    assert_eq!(a(&set(Type::A, 30, &["192.0.2.11"]), &serving), "nothing");
    assert!(a(&others, &Desired::Serving { weight: 0 }).starts_with("refused"));
    let unknown = towards(&RrSet::default(), Type::A, &node_01(Type::A, "192.0.2.11"), &serving, None);
    assert!(unknown.is_err_and(|why| why.contains("configure `ttl`")));
    assert_eq!(a(&others, &Desired::FreshCheck), "nothing");
}

#[test]
fn an_srv_record_takes_its_weight_and_keeps_the_rest() {
    let entry = node_01(Type::Srv, "10 60 443 node-01");
    let srv =
        |now: &RrSet, entry: &Entry, weight| shown(towards(now, Type::Srv, entry, &Desired::Serving { weight }, None));
    let both = set(Type::Srv, 30, &["5 60 8443 node-01", "10 40 443 node-02"]);
    let node = "node-01.lab.example.";
    assert_eq!(srv(&both, &entry, 7), format!("-[5 60 8443 {node}] +[5 7 8443 {node}] 30"));
    assert_eq!(srv(&both, &entry, 60), "nothing");
    let others = set(Type::Srv, 30, &["10 40 443 node-02", "10 0 443 node-03"]);
    assert_eq!(srv(&others, &entry, 7), format!("-[] +[10 7 443 {node}] 30"));
    assert!(srv(&others, &entry, 70_000).contains("more than a record can have"));
    // Without a record in the configuration the others are the pattern, where they are alike.
    assert_eq!(srv(&others, &bare(entry.clone()), 7), format!("-[] +[10 7 443 {node}] 30"));
    let unlike = set(Type::Srv, 30, &["10 40 443 node-02", "20 40 443 node-03"]);
    assert!(srv(&unlike, &bare(entry), 7).contains("no pattern"));
}

#[test]
fn an_https_record_is_not_made_up_from_hints_of_others() {
    let entry = bare(node_01(Type::Https, "1 node-01"));
    let https = |texts: &[&str]| {
        shown(towards(&set(Type::Https, 30, texts), Type::Https, &entry, &Desired::Serving { weight: 1 }, None))
    };
    assert_eq!(https(&["1 node-02 alpn=h2"]), "-[] +[1 node-01.lab.example. alpn=h2] 30");
    assert!(https(&["1 node-02 alpn=h2 ipv4hint=192.0.2.12"]).contains("no pattern"));
    let full = set(Type::Https, 30, &["1 node-01 alpn=h2 ipv4hint=192.0.2.11", "1 node-02"]);
    let back = receipt(&full, &entry, Type::Https);
    let restored = shown(towards(&set(Type::Https, 30, &["1 node-02"]), Type::Https, &entry, &back, None));
    assert_eq!(restored, "-[] +[1 node-01.lab.example. alpn=h2 ipv4hint=192.0.2.11] 30");
}

#[test]
fn a_foreign_receipt_is_refused() {
    let both = set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]);
    let refused = a(&both, &Desired::Exactly { exact: Exact(serde_json::json!({ "weight": 30 })) });
    assert!(refused.contains("is no state of node-01's A record"), "{refused}");
}

#[test]
fn the_ttl_of_a_window_is_put_back_only_where_it_is_still_the_windows() {
    let now = set(Type::A, 5, &["192.0.2.11", "192.0.2.12"]);
    assert_eq!(shown(retimed(&now, 5, 30)), "-[] +[192.0.2.11, 192.0.2.12] 30");
    assert_eq!(shown(retimed(&now, 30, 5)), "nothing");
    assert!(shown(retimed(&now, 60, 30)).contains("is 5 s now, and not 60 s any more"));
    assert!(retimed(&RrSet::default(), 30, 5).is_err());
}

#[test]
fn differences_in_words() {
    let before = set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]);
    assert_eq!(differences(&before, &before), "nothing");
    let after = set(Type::A, 60, &["192.0.2.12", "192.0.2.13"]);
    assert_eq!(differences(&before, &after), "192.0.2.11 went, 192.0.2.13 came, the TTL turned from 30 s to 60 s");
    assert_eq!(differences(&before, &RrSet::default()), "192.0.2.11, 192.0.2.12 went");
}
