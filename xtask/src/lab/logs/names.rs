//! What the name servers logged: who changed the zone, when the secondary had it, what was asked.

use anyhow::Result;

use super::time;
use crate::lab::Lab;

/// A change of one name, in a dynamic update.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneUpdate {
    /// When, in seconds since 1970.
    pub at: f64,
    /// The key that it was signed with.
    pub key: String,
    /// What BIND says of it (`deleting an RR at app.lab.example A`).
    pub what: String,
}

/// A question that a name server was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Who asked (`address#port`).
    pub client: String,
    /// The name.
    pub name: String,
    /// The type.
    pub kind: String,
}

impl Lab {
    /// The changes that the primary accepted, in their order.
    pub fn zone_updates(&self) -> Result<Vec<ZoneUpdate>> {
        Ok(self.named_log("dns-1")?.lines().filter_map(update).collect())
    }

    /// When the secondary had which serial of the zone.
    pub fn zone_transfers(&self) -> Result<Vec<(f64, u32)>> {
        Ok(self.named_log("dns-2")?.lines().filter_map(transfer).collect())
    }

    /// What a name server (or the resolver on `router`) was asked.
    pub fn queries(&self, server: &str) -> Result<Vec<Query>> {
        Ok(self.named_log(server)?.lines().filter_map(query).collect())
    }

    /// The log of a machine's named, as it is.
    pub fn named_log(&self, server: &str) -> Result<String> {
        self.file_of(server, "var/log/named/named.log")
    }
}

fn at(line: &str) -> Option<f64> {
    time::at_start(line, "%Y-%m-%dT%H:%M:%S%.f", 23)
}

/// `TIME update: info: client @0x… 127.0.0.1#1/key operator: updating zone 'lab.example/IN': deleting an RR at NAME A`
fn update(line: &str) -> Option<ZoneUpdate> {
    let (head, what) = line.split_once(": updating zone '")?;
    let key = head.rsplit_once("/key ")?.1;
    let what = what.split_once("': ")?.1;
    Some(ZoneUpdate { at: at(line)?, key: key.to_owned(), what: what.replace('\'', "") })
}

fn transfer(line: &str) -> Option<(f64, u32)> {
    let serial = line.split_once(": transferred serial ")?.1;
    let digits = serial.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((at(line)?, digits.parse().ok()?))
}

/// `TIME queries: info: client @0x… 10.77.0.41#1 (app.lab.example): query: app.lab.example IN A +E(0) (10.77.0.31)`
fn query(line: &str) -> Option<Query> {
    let (head, asked) = line.split_once("): query: ")?;
    let client = head.split_once(" (")?.0.rsplit(' ').next()?;
    let mut fields = asked.split(' ');
    let (name, _class, kind) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Query { at: at(line)?, client: client.to_owned(), name: name.to_owned(), kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_transfers_and_queries_are_read() {
        let line = "2026-11-21T10:08:29.173Z update: info: client @0x7f9b 127.0.0.1#43192/key operator: \
                    updating zone 'lab.example/IN': adding an RR at 'app.lab.example' A 10.77.0.11";
        let seen = update(line).expect("an update");
        assert_eq!(
            (seen.key.as_str(), seen.what.as_str()),
            ("operator", "adding an RR at app.lab.example A 10.77.0.11")
        );
        let line = "2026-11-21T10:08:29.237Z xfer-in: info: zone lab.example/IN: transferred serial 3: TSIG 'tidegate'";
        assert_eq!(transfer(line).map(|(_, serial)| serial), Some(3));
        let line = "2026-11-21T10:08:29.193Z queries: info: client @0x7f9b 10.77.0.32#41121 (lab.example): \
                    query: lab.example IN SOA -E(0) (10.77.0.31)";
        let asked = query(line).expect("a query");
        assert_eq!(
            (asked.client.as_str(), asked.name.as_str(), asked.kind.as_str()),
            ("10.77.0.32#41121", "lab.example", "SOA")
        );
        assert_eq!(update(line), None);
    }
}
