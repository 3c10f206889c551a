//! Rehearsal against reality: what Pacemaker's scheduler says it would do when a node leaves, and what Pacemaker then does.
//!
//! Many layouts at once, none of which has to do with another: groups, colocation, preferences, clones that depend on
//! each other, a promotable one, an address, a resource that failed, and more (`layouts/table.rs`). Of each is wanted
//! that the rehearsal says what the table says, that exactly the rehearsed operations were done, by the nodes' own logs,
//! and that all is then where it was rehearsed to be. The rehearsal of a copy of the CIB says the same.

mod cib;
mod done;
mod table;

use std::{
    collections::BTreeSet,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tidegate::{
    model::{Leave, NodeName, Rehearsal, rehearsal::Move},
    provider::{
        self, ClusterControl, ProviderError,
        access::{Access, Output, Stream},
        cluster::pacemaker::Pacemaker,
    },
};
use tokio::runtime::Runtime;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use self::{
    cib::Parts,
    done::Mark,
    table::{Layout, all},
};
use crate::stage::{NODE, Routes, run, within};

const LIMIT: Duration = Duration::from_secs(20);
/// Longer than a cluster of this size takes on a busy machine.
const SETTLED: &str = "90";
/// Applies the CIB on stdin as one change.
const APPLY: &str = "cat > /root/wanted.xml
    cibadmin --query > /root/now.xml
    crm_diff --no-version --original /root/now.xml --new /root/wanted.xml > /root/patch.xml || [ $? -eq 1 ]
    cibadmin --patch --xml-file /root/patch.xml";

/// The lab's own way into its machines.
struct Direct(Lab);

#[async_trait::async_trait]
impl Access for Direct {
    async fn run(&self, host: &str, argv: &[&str], _limit: Duration) -> provider::Result<Output> {
        let said = self.0.output(host, argv).map_err(|e| ProviderError::Unreachable(format!("{e:#}")))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { code: said.status.code(), stdout: text(said.stdout), stderr: text(said.stderr) })
    }

    async fn connect_unix(&self, host: &str, _path: &Path) -> provider::Result<Box<dyn Stream>> {
        Err(ProviderError::Refused(format!("nothing of this needs a socket of {host}")))
    }

    async fn system_bus(&self, host: &str) -> provider::Result<zbus::Connection> {
        Err(ProviderError::Refused(format!("nothing of this needs the bus of {host}")))
    }
}

struct Cluster<'a> {
    lab: &'a Lab,
    pacemaker: Pacemaker,
    runtime: Runtime,
    offline: Tidegate<'a>,
}

impl<'a> Cluster<'a> {
    fn of(lab: &'a Lab) -> Result<Self> {
        let members = lab.node_names().into_iter().map(|name| (NodeName::new(name), name.to_owned())).collect();
        Ok(Self {
            lab,
            pacemaker: Pacemaker::new(Arc::new(Direct(lab.clone())), members, LIMIT),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            offline: Tidegate::new(lab, lab.write_config("layouts.toml", &TidegateConfig::default())?),
        })
    }

    fn rehearse(&self, node: &str) -> Result<Rehearsal> {
        Ok(self.runtime.block_on(self.pacemaker.rehearse(&NodeName::new(node), &Leave::Standby))?)
    }

    /// The rehearsal on a copy of the CIB, by the program.
    fn rehearse_copy(&self, node: &str) -> Result<Rehearsal> {
        let file = self.lab.dir().join("layouts.xml");
        std::fs::write(&file, self.lab.shell("node-1", "cibadmin --query")?)?;
        let said = run(&self.offline, 3, &["can-drain", node, "--cib", &file.to_string_lossy(), "--json"])?;
        Ok(serde_json::from_value(said["rehearsal"].clone())?)
    }

    fn settled(&self) -> Result<()> {
        self.lab.exec("node-1", &["crm_resource", "--wait", "--timeout", SETTLED]).map(drop)
    }

    fn is_at(&self, resource: &str, node: &str) -> Result<bool> {
        let instances = self.lab.cluster()?.instances;
        Ok(instances.iter().any(|i| i.resource == resource && i.node == node && i.settled))
    }

    /// Makes all layouts, and brings them to where each begins.
    fn lay_out(&self, layouts: &[Layout]) -> Result<()> {
        // What has no preference and no stickiness follows the number of resources on a node, at once or at the next event:
        // a cluster with such a resource need not be at rest when it is idle.
        let fixed = Parts::default().prefers("power", &[(1, "100")]);
        let parts: Vec<&Parts> = layouts.iter().map(|l| &l.parts).chain([&fixed]).collect();
        let wanted = cib::with(&self.lab.shell("node-1", "cibadmin --query")?, &parts);
        let mut apply = self.lab.command_in("node-1", "sh")?;
        let mut apply = apply.args(["-euc", APPLY]).stdin(Stdio::piped()).spawn()?;
        std::io::Write::write_all(&mut apply.stdin.take().context("no input")?, wanted.as_bytes())?;
        ensure!(apply.wait()?.success(), "the CIB did not take the layouts");
        self.settled()?;
        // One fails where it would best be, and one is let go of.
        self.lab.exec("node-1", &["crm_resource", "--fail", "--resource", "weak", "--node", "node-3"])?;
        within(60, "what failed is elsewhere", || self.is_at("weak", NODE))?;
        let let_go = ["crm_resource", "--resource", "by-hand", "--meta", "--set-parameter", "is-managed"];
        self.lab.exec("node-1", &[&let_go[..], &["--parameter-value", "false"]].concat())?;
        self.settled()
    }

    /// Puts the node into standby; what was rehearsed is what is done.
    fn compare(&self, node: &str) -> Result<Rehearsal> {
        let rehearsal = self.rehearse(node)?;
        ensure!(rehearsal.anyway.is_empty(), "the cluster is not at rest: {:?}", rehearsal.anyway);
        let (live, copy) = (shown(&rehearsal.moves), shown(&self.rehearse_copy(node)?.moves));
        ensure!(live == copy, "the copy says otherwise: {live:?}, {copy:?}");
        let mark = Mark::now(self.lab)?;
        self.lab.exec("node-1", &["pcs", "node", "standby", node])?;
        self.settled()?;
        let (mut rehearsed, done) = (done::of(&rehearsal.moves)?, mark.since(self.lab)?);
        rehearsed.extend(done::by_agents(&rehearsal.moves));
        let (expected, found): (BTreeSet<_>, BTreeSet<_>) = (rehearsed.iter().collect(), done.iter().collect());
        let (missing, more): (Vec<_>, Vec<_>) =
            (expected.difference(&found).collect(), found.difference(&expected).collect());
        let now = self.runtime.block_on(self.pacemaker.observe())?.resources;
        let elsewhere = rehearsal.differences(&now);
        if !missing.is_empty() || !more.is_empty() || !elsewhere.is_empty() {
            bail!(
                "{node}: rehearsed and not done: {missing:?}; done and not rehearsed: {more:?}; {elsewhere:?}\n{live:#?}"
            );
        }
        eprintln!("{node}: {} moves, {} operations, all as rehearsed", live.len(), done.values().sum::<u32>());
        Ok(rehearsal)
    }

    fn back(&self, node: &str) -> Result<()> {
        self.lab.exec("node-1", &["pcs", "node", "unstandby", node])?;
        self.settled()
    }
}

/// As the table has them.
fn short(one: &Move) -> String {
    let places: BTreeSet<&str> = [&one.from, &one.to].into_iter().flatten().map(NodeName::as_str).collect();
    let mut words = vec![one.verb.to_string(), one.resource.clone()];
    match (&one.from, &one.to) {
        (Some(from), Some(to)) if places.len() == 2 => words.extend([from, to].map(|n| n.as_str().to_owned())),
        _ => words.extend(places.into_iter().map(str::to_owned)),
    }
    words.join(" ")
}

fn shown(moves: &[Move]) -> Vec<String> {
    moves.iter().map(short).collect()
}

#[test]
#[ignore = "needs the lab"]
fn what_is_rehearsed_is_what_pacemaker_does() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let started = Instant::now();
        let cluster = Cluster::of(lab)?;
        let layouts = all();
        cluster.lay_out(&layouts)?;
        eprintln!("{} layouts are up after {:.0?}", layouts.len(), started.elapsed());
        let said: BTreeSet<String> = cluster.compare(NODE)?.moves.iter().map(short).collect();
        let mut wrong = Vec::new();
        for layout in &layouts {
            // Ids are unique: whoever is named in a layout's moves, or is in its resources, is its own.
            let own = |line: &&String| {
                let id = line.split(' ').nth(1).unwrap_or_default();
                layout.parts.resources.contains(&format!("<primitive id=\"{id}\""))
            };
            let said: BTreeSet<&str> = said.iter().filter(own).map(String::as_str).collect();
            let table: BTreeSet<&str> = layout.moves.iter().copied().collect();
            if said != table {
                wrong.push(format!("{}: {said:?}, and not {table:?}", layout.name));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        cluster.back(NODE)?;
        // Stickiness above the preference keeps a resource where it went.
        ensure!(cluster.is_at("roams", NODE)? && cluster.is_at("stays", "node-3")?, "who goes back");
        cluster.compare("node-3")?;
        cluster.back("node-3")?;
        lab.reset()
    })
}
