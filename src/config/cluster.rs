//! `[cluster]`, `[journal]`, `[run]`, `[[node]]`, and the settings as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    duration::show,
    entrypoint, guard,
    nearest::nearest,
    reader::{Reader, Spot},
    report::Problems,
    review, service,
    settings::{Access, Cluster, Journal, Node, Run, Settings},
};
use crate::model::{NodeName, ServiceName};

/// What the parts of the settings need to know of each other.
pub(crate) struct Context {
    /// How runs behave, where that could be read.
    pub run: Option<Run>,
    /// How many nodes there are, where the configuration lists them.
    pub nodes: Option<usize>,
    /// What is said of single nodes.
    pub places: BTreeMap<NodeName, Node>,
    /// The cluster's members, where they are listed.
    pub members: Vec<NodeName>,
    /// The services' names, of those with problems too: a reference to one is no second problem.
    pub services: BTreeSet<ServiceName>,
}

impl Context {
    /// Reports a name that is no node's, where the nodes are known.
    pub fn known(&self, spot: &Spot, name: &str, problems: &mut Problems) {
        let names = || self.members.iter().chain(self.places.keys());
        if self.members.is_empty() || names().any(|n| n.as_str() == name) {
            return;
        }
        let near = nearest(name, names().map(NodeName::as_str));
        let help = near.map_or_else(|| "name a node".to_owned(), |n| format!("did you mean \"{n}\"?"));
        spot.report(problems, format!("there is no node \"{name}\""), help);
    }

    /// The node that a key names, which must be known where the nodes are.
    pub fn node(&self, r: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<NodeName> {
        let name = r.text(key)?;
        self.known(&r.spot(key), &name, problems);
        Some(NodeName::new(name))
    }
}

/// Puts the settings together; `None` where a part is missing, which has been reported then.
pub(crate) fn settings(root: &Reader<'_>, journal: PathBuf, problems: &mut Problems) -> Option<Settings> {
    let run = root.table("run").and_then(|r| run(&r, problems));
    let nodes: Option<BTreeMap<NodeName, Node>> = root.tables("node").iter().map(node).collect();
    find_shared_places(&root.tables("node"), problems);
    let members = members(root, nodes.as_ref(), problems);
    let services = root.tables("service");
    let context = Context {
        run: run.clone(),
        nodes: members.as_ref().map(Vec::len).filter(|n| *n > 0),
        places: nodes.clone().unwrap_or_default(),
        members: members.clone().unwrap_or_default(),
        services: services.iter().filter_map(|s| s.text("name")).map(ServiceName::new).collect(),
    };
    let services = service::services(&services, &context, problems);
    let entrypoints = entrypoint::entrypoints(&root.tables("entrypoint"), &context, problems);
    let listed = root.table("cluster").is_some_and(|c| c.has("members"));
    Some(Settings {
        cluster: cluster(&root.table("cluster")?, members.filter(|_| listed).unwrap_or_default())?,
        journal: Journal { path: root.table("journal")?.text("path").map_or(journal, PathBuf::from) },
        run: run?,
        guard: guard::guard(&root.table("guard")?)?,
        review: review::review(&root.table("review")?, problems)?,
        nodes: nodes?,
        services: services?,
        entrypoints: entrypoints?,
    })
}

fn cluster(r: &Reader<'_>, members: Vec<NodeName>) -> Option<Cluster> {
    let access = match r.table("access").filter(|_| r.has("access")) {
        Some(table) => access(&table)?,
        None if r.text("access").as_deref() == Some("local") => Access::Local,
        None => return None,
    };
    Some(Cluster { name: r.text("name")?, access, members })
}

fn access(r: &Reader<'_>) -> Option<Access> {
    match r.variant()? {
        "ssh" => Some(Access::Ssh { user: r.text("user"), config: r.text("config").map(PathBuf::from) }),
        "local" => Some(Access::Local),
        _ => None,
    }
}

/// Two nodes at one place: the probes of one would vouch for the other.
fn find_shared_places(nodes: &[Reader<'_>], problems: &mut Problems) {
    for key in ["address", "ssh"] {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for r in nodes {
            let (Some(name), Some(place)) = (r.text("name"), r.text(key)) else { continue };
            if let Some(other) = seen.insert(place, name.clone()).filter(|other| *other != name) {
                r.spot(key).report(problems, format!("the node \"{other}\" has the same {key}"), "");
            }
        }
    }
}

fn node(r: &Reader<'_>) -> Option<(NodeName, Node)> {
    Some((
        NodeName::new(r.text("name")?),
        Node { address: r.ip("address"), ssh: r.text("ssh"), outside: r.boolean("outside")? },
    ))
}

/// The members where they are listed, else the names of `[[node]]`.
fn members(
    root: &Reader<'_>,
    nodes: Option<&BTreeMap<NodeName, Node>>,
    problems: &mut Problems,
) -> Option<Vec<NodeName>> {
    let cluster = root.table("cluster")?;
    if !cluster.has("members") {
        let inside = |(_, node): &(&NodeName, &Node)| !node.outside;
        return nodes.map(|nodes| nodes.iter().filter(inside).map(|(name, _)| name.clone()).collect());
    }
    let mut members: Vec<NodeName> = Vec::new();
    for (spot, name) in cluster.texts("members")? {
        let name = NodeName::new(name);
        if members.contains(&name) {
            spot.report(problems, format!("the member \"{name}\" is listed twice"), "");
        } else {
            members.push(name);
        }
    }
    for node in root.tables("node").iter().filter(|n| n.boolean("outside") != Some(true)) {
        let Some(name) = node.text("name").filter(|n| !members.iter().any(|m| m.as_str() == n)) else { continue };
        let near = nearest(&name, members.iter().map(NodeName::as_str));
        let help = near.map_or_else(|| "add it to `cluster.members`".to_owned(), |n| format!("did you mean \"{n}\"?"));
        node.spot("name").report(problems, format!("\"{name}\" is no member of the cluster"), help);
    }
    Some(members)
}

fn run(r: &Reader<'_>, problems: &mut Problems) -> Option<Run> {
    let run = Run {
        patience: r.duration("patience")?,
        poll: r.duration("poll")?,
        call_timeout: r.duration("call-timeout")?,
        max_age: r.duration("max-age")?,
        lease: r.duration("lease")?,
    };
    let poll = show(run.poll);
    if run.lease <= run.poll * 3 {
        let message = format!("a lease of {} is too short for a poll of {poll}", show(run.lease));
        r.spot("lease").report(problems, message, "it must be longer than three times `run.poll`");
    }
    if run.max_age <= run.poll {
        let message =
            format!("with a max-age of {} and a poll of {poll}, all is unknown between two looks", show(run.max_age));
        r.spot("max-age").report(problems, message, "it must be longer than `run.poll`");
    }
    // The questions of one look are asked together; what is answered first waits for what is answered last.
    if run.call_timeout >= run.max_age {
        let message = format!(
            "with calls of up to {} and a max-age of {}, one slow answer makes the others unknown",
            show(run.call_timeout),
            show(run.max_age)
        );
        r.spot("call-timeout").report(problems, message, "it must be shorter than `run.max-age`");
    }
    if run.patience <= run.call_timeout {
        let message =
            format!("a patience of {} ends before one call may ({})", show(run.patience), show(run.call_timeout));
        r.spot("patience").report(problems, message, "it must be longer than `run.call-timeout`");
    }
    Some(run)
}
