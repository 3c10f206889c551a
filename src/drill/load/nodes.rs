//! Which node is behind an address, where answers do not say so: for routes that lead clients to nodes directly (DNS,
//! anycast, TCP), and for failures, which have no answer.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Nodes by `address` or `address:port`; the closer match counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nodes(BTreeMap<String, String>);

/// One of them, as it is written: `10.0.0.11=node-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAt {
    address: String,
    node: String,
}

impl Nodes {
    /// The node behind an address, if it was given.
    pub fn of(&self, address: SocketAddr) -> Option<&str> {
        let exact = self.0.get(&address.to_string());
        exact.or_else(|| self.0.get(&address.ip().to_string())).map(String::as_str)
    }
}

impl FromIterator<NodeAt> for Nodes {
    fn from_iter<T: IntoIterator<Item = NodeAt>>(all: T) -> Self {
        Self(all.into_iter().map(|at| (at.address, at.node)).collect())
    }
}

impl FromIterator<(IpAddr, String)> for Nodes {
    fn from_iter<T: IntoIterator<Item = (IpAddr, String)>>(all: T) -> Self {
        Self(all.into_iter().map(|(address, node)| (address.to_string(), node)).collect())
    }
}

impl FromStr for NodeAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no address and node (like 10.0.0.11=node-1 or 10.0.0.11:8080=node-1)");
        let (address, node) = text.split_once('=').filter(|(_, node)| !node.is_empty()).ok_or_else(wrong)?;
        let plain = address.parse::<IpAddr>().map(|ip| ip.to_string());
        let address = plain.or_else(|_| address.parse::<SocketAddr>().map(|a| a.to_string())).map_err(|_| wrong())?;
        Ok(Self { address, node: node.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closer_match_counts() {
        let nodes: Nodes = ["10.0.0.11=a", "10.0.0.11:81=b", "[::1]:80=c"]
            .map(|t| t.parse::<NodeAt>().expect("one"))
            .into_iter()
            .collect();
        let of = |address: &str| nodes.of(address.parse().expect("an address"));
        assert_eq!([of("10.0.0.11:80"), of("10.0.0.11:81"), of("[::1]:80")], [Some("a"), Some("b"), Some("c")]);
        assert_eq!((of("[::1]:81"), of("10.0.0.12:80")), (None, None));
        for wrong in ["10.0.0.11", "10.0.0.11=", "app=node-1"] {
            assert!(wrong.parse::<NodeAt>().is_err(), "{wrong}");
        }
    }
}
