//! Messages: questions to a server and what its answers say, updates and their prerequisites. Pure.
//!
//! An update (RFC 2136) is all or nothing, and says first under what conditions it may happen: that the set is exactly
//! the one that was read (2.4.2), and that the zone has the serial that was read with it. The first guards the values;
//! TTLs cannot be named in a prerequisite, and the serial guards those.

use std::net::SocketAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata::SOA},
};

use super::{
    change::Change,
    data::{Data, Type},
    set::RrSet,
};

/// What one server holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// The set.
    pub set: RrSet,
    /// The zone's SOA.
    pub soa: SOA,
}

/// A question. `recursive` asks a resolver; else only what the server itself holds is wanted.
pub(super) fn question(name: &Name, kind: RecordType, recursive: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = recursive;
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.set_edns(edns);
    message
}

/// Reads an answer to a question; `authoritative` accepts no other. Answers without records are answers.
pub(super) fn answer(question: &Message, bytes: &[u8], authoritative: bool) -> Result<Message, String> {
    let answer = reply(question, bytes)?;
    let said = answer.metadata.response_code;
    match said {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::ServFail => {
            return Err("it failed (SERVFAIL): is the zone loaded there, or has it expired?".into());
        }
        ResponseCode::Refused => return Err("it refuses the question (REFUSED): does it serve the zone?".into()),
        _ => return Err(format!("it answered {}", code(said))),
    }
    if authoritative && !answer.metadata.authoritative {
        return Err("it is no authority for the zone".into());
    }
    Ok(answer)
}

/// Reads a reply to any message: the same id, the same kind, the same question.
pub(super) fn reply(sent: &Message, bytes: &[u8]) -> Result<Message, String> {
    let reply = Message::from_vec(bytes).map_err(|error| format!("its answer cannot be read: {error}"))?;
    let fits = reply.metadata.id == sent.metadata.id
        && reply.metadata.message_type == MessageType::Response
        && reply.metadata.op_code == sent.metadata.op_code;
    // A server that refuses may leave the question out.
    let same = |a: &Query, b: &Query| {
        (a.name(), a.query_type(), a.query_class()) == (b.name(), b.query_type(), b.query_class())
    };
    let asked = match (reply.queries.as_slice(), sent.queries.as_slice()) {
        ([], _) => reply.metadata.response_code != ResponseCode::NoError,
        ([got], [want]) => same(got, want),
        _ => false,
    };
    if fits && asked { Ok(reply) } else { Err("its answer belongs to another question".into()) }
}

/// The set in an authoritative answer. A name that is an alias has no set of its own to change.
pub(super) fn set(answer: &Message, name: &Name, kind: Type) -> Result<RrSet, String> {
    let here = |record: &&Record| record.name == *name && record.dns_class == DNSClass::IN;
    let mut set = RrSet::default();
    for record in answer.answers.iter().filter(here) {
        match record.record_type() {
            found if found == kind.wire() => {
                let data = Data::new(record.data.clone());
                set.records.insert(data.ok_or_else(|| format!("its {kind} record of {name} cannot be read"))?);
                set.ttl = set.ttl.max(Some(record.ttl));
            }
            RecordType::CNAME => return Err(format!("{name} is an alias there (CNAME): name what it leads to")),
            _ => {}
        }
    }
    Ok(set)
}

/// The zone's SOA in an answer.
pub(super) fn soa(answer: &Message, zone: &Name) -> Result<SOA, String> {
    let found = answer.answers.iter().filter(|record| record.name == *zone).find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.clone()),
        _ => None,
    });
    found.ok_or_else(|| format!("it has no zone {zone}"))
}

/// What the machines behind one name hold, which must be the same, and the serials that they are at.
pub(super) fn agreed(read: &[(SocketAddr, Reading)]) -> Result<(&RrSet, String), String> {
    let serials: Vec<String> = read.iter().map(|(_, reading)| reading.soa.serial.to_string()).collect();
    let version = format!("serial {}", serials.join(" and "));
    let [(at, first), others @ ..] = read else { return Err("it has no address".into()) };
    match others.iter().find(|(_, other)| other.set != first.set) {
        None => Ok((&first.set, version)),
        Some((there, other)) => Err(format!(
            "its machines do not agree ({version}): {at} has {}, {there} has {}",
            first.set.shown(),
            other.set.shown()
        )),
    }
}

/// An update of one set, all or nothing.
pub(super) fn update(
    zone: &Name,
    name: &Name,
    kind: Type,
    now: &Reading,
    change: &Change,
    guard_serial: bool,
) -> Message {
    let mut message = Message::new(Message::query().metadata.id, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(zone.clone(), RecordType::SOA));
    let record = |data: &Data, ttl: u32, class: DNSClass| {
        let mut record = Record::from_rdata(name.clone(), ttl, data.rdata());
        record.dns_class = class;
        record
    };
    if guard_serial {
        message.add_answer(Record::from_rdata(zone.clone(), 0, RData::SOA(now.soa.clone())));
    }
    message.add_answers(now.set.records.iter().map(|data| record(data, 0, DNSClass::IN)));
    if now.set.records.is_empty() {
        let mut none = Record::update0(name.clone(), 0, kind.wire());
        none.dns_class = DNSClass::NONE;
        message.add_answer(none);
    }
    message.add_authorities(change.remove.iter().map(|data| record(data, 0, DNSClass::NONE)));
    message.add_authorities(change.add.iter().map(|data| record(data, change.ttl, DNSClass::IN)));
    message
}

/// A response code with its name.
pub(super) fn code(code: ResponseCode) -> String {
    let name = match code {
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        other => return format!("code {}", u16::from(other)),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
