//! What Pacemaker really did: each operation, as the node that ran it wrote into Pacemaker's own log.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use tidegate::model::rehearsal::{Move, Verb};
use xtask::lab::Lab;

const LOG: &str = "var/log/pacemaker/pacemaker.log";
/// Operations that change something. Monitors, notifications and the like do not.
const CHANGES: [&str; 6] = ["start", "stop", "promote", "demote", "migrate_to", "migrate_from"];

/// `operation resource node`, and how often.
pub type Operations = BTreeMap<String, u32>;

/// A place in the logs of all nodes.
pub struct Mark(Vec<(&'static str, usize)>);

impl Mark {
    pub fn now(lab: &Lab) -> Result<Self> {
        let at = lab.node_names().into_iter().map(|node| Ok((node, lab.file_of(node, LOG)?.len())));
        at.collect::<Result<_>>().map(Self)
    }

    /// All that was done since, by whichever node. An operation that failed is an error: nothing here should.
    pub fn since(&self, lab: &Lab) -> Result<Operations> {
        let mut found = Operations::new();
        for (node, from) in &self.0 {
            let log = lab.file_of(node, LOG)?;
            for line in log.get(*from..).context("the log is shorter than it was")?.lines() {
                let Some(result) = line.split_once(" Result of ").map(|(_, rest)| rest) else { continue };
                let (operation, said) = result.split_once(" operation for ").context("a result of nothing")?;
                if !CHANGES.contains(&operation) {
                    continue;
                }
                // `vip on node-2: ok | …`
                let (resource, said) = said.split_once(" on ").with_context(|| format!("no place: {line}"))?;
                let (at, outcome) = said.split_once(": ").with_context(|| format!("no outcome: {line}"))?;
                ensure!(outcome.starts_with("ok"), "it failed: {line}");
                ensure!(at == *node, "{node} tells of {at}: {line}");
                add(&mut found, operation, resource.split(':').next().unwrap_or_default(), at);
            }
        }
        Ok(found)
    }
}

fn add(to: &mut Operations, operation: &str, resource: &str, node: &str) {
    *to.entry(format!("{operation} {resource} {node}")).or_default() += 1;
}

/// What these moves come to.
pub fn of(moves: &[Move]) -> Result<Operations> {
    let mut found = Operations::new();
    for one in moves {
        let place = |node: &Option<tidegate::model::NodeName>| {
            node.as_ref().map(|n| n.as_str().to_owned()).with_context(|| format!("no place: {one}"))
        };
        let mut put = |operation: &str, node: String| add(&mut found, operation, &one.resource, &node);
        match one.verb {
            Verb::Start => put("start", place(&one.to)?),
            Verb::Stop => put("stop", place(&one.from)?),
            Verb::Promote => put("promote", place(&one.from.clone().or_else(|| one.to.clone()))?),
            Verb::Demote => put("demote", place(&one.from)?),
            Verb::Move | Verb::Restart => {
                put("stop", place(&one.from)?);
                put("start", place(if one.verb == Verb::Move { &one.to } else { &one.from })?);
            }
            Verb::Migrate => {
                put("migrate_to", place(&one.from)?);
                put("migrate_from", place(&one.to)?);
                put("stop", place(&one.from)?);
            }
            Verb::Fence | Verb::Other => bail!("nothing of the kind is in the layouts: {one}"),
        }
    }
    Ok(found)
}

/// What follows from these moves, and what no rehearsal can know: a primary that is the only instance of its clone is
/// promoted where it goes once its agent, having started there, has given itself a promotion score. Pacemaker's scheduler
/// plays operations and runs no agents.
pub fn by_agents(moves: &[Move]) -> Operations {
    let mut found = Operations::new();
    let has = |verb, id: &str| moves.iter().any(|m| m.verb == verb && m.resource == id);
    let alone = |m: &&Move| m.verb == Verb::Move && has(Verb::Demote, &m.resource) && !has(Verb::Promote, &m.resource);
    for one in moves.iter().filter(alone) {
        if let Some(to) = &one.to {
            add(&mut found, "promote", &one.resource, to.as_str());
        }
    }
    found
}
