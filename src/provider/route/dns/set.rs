//! A set of records (all of one name and type) and what it says of each node.
//!
//! The time to live belongs to the set, not to a record: servers give all records of a set the one that came last. And a
//! set has no order: servers rotate it from answer to answer. So it is kept sorted, and a receipt holds a member's own
//! records with the TTL of the set that they were in.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::data::{Data, Goal, Type};
use crate::model::{Admission, Exact, Health, MemberView, NodeName};

/// What the configuration says of one node's record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The node.
    pub node: NodeName,
    /// What its records lead to: those that do are its own.
    pub goal: Goal,
    /// The whole record, where the configuration has it.
    pub record: Option<Data>,
}

impl Entry {
    fn owns(&self, data: &Data) -> bool {
        data.goal() == self.goal
    }
}

/// All records of one name and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RrSet {
    /// Seconds that resolvers may keep it; `None` where there is no record.
    pub ttl: Option<u32>,
    /// The records.
    pub records: BTreeSet<Data>,
}

impl RrSet {
    /// The records of one member.
    pub fn of(&self, entry: &Entry) -> BTreeSet<Data> {
        self.records.iter().filter(|data| entry.owns(data)).cloned().collect()
    }

    /// The records of everybody else.
    pub fn beside(&self, entry: &Entry) -> BTreeSet<Data> {
        self.records.iter().filter(|data| !entry.owns(data)).cloned().collect()
    }

    /// Every known node, present or not, and every record that is no node's under its own text.
    pub fn members(&self, kind: Type, entries: &[Entry]) -> BTreeMap<String, MemberView> {
        let linger = Duration::from_secs(self.ttl.unwrap_or_default().into());
        let known = entries.iter().map(|entry| (entry.node.to_string(), self.of(entry)));
        let strangers = self.records.iter().filter(|data| !entries.iter().any(|entry| entry.owns(data)));
        let strangers = strangers.map(|data| (data.to_string(), BTreeSet::from([data.clone()])));
        known.chain(strangers).map(|(name, records)| (name, self.view(kind, &records, linger))).collect()
    }

    /// What a receipt of a member would hold now.
    pub fn receipt(&self, kind: Type, entry: &Entry) -> Receipt {
        Receipt::new(kind, self.ttl, &self.of(entry))
    }

    fn view(&self, kind: Type, records: &BTreeSet<Data>, linger: Duration) -> MemberView {
        MemberView {
            admission: if records.is_empty() { Admission::Draining } else { Admission::Serving },
            health: Health::Unchecked,
            weight: records.iter().map(Data::weight).max().unwrap_or_default(),
            linger,
            exact: Receipt::new(kind, self.ttl, records).exact(),
            ..MemberView::default()
        }
    }

    /// The set in one line, for people.
    pub fn shown(&self) -> String {
        match self.ttl {
            Some(ttl) if !self.records.is_empty() => format!("{} with TTL {ttl} s", listed(&self.records)),
            _ => "no record".into(),
        }
    }
}

/// Records in one line.
pub(super) fn listed<'a>(records: impl IntoIterator<Item = &'a Data>) -> String {
    records.into_iter().map(Data::to_string).collect::<Vec<_>>().join(", ")
}

/// The state of one member, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Receipt {
    #[serde(rename = "type")]
    kind: Type,
    /// The set's; `None` where the member had no record in it.
    ttl: Option<u32>,
    records: Vec<Kept>,
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<&str> = self.records.iter().map(|kept| kept.text.as_str()).collect();
        match self.ttl {
            Some(ttl) => write!(f, "{} with TTL {ttl} s", texts.join(", ")),
            None => f.write_str("absent"),
        }
    }
}

/// One record: for people, and to the last bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    text: String,
    wire: String,
}

impl Receipt {
    fn new(kind: Type, ttl: Option<u32>, records: &BTreeSet<Data>) -> Self {
        let kept = |data: &Data| Kept { text: data.to_string(), wire: HEXLOWER.encode(data.wire()) };
        Self { kind, ttl: ttl.filter(|_| !records.is_empty()), records: records.iter().map(kept).collect() }
    }

    pub fn exact(&self) -> Exact {
        Exact(serde_json::to_value(self).unwrap_or_default())
    }

    /// The records and TTL that a receipt holds, where it is one of that member.
    pub fn read(exact: &Exact, kind: Type, entry: &Entry) -> Result<(Option<u32>, BTreeSet<Data>), String> {
        let foreign = || format!("{} is no state of {}'s {kind} record", exact.0, entry.node);
        let receipt: Self = serde_json::from_value(exact.0.clone()).map_err(|_| foreign())?;
        let decoded = |kept: &Kept| {
            let wire = HEXLOWER.decode(kept.wire.as_bytes()).ok()?;
            Data::from_wire(receipt.kind, &wire).filter(|data| entry.owns(data))
        };
        let records: Option<BTreeSet<Data>> = receipt.records.iter().map(decoded).collect();
        match records {
            Some(records) if receipt.kind == kind && receipt.ttl.is_some() != records.is_empty() => {
                Ok((receipt.ttl, records))
            }
            _ => Err(foreign()),
        }
    }
}

#[cfg(test)]
mod tests;
