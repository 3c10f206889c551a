//! Which answers count, what they hold, and what an update says.

use std::collections::BTreeSet;

use super::*;
use crate::provider::route::dns::names;

fn name(text: &str) -> Name {
    names::full(text).expect("a name")
}

fn a(last: u8) -> Data {
    Data::parse(Type::A, &format!("192.0.2.{last}"), &name("lab.example")).expect("a record")
}

fn reading(serial: u32, ttl: u32, hosts: &[u8]) -> Reading {
    let soa = SOA::new(name("ns1.lab.example"), name("hostmaster.lab.example"), serial, 3600, 600, 86400, 5);
    Reading { set: RrSet { ttl: Some(ttl), records: hosts.iter().map(|host| a(*host)).collect() }, soa }
}

/// What is made of an answer that was changed like this.
fn read(change: impl FnOnce(&mut Message)) -> Result<RrSet, String> {
    let question = question(&name("app.lab.example"), RecordType::A, false);
    let mut reply = Message::response(question.metadata.id, OpCode::Query);
    reply.metadata.authoritative = true;
    reply.add_queries(question.queries.clone());
    reply.add_answer(Record::from_rdata(name("app.lab.example"), 30, a(11).rdata()));
    change(&mut reply);
    let answer = answer(&question, &reply.to_vec().expect("bytes"), true)?;
    set(&answer, &name("APP.lab.example"), Type::A)
}

#[test]
fn an_answer_counts_where_it_is_the_authoritys_and_ours() {
    assert_eq!(read(|_| {}), Ok(reading(1, 30, &[11]).set));
    let nothing = Ok(RrSet::default());
    assert_eq!(read(|m| m.answers.clear()), nothing, "a name without such records");
    let missing = |m: &mut Message| {
        m.answers.clear();
        m.metadata.response_code = ResponseCode::NXDomain;
    };
    assert_eq!(read(missing), nothing, "a name that does not exist");
    type Change = fn(&mut Message);
    let wrong: [(Change, &str); 8] = [
        (|m| m.metadata.authoritative = false, "no authority"),
        (|m| m.metadata.id ^= 1, "another question"),
        (|m| m.metadata.message_type = MessageType::Query, "another question"),
        (|m| m.queries.clear(), "another question"),
        (|m| m.queries[0] = Query::query(name("app.lab.example"), RecordType::AAAA), "another question"),
        (|m| m.metadata.response_code = ResponseCode::ServFail, "SERVFAIL"),
        (|m| m.metadata.response_code = ResponseCode::Refused, "REFUSED"),
        (|m| m.metadata.response_code = ResponseCode::NotImp, "NOTIMP"),
    ];
    for (change, expected) in wrong {
        let why = read(change).expect_err(expected);
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn records_of_other_names_and_types_are_no_members() {
    let strange = |m: &mut Message| {
        m.add_answer(Record::from_rdata(name("other.lab.example"), 5, a(99).rdata()));
        m.add_answer(Record::from_rdata(name("app.lab.example"), 60, a(12).rdata()));
    };
    assert_eq!(read(strange), Ok(reading(1, 60, &[11, 12]).set), "the longest TTL counts");
}

#[test]
fn machines_behind_one_name_must_agree() {
    let at = |n: u8| SocketAddr::from(([192, 0, 2, n], 53));
    let (old, new) = (reading(100, 30, &[11, 12]), reading(101, 30, &[12]));
    let same = [(at(1), new.clone()), (at(2), Reading { set: new.set.clone(), ..old.clone() })];
    assert_eq!(agreed(&same), Ok((&new.set, "serial 101 and 100".into())), "the records count, not the serials");
    let why = agreed(&[(at(1), new), (at(2), old)]).expect_err("two answers");
    assert!(why.contains("serial 101 and 100") && why.contains("192.0.2.2:53 has 192.0.2.11, 192.0.2.12"), "{why}");
    assert!(agreed(&[]).is_err());
}

#[test]
fn an_update_says_first_what_must_be_so() {
    let (zone, app) = (name("lab.example"), name("app.lab.example"));
    let change = Change { remove: BTreeSet::from([a(11)]), add: BTreeSet::from([a(13)]), ttl: 30 };
    let sent = update(&zone, &app, Type::A, &reading(100, 30, &[11, 12]), &change, true);
    let got = Message::from_vec(&sent.to_vec().expect("bytes")).expect("a message");
    assert_eq!((got.metadata.op_code, got.queries[0].query_type()), (OpCode::Update, RecordType::SOA));
    let shown = |records: &[Record]| -> Vec<String> {
        records.iter().map(|r| format!("{} {} {} {}", r.name, r.ttl, r.dns_class, r.data)).collect()
    };
    assert_eq!(
        shown(&got.answers),
        [
            "lab.example. 0 IN ns1.lab.example. hostmaster.lab.example. 100 3600 600 86400 5",
            "app.lab.example. 0 IN 192.0.2.11",
            "app.lab.example. 0 IN 192.0.2.12",
        ]
    );
    assert_eq!(shown(&got.authorities), ["app.lab.example. 0 NONE 192.0.2.11", "app.lab.example. 30 IN 192.0.2.13"]);
    let empty = Reading { set: RrSet::default(), ..reading(100, 30, &[]) };
    let sent = update(&zone, &app, Type::A, &empty, &change, false);
    let [none] = &sent.answers[..] else { panic!("one prerequisite: {:?}", sent.answers) };
    assert_eq!(
        (none.dns_class, none.record_type(), matches!(none.data, RData::Update0(_))),
        (DNSClass::NONE, RecordType::A, true)
    );
}
