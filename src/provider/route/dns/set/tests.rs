//! Members, receipts and what tells two states apart.

use serde_json::json;

use super::*;
use crate::provider::route::dns::names;

fn data(kind: Type, text: &str) -> Data {
    Data::parse(kind, text, &names::full("lab.example").expect("a zone")).expect(text)
}

fn entry(node: &str, kind: Type, text: &str) -> Entry {
    let record = data(kind, text);
    Entry { node: node.into(), goal: record.goal(), record: Some(record) }
}

fn set(kind: Type, ttl: u32, texts: &[&str]) -> RrSet {
    RrSet { ttl: Some(ttl), records: texts.iter().map(|text| data(kind, text)).collect() }
}

#[test]
fn each_node_and_each_stranger_is_a_member() {
    let entries = [entry("node-01", Type::A, "192.0.2.11"), entry("node-02", Type::A, "192.0.2.12")];
    let members = set(Type::A, 30, &["192.0.2.99", "192.0.2.11"]).members(Type::A, &entries);
    let seen: Vec<_> = members.iter().map(|(name, m)| (name.as_str(), m.admission, m.weight)).collect();
    assert_eq!(
        seen,
        [
            ("192.0.2.99", Admission::Serving, 1),
            ("node-01", Admission::Serving, 1),
            ("node-02", Admission::Draining, 0)
        ]
    );
    let nothing = RrSet::default().members(Type::A, &entries);
    assert!(nothing.values().all(|m| !m.takes_clients()) && nothing.len() == 2, "{nothing:?}");
}

#[test]
fn a_nodes_srv_records_are_one_member() {
    let entries = [entry("node-01", Type::Srv, "0 1 443 node-01")];
    let both = set(Type::Srv, 30, &["0 20 443 node-01", "0 30 8443 NODE-01", "5 0 443 node-02"]);
    let members = both.members(Type::Srv, &entries);
    assert_eq!(members["node-01"].weight, 30);
    assert_eq!(members["5 0 443 node-02.lab.example."].weight, 1, "a small share is no drain");
    let (ttl, records) = Receipt::read(&members["node-01"].exact, Type::Srv, &entries[0]).expect("a receipt");
    assert_eq!((ttl, records), (Some(30), both.of(&entries[0])));
}

#[test]
fn a_state_is_equal_only_where_nothing_differs() {
    let entries = [entry("node-01", Type::A, "192.0.2.11")];
    let exact = |set: &RrSet| set.members(Type::A, &entries)["node-01"].exact.clone();
    let usual = exact(&set(Type::A, 30, &["192.0.2.11", "192.0.2.12"]));
    assert_eq!(usual, exact(&set(Type::A, 30, &["192.0.2.13", "192.0.2.11"])), "the others are not its state");
    assert_ne!(usual, exact(&set(Type::A, 31, &["192.0.2.11", "192.0.2.12"])));
    let out = exact(&set(Type::A, 30, &["192.0.2.12"]));
    assert_ne!(usual, out);
    assert_eq!(out, exact(&set(Type::A, 99, &["192.0.2.12"])), "what is not there has no TTL");
    assert_eq!(out, exact(&RrSet::default()));
}

#[test]
fn what_is_no_receipt_of_the_member() {
    let one = entry("node-01", Type::A, "192.0.2.11");
    let two = entry("node-02", Type::A, "192.0.2.12");
    let exact = set(Type::A, 30, &["192.0.2.11"]).receipt(Type::A, &one).exact();
    assert!(Receipt::read(&exact, Type::A, &one).is_ok());
    assert!(Receipt::read(&exact, Type::A, &two).is_err(), "another node's");
    assert!(Receipt::read(&exact, Type::Aaaa, &one).is_err(), "another type's");
    for strange in [
        json!(null),
        json!({ "ttl": 30 }),
        json!({ "type": "A", "ttl": null, "records": [{ "text": "192.0.2.11", "wire": "c000020b" }] }),
        json!({ "type": "A", "ttl": 30, "records": [] }),
        json!({ "type": "A", "ttl": 30, "records": [{ "text": "192.0.2.11", "wire": "c00002" }] }),
        json!({ "type": "A", "ttl": 30, "records": [{ "text": "192.0.2.11", "wire": "c000020b", "more": 1 }] }),
        json!({ "type": "A", "ttl": -1, "records": [{ "text": "192.0.2.11", "wire": "c000020b" }] }),
    ] {
        assert!(Receipt::read(&Exact(strange.clone()), Type::A, &one).is_err(), "{strange}");
    }
    let none = json!({ "type": "A", "ttl": null, "records": [] });
    assert_eq!(Receipt::read(&Exact(none), Type::A, &one), Ok((None, BTreeSet::new())));
}
