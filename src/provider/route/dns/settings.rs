//! `via = "dns"`: what the configuration says of it.

use std::{net::IpAddr, path::PathBuf};

use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::{
    Server, Type,
    data::{Data, Goal},
    names,
    set::Entry,
};
use crate::model::{InstanceName, NodeName};

/// The records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Servers that may be the zone's primary, in the order in which they are tried. The first is the instance that
    /// changes are sent to; all of them are asked.
    pub servers: Vec<Server>,
    /// Places of other servers of the zone, for those that its own names do not lead to.
    pub secondaries: Vec<Server>,
    /// The zone, in full.
    pub zone: String,
    /// The records' name, in full.
    pub name: String,
    /// The records' type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// A node's record, with `{node}` and `{address}`.
    pub record: String,
    /// The TTL that the set has, in seconds; checked, and used for a set that is empty.
    pub ttl: Option<u32>,
    /// The TTL ahead of a planned window, in seconds.
    pub ttl_during_maintenance: Option<u32>,
    /// The TSIG key, in BIND's format.
    pub key_file: PathBuf,
    /// Public resolvers whose answers are shown.
    pub resolvers: Vec<Server>,
    /// Servers of the zone that nobody waits for.
    pub not_following: Vec<InstanceName>,
}

impl Settings {
    /// What the zone's name is on the wire.
    pub(super) fn zone(&self) -> Result<Name, String> {
        names::full(&self.zone)
    }

    /// What a node's record is, or leads to. The address is only needed where the template asks for it.
    pub(super) fn entry(&self, node: &NodeName, address: Option<IpAddr>) -> Result<Entry, String> {
        let zone = self.zone()?;
        let address = match address {
            Some(address) => address.to_string(),
            None if self.record.contains("{address}") => {
                return Err(format!("the node {node} has no address for its {} record", self.kind));
            }
            None => String::new(),
        };
        let text = self.record.replace("{node}", node.as_str()).replace("{address}", &address);
        let entry = |goal, record| Entry { node: node.clone(), goal, record };
        if !self.kind.is_address() && text.split_whitespace().count() == 1 {
            return Ok(entry(Goal::target(&names::within(&text, &zone)?), None));
        }
        let data = Data::parse(self.kind, &text, &zone)?;
        Ok(entry(data.goal(), Some(data)))
    }
}
