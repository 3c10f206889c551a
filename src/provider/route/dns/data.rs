//! One record's data: what kind of record, its bytes on the wire, and what it leads to.
//!
//! The bytes are what counts: two records are the same where these are, and a receipt holds them, so that what is put
//! back is what was there to the last parameter of an HTTPS record. The text is for people. What a record *leads to*
//! (an address, a target's name) tells whose record it is: a node's SRV record stays the node's when its weight changes.

use std::{fmt, net::IpAddr};

use hickory_proto::{
    rr::{
        Name, RData, RecordType,
        rdata::{HTTPS, SRV, SVCB, svcb::SvcParamValue},
    },
    serialize::binary::{BinDecoder, BinEncodable, BinEncoder, Restrict},
};
use serde::{Deserialize, Serialize};

use super::names;

/// The types of records that lead clients to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Type {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A host and port, with priority and weight.
    Srv,
    /// A way to a web service (RFC 9460).
    Https,
    /// A way to any other service (RFC 9460).
    Svcb,
}

impl Type {
    pub(super) fn wire(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Srv => RecordType::SRV,
            Self::Https => RecordType::HTTPS,
            Self::Svcb => RecordType::SVCB,
        }
    }

    /// Whether its records are addresses; else they name a target.
    pub(crate) fn is_address(self) -> bool {
        matches!(self, Self::A | Self::Aaaa)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wire())
    }
}

/// What a record leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// An address.
    Address(IpAddr),
    /// A target, in small letters.
    Target(Name),
}

impl Goal {
    /// A target, by its name in any case.
    pub fn target(name: &Name) -> Self {
        let mut name = name.to_lowercase();
        name.set_fqdn(true);
        Self::Target(name)
    }
}

/// The data of one record. Ordered by its bytes, so that a set has one order only.
#[derive(Clone, Debug)]
pub(super) struct Data {
    wire: Vec<u8>,
    rdata: RData,
}

impl Data {
    /// Takes what a message held; `None` for types that lead nowhere.
    pub fn new(rdata: RData) -> Option<Self> {
        let leads = matches!(rdata, RData::A(_) | RData::AAAA(_) | RData::SRV(_) | RData::HTTPS(_) | RData::SVCB(_));
        let mut wire = Vec::new();
        let written = leads && rdata.emit(&mut BinEncoder::new(&mut wire)).is_ok();
        written.then_some(Self { wire, rdata })
    }

    /// Reads the bytes of a receipt, which must be all that such a record has.
    pub fn from_wire(kind: Type, wire: &[u8]) -> Option<Self> {
        let length = u16::try_from(wire.len()).ok()?;
        let mut decoder = BinDecoder::new(wire);
        let rdata = RData::read(&mut decoder, kind.wire(), Restrict::new(length)).ok()?;
        Self::new(rdata).filter(|data| data.wire == wire)
    }

    /// Reads a record as a zone file has it. A target's name is full, or relative to the zone.
    pub fn parse(kind: Type, text: &str, zone: &Name) -> Result<Self, String> {
        let bad = |why: String| format!("{text:?} is no {kind} record: {why}");
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let target = match kind {
            Type::A | Type::Aaaa => None,
            Type::Srv => words.get_mut(3),
            Type::Https | Type::Svcb => words.get_mut(1),
        };
        match target {
            Some(word) => *word = names::within(word, zone).map_err(bad)?.to_ascii(),
            None if kind.is_address() => {}
            None => return Err(bad("it names no target".into())),
        }
        let most = match kind {
            Type::A | Type::Aaaa => 1,
            Type::Srv => 4,
            Type::Https | Type::Svcb => usize::MAX,
        };
        if words.len() > most {
            return Err(bad("it has too many words".into()));
        }
        let rdata = RData::try_from_str(kind.wire(), &words.join(" ")).map_err(|error| bad(error.to_string()))?;
        Self::new(sorted(rdata)).ok_or_else(|| bad("it cannot be written".into()))
    }

    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    pub fn rdata(&self) -> RData {
        self.rdata.clone()
    }

    /// What it leads to.
    pub fn goal(&self) -> Goal {
        match &self.rdata {
            RData::A(address) => Goal::Address(address.0.into()),
            RData::AAAA(address) => Goal::Address(address.0.into()),
            RData::SRV(srv) => Goal::target(&srv.target),
            RData::HTTPS(HTTPS(svcb)) | RData::SVCB(svcb) => Goal::target(&svcb.target_name),
            _ => Goal::Target(Name::root()),
        }
    }

    /// Its share among its like. An SRV weight of 0 is a small share, not none (RFC 2782), so it counts as 1; records
    /// without weights count as 1 each.
    pub fn weight(&self) -> u32 {
        match &self.rdata {
            RData::SRV(srv) => u32::from(srv.weight).max(1),
            _ => 1,
        }
    }

    /// The same record with another weight, as far as its type has one.
    pub fn weighing(&self, weight: u32) -> Option<Self> {
        match &self.rdata {
            RData::SRV(srv) if self.weight() != weight => {
                let weight = u16::try_from(weight).ok()?;
                Self::new(RData::SRV(SRV::new(srv.priority, weight, srv.port, srv.target.clone())))
            }
            _ => Some(self.clone()),
        }
    }

    /// The same record for another target, with the weight 1 where there are weights; `None` where it holds something
    /// that belongs to its own target alone.
    pub fn leading_to(&self, target: &Name) -> Option<Self> {
        let moved = |svcb: &SVCB| {
            let bound = |value: &SvcParamValue| {
                matches!(value, SvcParamValue::Ipv4Hint(_) | SvcParamValue::Ipv6Hint(_) | SvcParamValue::Unknown(_))
            };
            let own = svcb.svc_params.iter().any(|(_, value)| bound(value));
            (!own).then(|| SVCB::new(svcb.svc_priority, target.clone(), svcb.svc_params.clone()))
        };
        match &self.rdata {
            RData::SRV(srv) => Self::new(RData::SRV(SRV::new(srv.priority, 1, srv.port, target.clone()))),
            RData::HTTPS(HTTPS(svcb)) => Self::new(RData::HTTPS(HTTPS(moved(svcb)?))),
            RData::SVCB(svcb) => Self::new(RData::SVCB(moved(svcb)?)),
            _ => None,
        }
    }
}

/// Parameters in the order of their numbers, as the wire wants them; people write them in any.
fn sorted(rdata: RData) -> RData {
    let sort = |mut svcb: SVCB| {
        svcb.svc_params.sort_by_key(|(key, _)| *key);
        svcb
    };
    match rdata {
        RData::HTTPS(HTTPS(svcb)) => RData::HTTPS(HTTPS(sort(svcb))),
        RData::SVCB(svcb) => RData::SVCB(sort(svcb)),
        other => other,
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let svcb = match &self.rdata {
            RData::HTTPS(HTTPS(svcb)) | RData::SVCB(svcb) => svcb,
            other => return write!(f, "{other}"),
        };
        write!(f, "{} {}", svcb.svc_priority, svcb.target_name)?;
        svcb.svc_params.iter().try_for_each(|(key, value)| match value {
            SvcParamValue::NoDefaultAlpn => write!(f, " {key}"),
            SvcParamValue::Unknown(value) => write!(f, " key{}={}", u16::from(*key), value.0.escape_ascii()),
            // Lists end with a comma there.
            value => write!(f, " {key}={}", value.to_string().trim_end_matches(',')),
        })
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.wire == other.wire
    }
}

impl Eq for Data {}

impl PartialOrd for Data {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Data {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.wire.cmp(&other.wire)
    }
}

#[cfg(test)]
mod tests;
