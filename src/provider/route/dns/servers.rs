//! Which servers answer for the zone, and where they are.
//!
//! Clients are sent to the names in the zone's NS set, so each of those must show a change. Those that the configuration
//! gives an address are there; the rest is looked up: names in the zone at a configured server (nobody else may know
//! them), all others as this machine looks up any name. A name that cannot be looked up stays in the list: what it
//! answers is unknown, and that holds a drain.
//!
//! A primary that stands only in the SOA (hidden) is asked by no client. It is asked here where it is configured.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, RecordType};
use serde::{Deserialize, Serialize};
use tokio::{net::lookup_host, time::timeout};

use super::{exchange::Line, message, names};
use crate::{
    model::InstanceName,
    provider::{ProviderError, Result},
};

/// The port of DNS.
pub(super) const PORT: u16 = 53;

/// One server, by configuration or by the zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name in plans and messages.
    pub name: InstanceName,
    /// Where it is: a host's name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Server {
    /// A server from `host`, `host:port`, `address` or `[address]:port`; the name is the host unless another is given.
    pub(crate) fn parse(text: &str, name: Option<String>) -> Option<Self> {
        let (host, port) = if text.parse::<IpAddr>().is_ok() {
            (text.to_owned(), PORT)
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            (address.ip().to_string(), address.port())
        } else if let Some((host, port)) = text.rsplit_once(':') {
            (host.to_owned(), port.parse().ok()?)
        } else {
            (text.to_owned(), PORT)
        };
        let named = host.parse::<IpAddr>().is_ok() || (!host.contains(':') && names::full(&host).is_ok());
        (named && port > 0).then(|| Self::at(host, port, name))
    }

    fn at(host: String, port: u16, name: Option<String>) -> Self {
        let name = name.as_deref().unwrap_or(&host);
        let name = names::full(name).map_or_else(|_| name.to_owned(), |name| names::plain(&name));
        Self { name: InstanceName::new(name), host, port }
    }

    /// Its addresses: those of version 4, or those of version 6 where there are no others. More than one of a version
    /// are different machines, and all of them count.
    pub(super) async fn addresses(&self, limit: Duration) -> Result<Vec<SocketAddr>> {
        let unknown = |why: String| ProviderError::Unreachable(format!("{} cannot be looked up: {why}", self.host));
        let found = timeout(limit, lookup_host((self.host.as_str(), self.port))).await;
        let found = found.map_err(|_| unknown(format!("no answer within {limit:?}")))?;
        let found: BTreeSet<SocketAddr> = found.map_err(|error| unknown(error.to_string()))?.collect();
        some_version(found).ok_or_else(|| unknown("it has no address".into()))
    }
}

/// The addresses of one version.
fn some_version(addresses: BTreeSet<SocketAddr>) -> Option<Vec<SocketAddr>> {
    let (four, six): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    [four, six].into_iter().find(|addresses| !addresses.is_empty())
}

/// A server that the zone names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name.
    pub server: Server,
    /// Its addresses, where they could be looked up.
    pub addresses: Vec<SocketAddr>,
}

/// Asks one server of the zone for all of them. `known` are those that the configuration has.
pub(super) async fn of_zone(
    line: &mut Line,
    zone: &Name,
    known: &[&Server],
    limit: Duration,
) -> Result<BTreeMap<InstanceName, Found>> {
    let question = message::question(zone, RecordType::NS, false);
    let answer = line.authority(&question).await?;
    let hosts: BTreeSet<Name> = answer
        .answers
        .iter()
        .filter(|r| r.name == *zone)
        .filter_map(|r| match &r.data {
            RData::NS(host) => Some(host.0.clone()),
            _ => None,
        })
        .collect();
    if hosts.is_empty() {
        return Err(ProviderError::Unexpected(format!("{}: the zone {zone} names no servers", line.server())));
    }
    // One that cannot be looked up is no other server than itself.
    let places = join_all(known.iter().map(|server| server.addresses(limit))).await;
    let places: BTreeSet<SocketAddr> = places.into_iter().flatten().flatten().collect();
    let mut found = Vec::new();
    for host in hosts {
        let plain = names::plain(&host);
        if known.iter().any(|server| server.name.as_str() == plain || same_host(&server.host, &host)) {
            continue;
        }
        let addresses = if zone.zone_of(&host) { within(line, &host).await } else { None };
        found.push(Found { server: Server::at(plain, PORT, None), addresses: addresses.unwrap_or_default() });
    }
    let found = join_all(found.into_iter().map(|found| async move {
        let addresses = match found.addresses.is_empty() {
            true => found.server.addresses(limit).await.unwrap_or_default(),
            false => found.addresses,
        };
        Found { addresses, ..found }
    }));
    let other = |found: &Found| found.addresses.is_empty() || !found.addresses.iter().all(|a| places.contains(a));
    Ok(found.await.into_iter().filter(other).map(|found| (found.server.name.clone(), found)).collect())
}

fn same_host(text: &str, host: &Name) -> bool {
    names::full(text).is_ok_and(|name| name == *host)
}

/// The addresses of a name in the zone; `None` below a delegation, which is not this server's to know.
async fn within(line: &mut Line, host: &Name) -> Option<Vec<SocketAddr>> {
    let mut found = BTreeSet::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        let Ok(answer) = line.authority(&message::question(host, kind, false)).await else { continue };
        let address = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::from(address.0)),
            RData::AAAA(address) => Some(IpAddr::from(address.0)),
            _ => None,
        };
        let addresses = answer.answers.iter().filter_map(|record| address(&record.data));
        found.extend(addresses.map(|address| SocketAddr::new(address, PORT)));
    }
    some_version(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_they_are_written() {
        for (text, host, port) in [
            ("10.0.0.53", "10.0.0.53", 53),
            ("10.0.0.53:5301", "10.0.0.53", 5301),
            ("2001:db8::53", "2001:db8::53", 53),
            ("[2001:db8::53]:5301", "2001:db8::53", 5301),
            ("ns1.lab.example", "ns1.lab.example", 53),
            ("ns1.lab.example:5301", "ns1.lab.example", 5301),
        ] {
            let server = Server::parse(text, None).expect(text);
            assert_eq!((server.host.as_str(), server.port, server.name.as_str()), (host, port, host), "{text}");
        }
        let named = Server::parse("127.0.0.1:5301", Some("NS1.lab.example.".into())).expect("a server");
        assert_eq!((named.name.as_str(), named.port), ("ns1.lab.example", 5301));
        for text in ["", ":53", "ns1:", "ns1:0", "ns1:99999", "[2001:db8::53]", "a:b:53", "ns1..example"] {
            assert_eq!(Server::parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn addresses_of_one_version_count() {
        let all: BTreeSet<SocketAddr> = ["[2001:db8::1]:53", "192.0.2.2:53", "192.0.2.1:53"]
            .iter()
            .map(|a| a.parse().expect("an address"))
            .collect();
        assert_eq!(some_version(all.clone()).expect("some").len(), 2);
        let six: BTreeSet<SocketAddr> = all.into_iter().filter(SocketAddr::is_ipv6).collect();
        assert_eq!(some_version(six.clone()), Some(six.into_iter().collect()));
        assert_eq!(some_version(BTreeSet::new()), None);
    }
}
