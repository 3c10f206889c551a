//! Every gate that there is: its code, which machines and overrides use, its title for people, and what it asks. Whoever makes
//! a gate takes its title from here, and `docs/gates.md` is made of it.

/// One gate of the table.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Stable, for machines and overrides.
    pub code: &'static str,
    /// For people, in a few words.
    pub title: &'static str,
    /// The question, in a sentence.
    pub asks: &'static str,
}

const fn known(code: &'static str, title: &'static str, asks: &'static str) -> Known {
    Known { code, title, asks }
}

/// All of them, in the order in which a verdict has them.
pub const KNOWN: [Known; 25] = [
    known("node-known", "Known node", "Is the node a member of the cluster, or a host that routes lead to?"),
    known("other-run", "No other run", "Is no other run open? There is one at a time."),
    known(
        "calendar",
        "No blocked window",
        "Is now outside every window of `[[calendar]]` that is about these services?",
    ),
    known("cluster-answers", "Cluster answers", "Does any member tell the cluster's state?"),
    known("quorum", "Quorum", "Has the partition quorum now?"),
    known("maintenance-mode", "Cluster manages", "Would the cluster do anything at all?"),
    known("transition", "Cluster idle", "Is the cluster at rest?"),
    known("node-state", "State of the node", "Is the node online, and nobody's standby?"),
    known("ours", "Our drain", "Only of a restore: was the node drained by this journal?"),
    known("instances", "Our instances", "Is no instance of a service failed, blocked or unmanaged?"),
    known("rehearsal", "Rehearsal", "Does the cluster's own scheduler tell what the standby would do?"),
    known("collateral", "Nothing else moves", "Does the standby leave alone all that is no service of ours?"),
    known("arrivals", "No late arrival", "Does no instance start elsewhere only once the node has left?"),
    known("votes", "Votes without it", "Would the others keep quorum while the node is down?"),
    known("fencing", "Fencing", "Is fencing on, and does a device of it work?"),
    known("resources", "Other resources", "Is no other resource of the cluster failed or blocked?"),
    known("route-answers", "Routes answer", "Does every instance of every route to the node answer, and know it?"),
    known("last-route", "Others take clients", "Is there another server, record or announcer in each place?"),
    known("fails-open", "Fail-open threshold", "Would the route really leave the node alone when it is drained?"),
    known(
        "drift",
        "No drift",
        "Do all instances of a route say the same of each node, and is no unit enabled beside the cluster?",
    ),
    known("capacity", "Ready nodes left", "Are `min-ready` other nodes running, ready, and taking clients everywhere?"),
    known(
        "headroom",
        "Connection headroom",
        "Would every other node stay within `max-connections` with its part of the node's connections?",
    ),
    known("node-answers", "Node shows itself", "Can the node's sockets and units be read?"),
    known("alerts", "No alert fires", "Does no alert fire in `[prometheus]` that counts?"),
    known("observations", "Age of what was seen", "Is everything that the verdict stands on young enough?"),
];

/// The titles of the gates before a clone is changed, by code; what they ask is in the guide.
const CLONES: [(&str, &str); 14] = [
    ("clone-shape", "A clone of its own"),
    ("clone-stop-timeout", "Time to stop"),
    ("clone-start-timeout", "Time to start"),
    ("clone-max", "Instances in all"),
    ("clone-constraints", "Constraints"),
    ("clone-switched-off", "Switched on"),
    ("clone-misplaced", "Values in place"),
    ("clone-unit", "The unit is there"),
    ("clone-unit-content", "The same unit"),
    ("clone-unit-boot", "Started by the cluster"),
    ("clone-unit-outside", "Not run elsewhere"),
    ("clone-rehearsal", "Rehearsal"),
    ("clone-stops", "Nothing stops"),
    ("clone-collateral", "Nothing else moves"),
];

/// The title of a code; empty where nobody gave it one.
pub(super) fn title(code: &str) -> &'static str {
    let of_clones = || CLONES.iter().find(|(known, _)| *known == code).map(|(_, title)| *title);
    KNOWN.iter().find(|known| known.code == code).map(|known| known.title).or_else(of_clones).unwrap_or_default()
}
