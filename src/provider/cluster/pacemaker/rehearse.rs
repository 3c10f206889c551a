//! The rehearsal of a standby (or a ban, or maintenance): Pacemaker's own scheduler on a copy of the CIB with it in.
//!
//! One process does all of it on one CIB: the scheduler on the copy as it is (what the cluster would do anyway), then with
//! the change; and what the membership layer says of votes, which no CIB holds. Nothing of it touches the cluster: the
//! tools work on a file (`CIB_file`) in a folder of their own. Resource ids of clone instances carry a number there
//! (`app:2`), which is taken off.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::{
    cib::{MAINTENANCE, STANDBY, children, flag, unexpected},
    members::last_line,
};
use crate::{
    model::{
        Leave, NodeName,
        rehearsal::{Kind, Move, Rehearsal, Resource, Verb, Votes},
    },
    provider::{ProviderError, Result},
};

/// The line between the parts. No line of what the tools print looks so.
const SEPARATOR: &str = "==tidegate==";

/// The CIB of the cluster that this member is in.
const LIVE: &str = r#"PATH="$PATH:/usr/sbin:/sbin"
cib=$(cibadmin --query) || exit"#;
/// The CIB on standard input.
const SAVED: &str = r#"PATH="$PATH:/usr/sbin:/sbin"
cib=$(cat) || exit"#;
/// A copy of it, with the scheduler on that. `$2` is the separator. A folder of its own also keeps the tools from shadow
/// files elsewhere.
const AS_IT_IS: &str = r#"
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
copy=$dir/cib.xml
printf '%s\n' "$cib" > "$copy" || exit
export CIB_shadow_dir="$dir"
crm_simulate --simulate --xml-file "$copy" --output-as=xml || exit
printf '\n%s\n' "$2""#;
/// `$1` is the node, `$3` the attribute that is set, `ban` for the resource `$4`, or `none`.
const REHEARSE: &str = r#"
export CIB_file="$copy"
case $3 in
none) ;;
ban) crm_resource --ban --resource "$4" --node "$1" >&2 || exit ;;
*) crm_attribute --node "$1" --name "$3" --update true --lifetime forever >&2 || exit ;;
esac
unset CIB_file
crm_simulate --simulate --xml-file "$copy" --output-as=xml || exit
printf '\n%s\n' "$2""#;
/// `$1` is a patch of the CIB; where there is none, nothing is changed.
const PATCHED: &str = r#"
if [ -n "$1" ]; then CIB_file="$copy" cibadmin --patch --xml-text "$1" >&2 || exit; fi
crm_simulate --simulate --xml-file "$copy" --output-as=xml || exit
printf '\n%s\n' "$2""#;
/// Votes are asked for last, and may be missing: the tool ends with an error where there is no quorum.
const VOTES: &str = r#"
sed -n "s/.*<node [^>]*id=\"\([0-9]*\)\"[^>]*uname=\"$1\".*/own \1/p" "$copy" | head -n 1
corosync-quorumtool -s -i 2> /dev/null
exit 0"#;

/// The arguments that rehearse on a member of the cluster.
pub(super) fn live(node: &NodeName, leave: &Leave) -> [String; 8] {
    arguments(format!("{LIVE}{AS_IT_IS}{REHEARSE}{VOTES}"), node.as_str(), change(leave))
}

/// The arguments that rehearse on the CIB that is fed to them.
pub(super) fn saved(node: &NodeName, leave: &Leave) -> [String; 8] {
    arguments(format!("{SAVED}{AS_IT_IS}{REHEARSE}"), node.as_str(), change(leave))
}

/// The arguments that rehearse a patch of the CIB on a member of the cluster.
pub(super) fn patched(patch: &str) -> [String; 8] {
    arguments(format!("{LIVE}{AS_IT_IS}{PATCHED}"), patch, ("", ""))
}

/// What is changed, and for which resource.
fn change(leave: &Leave) -> (&'static str, &str) {
    match leave {
        Leave::Standby | Leave::StandbyUntilRestart => (STANDBY, ""),
        Leave::Maintenance => (MAINTENANCE, ""),
        Leave::Adopt { .. } => ("none", ""),
        Leave::Ban { resource, .. } | Leave::Release { resource, .. } => ("ban", resource),
    }
}

fn arguments(script: String, first: &str, (change, resource): (&str, &str)) -> [String; 8] {
    let plain = |text: &str| text.to_owned();
    let separator = plain(SEPARATOR);
    [plain("sh"), plain("-c"), script, plain("tidegate"), plain(first), separator, plain(change), plain(resource)]
}

/// Reads what the script printed.
pub(super) fn read(output: &str) -> Result<Rehearsal> {
    let separator = format!("\n{SEPARATOR}\n");
    let mut parts = output.splitn(3, &separator);
    let mut part = |what: &str| parts.next().ok_or_else(|| unexpected(format!("the rehearsal ends before {what}")));
    let (as_it_is, changed) = (part("the cluster as it is")?, part("the cluster with the standby")?);
    let votes = part("the votes")?;
    let parse = |text| Document::parse(text).map_err(|e| unexpected(format!("crm_simulate: not XML: {e}")));
    let (as_it_is, changed) = (parse(as_it_is)?, parse(changed)?);
    let resources = resources(child(as_it_is.root_element(), "cluster_status")?)?;
    let after = self::resources(child(changed.root_element(), "revised_cluster_status")?)?;
    let kinds: BTreeMap<&str, Kind> = resources.iter().map(|r| (r.id.as_str(), r.kind)).collect();
    let anyway = moves(as_it_is.root_element(), &kinds)?;
    let mut caused = moves(changed.root_element(), &kinds)?;
    caused.retain(|m| !anyway.contains(m));
    Ok(Rehearsal { moves: caused, anyway, votes: self::votes(votes), resources, after })
}

/// Why the tools did not answer.
pub(super) fn failure(stderr: &str) -> ProviderError {
    unexpected(format!("the standby could not be rehearsed: {}", last_line(stderr)))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> Result<Node<'a, 'input>> {
    children(node, name).next().ok_or_else(|| unexpected(format!("crm_simulate: there is no <{name}>")))
}

/// Every resource of a status, one entry a node that it is on.
pub(super) fn resources(status: Node<'_, '_>) -> Result<Vec<Resource>> {
    let listed = child(status, "resources")?;
    let mut resources = Vec::new();
    for resource in listed.descendants().filter(|n| n.has_tag_name("resource")) {
        let Some(id) = resource.attribute("id") else { continue };
        let says = |name| resource.attribute(name).and_then(flag) == Some(true);
        let fencing = resource.attribute("resource_agent").is_some_and(|agent| agent.starts_with("stonith:"));
        let one = Resource {
            id: without_number(id).to_owned(),
            kind: match () {
                () if fencing => Kind::Fencing,
                () if resource.ancestors().any(|a| a.has_tag_name("clone")) => Kind::Instance,
                () => Kind::Single,
            },
            node: None,
            active: says("active"),
            failed: says("failed"),
            blocked: says("blocked"),
        };
        let nodes: Vec<NodeName> =
            children(resource, "node").filter_map(|n| n.attribute("name")).map(NodeName::new).collect();
        match nodes.is_empty() {
            true => resources.push(one),
            false => resources.extend(nodes.into_iter().map(|node| Resource { node: Some(node), ..one.clone() })),
        }
    }
    Ok(resources)
}

fn moves(root: Node<'_, '_>, kinds: &BTreeMap<&str, Kind>) -> Result<Vec<Move>> {
    let actions = child(root, "actions")?;
    let mut moves = Vec::new();
    for action in actions.children().filter(Node::is_element) {
        let text = |name: &str| action.attribute(name);
        let node = |name: &str| text(name).map(NodeName::new);
        if action.has_tag_name("node_action") {
            let name = text("node").unwrap_or_default().to_owned();
            let verb =
                if text("task").is_some_and(|t| t.eq_ignore_ascii_case("fence")) { Verb::Fence } else { Verb::Other };
            let why = text("reason").map(str::to_owned);
            moves.push(Move { verb, from: node("node"), to: None, resource: name, kind: Kind::Node, why });
            continue;
        }
        let Some(resource) = text("resource").map(without_number) else { continue };
        let verb = verb(text("action").unwrap_or_default());
        let (from, to) = match verb {
            Verb::Start => (None, node("node").or_else(|| node("dest"))),
            _ => (node("source").or_else(|| node("node")), node("dest")),
        };
        moves.push(Move {
            verb,
            resource: resource.to_owned(),
            // What the status does not list is taken for the kind that must not be touched unasked.
            kind: kinds.get(resource).copied().unwrap_or(Kind::Single),
            from,
            to,
            why: text("reason").map(str::to_owned),
        });
    }
    Ok(moves)
}

/// The words of `crm_simulate`; a new one is no reason to overlook what it does.
fn verb(word: &str) -> Verb {
    match word.to_ascii_lowercase().as_str() {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "move" => Verb::Move,
        "migrate" => Verb::Migrate,
        "restart" | "recover" | "reload" => Verb::Restart,
        "promote" => Verb::Promote,
        "demote" => Verb::Demote,
        _ => Verb::Other,
    }
}

fn without_number(id: &str) -> &str {
    id.split_once(':').map_or(id, |(name, _)| name)
}

/// The status of `corosync-quorumtool`, behind the node's own id; `None` where a part of it is missing.
fn votes(text: &str) -> Option<Votes> {
    let own = text.lines().find_map(|line| line.strip_prefix("own "))?.trim();
    let value =
        |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next().map(str::to_owned));
    let number = |name: &str| value(name)?.parse::<u32>().ok();
    let flags = text.lines().find_map(|line| line.strip_prefix("Flags:")).unwrap_or_default();
    let mut rows = text.lines().map(str::split_whitespace);
    // `Nodeid Votes Name`. A node that is not in the membership has no row, and no vote to lose.
    let votes = rows.find_map(|mut row| (row.next() == Some(own)).then(|| row.next()?.parse().ok())?);
    Some(Votes {
        total: number("Total votes:")?,
        needed: number("Quorum:")?,
        own: votes.unwrap_or(0),
        two_node: flags.split_whitespace().any(|f| f == "2Node"),
        device: flags.split_whitespace().any(|f| f == "Qdevice"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "own 2\nQuorum information\n------------------\nQuorum provider:  corosync_votequorum\nNodes:            3\n\
        Quorate:          Yes\n\nVotequorum information\n----------------------\nExpected votes:   3\nHighest expected: 3\n\
        Total votes:      3\nQuorum:           2  \nFlags:            Quorate \n\nMembership information\n\
        ----------------------\n    Nodeid      Votes Name\n         1          1 10.77.0.11\n         2          1 10.77.0.12\n";

    #[test]
    fn votes_are_read_with_the_nodes_own() {
        let read = votes(STATUS).expect("votes");
        assert_eq!(read, Votes { total: 3, needed: 2, own: 1, two_node: false, device: false });
        let absent = votes(&STATUS.replace("own 2", "own 3")).expect("votes");
        assert_eq!(absent.own, 0);
        let two = votes(&STATUS.replace("Quorate \n", "2Node Quorate WaitForAll Qdevice\n")).expect("votes");
        assert!(two.two_node && two.device);
        assert_eq!(votes(""), None);
        assert_eq!(votes(&STATUS.replace("Total votes", "Votes")), None);
    }

    fn part(status: &str, actions: &str) -> String {
        format!(
            "<pacemaker-result><cluster_status><resources>{status}</resources></cluster_status>\
             <actions>{actions}</actions><revised_cluster_status><resources>{status}</resources></revised_cluster_status>\
             </pacemaker-result>"
        )
    }

    #[test]
    fn what_is_done_anyway_is_told_apart() {
        let status = r#"<clone id="c"><resource id="app" resource_agent="systemd:app" active="true" failed="false" blocked="false"><node name="n1"/></resource></clone>
            <resource id="power" resource_agent="stonith:x" active="true" failed="false" blocked="false"><node name="n1"/></resource>
            <resource id="vip" resource_agent="ocf:heartbeat:IPaddr2" active="true" failed="true" blocked="false"><node name="n1"/></resource>"#;
        let before = part(status, r#"<rsc_action action="start" resource="db" node="n2"/>"#);
        let after = part(
            status,
            r#"<rsc_action action="start" resource="db" node="n2"/><rsc_action action="stop" resource="app:2" node="n1" reason="node availability"/>
               <rsc_action action="move" resource="vip" source="n1" dest="n2"/><rsc_action action="promote" resource="db" source="n2"/>
               <node_action task="fence" node="n3" reason="x"/><rsc_action action="levitate" resource="vip" node="n1"/>"#,
        );
        let read = read(&format!("{before}\n{SEPARATOR}\n{after}\n{SEPARATOR}\n")).expect("a rehearsal");
        let said: Vec<String> = read.moves.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "stop app on n1 (node availability)",
                "move vip from n1 to n2",
                "promote db on n2",
                "fence n3 on n3 (x)",
                "change vip on n1"
            ]
        );
        assert_eq!(read.anyway.len(), 1);
        assert_eq!(read.moves[0].kind, Kind::Instance);
        assert_eq!(read.moves[1].kind, Kind::Single);
        assert!(read.resources.iter().any(|r| r.kind == Kind::Fencing) && read.votes.is_none());
    }

    #[test]
    fn half_an_answer_is_an_error() {
        assert!(read("").is_err());
        assert!(read(&format!("{}\n{SEPARATOR}\n", part("", ""))).is_err());
        assert!(read(&format!("<x/>\n{SEPARATOR}\n<x/>\n{SEPARATOR}\n")).is_err());
    }
}
