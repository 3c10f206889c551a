//! Which nodes, in which order, and which of them together.

use std::collections::BTreeMap;

use super::model::{Order, Selection, Who};
use crate::model::NodeName;

/// The attributes of nodes in the cluster, by node and name.
pub type Attributes = BTreeMap<NodeName, BTreeMap<String, String>>;

/// The waves of a selection: the nodes of one are out together, the next one begins when all of one are through. A
/// playbook without nodes has none.
///
/// # Errors
/// A name that is no member's, or a selection that nobody is in.
pub fn waves(
    selection: &Selection,
    members: &[NodeName],
    attributes: &Attributes,
) -> Result<Vec<Vec<NodeName>>, String> {
    let Selection { who, except, order, max_unavailable, .. } = selection;
    let named = if let Who::Names(names) = who { names.as_slice() } else { &[] };
    if let Some(stranger) = named.iter().chain(except).find(|name| !members.contains(name)) {
        let known: Vec<&str> = members.iter().map(NodeName::as_str).collect();
        return Err(format!("{stranger} is no member of the cluster; members: {}", known.join(", ")));
    }
    if matches!(who, Who::Names(names) if names.is_empty()) {
        return Ok(Vec::new());
    }
    let is = |node: &NodeName, name: &str, value: &str| {
        attributes.get(node).and_then(|all| all.get(name)).is_some_and(|found| found == value)
    };
    let mut all: Vec<NodeName> = match who {
        Who::Names(names) => names.clone(),
        Who::All => members.to_vec(),
        Who::Attribute { name, value } => members.iter().filter(|node| is(node, name, value)).cloned().collect(),
    };
    if *order != Order::Listed || named.is_empty() {
        all.sort();
    }
    if *order == Order::Reverse {
        all.reverse();
    }
    let mut seen = Vec::with_capacity(all.len());
    for node in all {
        if !except.contains(&node) && !seen.contains(&node) {
            seen.push(node);
        }
    }
    if seen.is_empty() {
        return Err(match who {
            Who::Attribute { name, value } => {
                format!("no node has the attribute {name} = {value}, apart from those left out")
            }
            _ => "every node is left out".to_owned(),
        });
    }
    Ok(seen.chunks((*max_unavailable).max(1) as usize).map(<[NodeName]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::model::OnFailure, *};

    fn nodes(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::from(*name)).collect()
    }

    fn selection(who: Who, order: Order, max_unavailable: u32) -> Selection {
        Selection { who, except: nodes(&["n4"]), order, max_unavailable, on_failure: OnFailure::Hold }
    }

    fn planned(who: Who, order: Order, most: u32) -> Result<Vec<Vec<NodeName>>, String> {
        let members = nodes(&["n3", "n1", "n2", "n4", "n5"]);
        let site = |value: &str| BTreeMap::from([("site".to_owned(), value.to_owned())]);
        let attributes = Attributes::from([
            ("n1".into(), site("a")),
            ("n2".into(), site("b")),
            ("n4".into(), site("a")),
            ("n5".into(), site("a")),
        ]);
        waves(&selection(who, order, most), &members, &attributes)
    }

    #[test]
    fn nodes_go_as_they_are_listed_else_by_name() {
        let names = || Who::Names(nodes(&["n5", "n1", "n5", "n4", "n3"]));
        assert_eq!(planned(names(), Order::Listed, 2), Ok(vec![nodes(&["n5", "n1"]), nodes(&["n3"])]));
        assert_eq!(planned(names(), Order::Name, 1), Ok(vec![nodes(&["n1"]), nodes(&["n3"]), nodes(&["n5"])]));
        assert_eq!(planned(Who::All, Order::Listed, 3), Ok(vec![nodes(&["n1", "n2", "n3"]), nodes(&["n5"])]));
        assert_eq!(planned(Who::All, Order::Reverse, 64), Ok(vec![nodes(&["n5", "n3", "n2", "n1"])]));
    }

    #[test]
    fn a_site_is_an_attribute_and_nobody_is_no_selection() {
        let site = |value: &str| Who::Attribute { name: "site".into(), value: value.into() };
        assert_eq!(planned(site("a"), Order::Listed, 1), Ok(vec![nodes(&["n1"]), nodes(&["n5"])]));
        assert!(planned(site("c"), Order::Listed, 1).expect_err("nobody").contains("site = c"));
        assert!(planned(Who::Names(nodes(&["n4"])), Order::Listed, 1).expect_err("left out").contains("left out"));
        assert!(
            planned(Who::Names(nodes(&["n9"])), Order::Listed, 1).expect_err("no member").contains("n9 is no member")
        );
        assert_eq!(planned(Who::Names(Vec::new()), Order::Listed, 1), Ok(Vec::new()));
    }
}
