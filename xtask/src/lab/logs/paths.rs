//! What the router logged: when a node's path to a prefix came and went.

use anyhow::Result;

use super::time;
use crate::lab::Lab;

/// A change of one node's path to one prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct PathChange {
    /// When, in seconds since 1970.
    pub at: f64,
    /// The node.
    pub node: String,
    /// The prefix.
    pub prefix: String,
    /// Whether it is there from then on (also where it only changed).
    pub there: bool,
}

impl Lab {
    /// The changes of paths that the router heard of, in their order.
    pub fn path_changes(&self) -> Result<Vec<PathChange>> {
        Ok(self.file_of("router", "var/log/bird/bird.log")?.lines().filter_map(change).collect())
    }
}

/// `2026-11-21 10:08:33.680 <TRACE> node_1.ipv4 > removed [replaced] 10.78.0.1/32 0L 5G unicast`
fn change(line: &str) -> Option<PathChange> {
    let at = time::at_start(line, "%Y-%m-%d %H:%M:%S%.f", 23)?;
    let (session, what) = line.get(23..)?.trim_start().strip_prefix("<TRACE> ")?.split_once(".ipv4 > ")?;
    let verb = what.split(' ').next()?;
    let there = match verb {
        "added" | "replaced" | "updated" => true,
        "removed" | "withdrawn" => false,
        _ => return None,
    };
    let prefix = what.split(' ').find(|word| word.contains('/'))?;
    Some(PathChange { at, node: session.replace('_', "-"), prefix: prefix.to_owned(), there })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_and_goes() {
        let lines = "2026-11-21 10:08:33.680 <TRACE> node_1.ipv4 > removed [replaced] 10.78.0.1/32 0L 5G unicast\n\
                     2026-11-21 10:08:33.680 <TRACE> kernel1.ipv4 < replaced 10.78.0.1/32 0L 3G unicast\n\
                     2026-11-21 10:08:34.876 <TRACE> node_1.ipv4 > added [best] 10.78.0.1/32 0L 5G unicast\n\
                     2026-11-21 10:08:34.876 <TRACE> node_3: State changed to down";
        let changes: Vec<PathChange> = lines.lines().filter_map(change).collect();
        let seen: Vec<(&str, &str, bool)> =
            changes.iter().map(|change| (change.node.as_str(), change.prefix.as_str(), change.there)).collect();
        assert_eq!(seen, [("node-1", "10.78.0.1/32", false), ("node-1", "10.78.0.1/32", true)]);
    }
}
