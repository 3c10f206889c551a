//! The rehearsal of a standby (or a ban, or maintenance): Pacemaker's own scheduler on a copy of the CIB with it in.
//!
//! One process does all of it on one CIB: the scheduler on the copy as it is (what the cluster would do anyway), then with
//! the change, and then on what came of that, until it would do nothing more: a resource may move once others have made
//! room or taken it (*measured*: a fencing device followed the balance of resources in a second transition). Last comes
//! what the membership layer says of votes, which no CIB holds. Nothing of it touches the cluster: the tools work on a
//! file (`CIB_file`) in a folder of their own. Resource ids of clone instances carry a number there (`app:2`), which is
//! taken off.
//!
//! What it cannot show is what agents do: the promotion score that an instance gives itself once it runs elsewhere.

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

/// A folder of its own, for the CIB and what is made of it; it also keeps the tools from shadow files elsewhere.
const FOLDER: &str = r#"PATH="$PATH:/usr/sbin:/sbin"
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/is" "$dir/then" || exit
"#;
/// The CIB of the cluster that this member is in, and beside it the votes: they may be missing, since the tool ends with an
/// error where there is no quorum.
const LIVE: &str = r#"corosync-quorumtool -s -i > "$dir/votes" 2> /dev/null &
cibadmin --query > "$dir/is/cib.xml" || exit"#;
/// The CIB on standard input.
const SAVED: &str = r#"cat > "$dir/is/cib.xml" || exit"#;
/// `$1` is the node, `$2` the separator, `$3` the attribute that is set, `ban` for the resource `$4`, `patch` for the patch
/// `$4` (an empty one changes nothing), or `none`. What the cluster would do anyway is asked beside what the change would
/// make it do: each has a copy of its own, and most of the time is the tools' own start.
const REHEARSE: &str = r#"
cp "$dir/is/cib.xml" "$dir/then/cib.xml" || exit
CIB_shadow_dir="$dir/is" crm_simulate --simulate --xml-file "$dir/is/cib.xml" --output-as=xml > "$dir/is/said" &
is=$!
changed() {
    export CIB_shadow_dir="$dir/then" CIB_file="$dir/then/cib.xml"
    case $3 in
    none) ;;
    patch) [ -z "$4" ] || cibadmin --patch --xml-text "$4" >&2 || return ;;
    ban) crm_resource --ban --resource "$4" --node "$1" >&2 || return ;;
    *) crm_attribute --node "$1" --name "$3" --update true --lifetime forever >&2 || return ;;
    esac
    unset CIB_file
    now=$dir/then/cib.xml pass=0
    while [ $pass -lt 4 ]; do
        pass=$((pass + 1)) next=$dir/then/next-$((pass + 1)).xml
        crm_simulate --simulate --xml-file "$now" --save-output "$next" --output-as=xml > "$dir/then/pass" || return
        cat "$dir/then/pass" >> "$dir/then/said" || return
        printf '\n%s\n' "$2" >> "$dir/then/said"
        now=$next
        grep -q -e '<rsc_action action=' -e '<node_action ' "$dir/then/pass" || break
    done
}
changed "$@"
code=$?
wait "$is" || exit
[ "$code" -eq 0 ] || exit "$code"
cat "$dir/is/said" || exit
printf '\n%s\n' "$2"
cat "$dir/then/said" || exit"#;
/// The node's number, by which the votes know it.
const VOTES: &str = r#"
wait
sed -n "s/.*<node [^>]*id=\"\([0-9]*\)\"[^>]*uname=\"$1\".*/own \1/p" "$dir/is/cib.xml" | head -n 1
cat "$dir/votes"
exit 0"#;

/// The arguments that rehearse on a member of the cluster.
pub(super) fn live(node: &NodeName, leave: &Leave) -> [String; 8] {
    arguments(format!("{FOLDER}{LIVE}{REHEARSE}{VOTES}"), node.as_str(), change(leave))
}

/// The arguments that rehearse on the CIB that is fed to them.
pub(super) fn saved(node: &NodeName, leave: &Leave) -> [String; 8] {
    arguments(format!("{FOLDER}{SAVED}{REHEARSE}"), node.as_str(), change(leave))
}

/// The arguments that rehearse a patch of the CIB on a member of the cluster.
pub(super) fn patched(patch: &str) -> [String; 8] {
    arguments(format!("{FOLDER}{LIVE}{REHEARSE}"), "", ("patch", patch))
}

/// What is changed, and for which resource.
fn change(leave: &Leave) -> (&'static str, &str) {
    match leave {
        Leave::Standby | Leave::StandbyUntilRestart => (STANDBY, ""),
        Leave::Maintenance => (MAINTENANCE, ""),
        Leave::Ban { resource, .. } => ("ban", resource),
    }
}

fn arguments(script: String, node: &str, (change, what): (&str, &str)) -> [String; 8] {
    let plain = |text: &str| text.to_owned();
    let separator = plain(SEPARATOR);
    [plain("sh"), plain("-c"), script, plain("tidegate"), plain(node), separator, plain(change), plain(what)]
}

/// Reads what the script printed.
pub(super) fn read(output: &str) -> Result<Rehearsal> {
    let separator = format!("\n{SEPARATOR}\n");
    let parts: Vec<&str> = output.split(&separator).collect();
    let [as_it_is, passes @ .., votes] = parts.as_slice() else {
        return Err(unexpected("the rehearsal ends before the cluster as it is".into()));
    };
    fn parse(text: &str) -> Result<Document<'_>> {
        Document::parse(text).map_err(|e| unexpected(format!("crm_simulate: not XML: {e}")))
    }
    let as_it_is = parse(as_it_is)?;
    let passes = passes.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?;
    let Some(last) = passes.last() else {
        return Err(unexpected("the rehearsal ends before the cluster with the standby".into()));
    };
    let resources = resources(child(as_it_is.root_element(), "cluster_status")?)?;
    let after = self::resources(child(last.root_element(), "revised_cluster_status")?)?;
    let kinds: BTreeMap<&str, Kind> = resources.iter().map(|r| (r.id.as_str(), r.kind)).collect();
    let anyway = moves(as_it_is.root_element(), &kinds)?;
    let mut caused: Vec<Move> = Vec::new();
    for pass in &passes {
        // What cannot be done is listed again in each.
        let known = |m: &Move| anyway.contains(m) || caused.contains(m);
        let fresh: Vec<Move> = moves(pass.root_element(), &kinds)?.into_iter().filter(|m| !known(m)).collect();
        caused.extend(fresh);
    }
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
        let one = |verb, from, to| Move {
            verb,
            resource: resource.to_owned(),
            // What the status does not list is taken for the kind that must not be touched unasked.
            kind: kinds.get(resource).copied().unwrap_or(Kind::Single),
            from,
            to,
            why: text("reason").map(str::to_owned),
        };
        let goes = matches!(verb, Verb::Stop | Verb::Move | Verb::Restart);
        let comes = matches!(verb, Verb::Start | Verb::Move | Verb::Restart);
        if goes && is_primary(text("role")) {
            moves.push(one(Verb::Demote, from.clone(), None));
        }
        moves.push(one(verb, from.clone(), to.clone()));
        if comes && is_primary(text("next-role").or_else(|| text("role"))) {
            moves.push(one(Verb::Promote, to.or(from), None));
        }
    }
    Ok(moves)
}

/// A primary that stops, moves or restarts is demoted first, and what starts as one is promoted: the scheduler lists one
/// action with the roles beside it, and does each.
fn is_primary(role: Option<&str>) -> bool {
    // The first is the word of Pacemaker before 2.1.
    matches!(role, Some("Master" | "Promoted"))
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
    fn a_primary_is_demoted_before_it_goes_and_promoted_where_it_comes() {
        let status = r#"<clone id="c"><resource id="db" resource_agent="ocf:x" active="true"><node name="n1"/></resource></clone>"#;
        let actions = r#"<rsc_action action="stop" resource="db:0" role="Promoted" node="n1" reason="node availability"/>
            <rsc_action action="promote" resource="db:1" role="Unpromoted" next-role="Promoted" source="n2"/>
            <rsc_action action="move" resource="one" role="Master" source="n1" dest="n3"/>
            <rsc_action action="move" resource="two" role="Promoted" next-role="Unpromoted" source="n1" dest="n3"/>
            <rsc_action action="start" resource="new" role="Stopped" next-role="Promoted" dest="n2"/>
            <rsc_action action="restart" resource="same" role="Promoted" source="n2"/>
            <rsc_action action="stop" resource="db:2" role="Unpromoted" node="n3"/>"#;
        let read = read(&format!("{}\n{SEPARATOR}\n{}\n{SEPARATOR}\n", part(status, ""), part(status, actions)));
        let said: Vec<String> = read.expect("a rehearsal").moves.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "demote db on n1 (node availability)",
                "stop db on n1 (node availability)",
                "promote db on n2",
                "demote one on n1",
                "move one from n1 to n3",
                "promote one on n3",
                "demote two on n1",
                "move two from n1 to n3",
                "start new on n2",
                "promote new on n2",
                "demote same on n2",
                "restart same on n2",
                "promote same on n2",
                "stop db on n3"
            ]
        );
    }

    #[test]
    fn what_follows_from_it_is_told_and_what_cannot_be_done_is_told_once() {
        let at = |node: &str| {
            format!(r#"<resource id="vip" resource_agent="ocf:x" active="true"><node name="{node}"/></resource>"#)
        };
        let stuck = r#"<rsc_action action="stop" resource="old" node="n3" reason="x" blocked="true"/>"#;
        let moves =
            |from, to| format!(r#"<rsc_action action="move" resource="vip" source="{from}" dest="{to}"/>{stuck}"#);
        let parts = [
            part(&at("n1"), ""),
            part(&at("n2"), &moves("n1", "n2")),
            part(&at("n3"), &moves("n2", "n3")),
            part(&at("n3"), stuck),
        ];
        let text: String = parts.iter().map(|part| format!("{part}\n{SEPARATOR}\n")).collect();
        let read = read(&text).expect("a rehearsal");
        let said: Vec<String> = read.moves.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["move vip from n1 to n2", "stop old on n3 (x)", "move vip from n2 to n3"]);
        assert_eq!(read.resources[0].node, Some(NodeName::new("n1")));
        assert_eq!(read.after[0].node, Some(NodeName::new("n3")));
    }

    #[test]
    fn half_an_answer_is_an_error() {
        assert!(read("").is_err());
        assert!(read(&format!("{}\n{SEPARATOR}\n", part("", ""))).is_err());
        assert!(read(&format!("<x/>\n{SEPARATOR}\n<x/>\n{SEPARATOR}\n")).is_err());
    }
}
