//! One look at everything that the clones are judged by: the configuration of the cluster, the units' files on every
//! node, who runs what, and what the cluster would do.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::{
    context::{Context, Survey},
    exit::{Code, Failure, Result},
};
use crate::{
    clone::{Change, Declaration, Found, UnitFile, diff, gates},
    config::settings::Service,
    model::{ClusterView, NodeName, Observed, Readiness, Rehearsal, ServiceName},
    plan::{
        gates::{Gate, Override},
        ledger,
    },
    provider::{ProviderError, Result as Provided},
    run::wants::Wants,
};

/// What was seen, and what follows from it.
pub(super) struct Picture {
    pub(super) survey: Survey,
    pub(super) services: Vec<Pictured>,
    /// All changes, those of the cluster's configuration first.
    pub(super) changes: Vec<Change>,
    /// The gates of changing anything.
    pub(super) around: Vec<Gate>,
    pub(super) rehearsal: Provided<Rehearsal>,
}

/// One service of it.
pub(super) struct Pictured {
    pub(super) service: Service,
    pub(super) wanted: Declaration,
    pub(super) found: Found,
    pub(super) units: BTreeMap<NodeName, std::result::Result<UnitFile, String>>,
    pub(super) changes: Vec<Change>,
    pub(super) gates: Vec<Gate>,
}

/// One service on one node.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) service: ServiceName,
    pub(super) node: NodeName,
    /// The instance by the cluster's view, in its words.
    pub(super) cluster: String,
    /// The unit by systemd's.
    pub(super) unit: String,
    /// Whether the unit starts at boot.
    pub(super) boot: String,
    /// The answer of `/ready`.
    pub(super) ready: String,
}

impl Picture {
    /// Looks at the services (at one, where it is named). Fails where the cluster does not answer.
    pub(super) async fn take(context: &Context, only: Option<&ServiceName>, overrides: &[Override]) -> Result<Self> {
        Self::of(context, only, overrides, false).await
    }

    /// Looks at one service whose clone, where it is yet to be created, is withheld from every node.
    pub(super) async fn withheld(context: &Context, service: &ServiceName) -> Result<Self> {
        Self::of(context, Some(service), &[], true).await
    }

    async fn of(context: &Context, only: Option<&ServiceName>, overrides: &[Override], withhold: bool) -> Result<Self> {
        let services = chosen(context, only)?;
        let survey = context.survey(|t| wants(t.nodes.iter().cloned().collect())).await?;
        let providers = context.clones(&survey.topology.nodes);
        let resources: Vec<String> = services.iter().map(|s| s.clone.resource.clone()).collect();
        let pairs: Vec<_> = services.iter().flat_map(|s| survey.topology.nodes.iter().map(move |n| (s, n))).collect();
        let files = join_all(pairs.iter().map(|(s, n)| providers.files.files(n, &s.unit)));
        let (found, files) = join(providers.clones.found(&resources), files).await;
        let found = found.map_err(|e| unseen(&e))?;
        let cluster = view(&survey)?.clone();
        let mut units: BTreeMap<ServiceName, BTreeMap<NodeName, std::result::Result<UnitFile, String>>> =
            BTreeMap::new();
        for ((service, node), file) in pairs.into_iter().zip(files) {
            let file = file.map_err(|e| e.to_string());
            units.entry(service.name.clone()).or_default().insert(node.clone(), file);
        }
        let of = |service: &Service| units.get(&service.name).cloned().unwrap_or_default();
        let services: Vec<Pictured> = services
            .into_iter()
            .zip(found)
            .map(|(service, found)| Pictured::new(of(&service), service, found, &cluster, withhold))
            .collect();
        let mut changes: Vec<Change> = services.iter().flat_map(|s| s.changes.clone()).collect();
        changes.sort_by_key(|c| !c.is_of_cluster());
        let rehearsal = providers.clones.rehearse_changes(&changes).await;
        let around = around(context, &survey, &cluster, &changes, &rehearsal, overrides);
        Ok(Self { survey, services, changes, around, rehearsal })
    }

    /// Whether it may be applied: nothing stands against it.
    pub(super) fn passes(&self) -> bool {
        self.gates().all(Gate::passes)
    }

    /// Every gate.
    pub(super) fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.around.iter().chain(self.services.iter().flat_map(|s| &s.gates))
    }

    /// Every service on every node.
    pub(super) fn rows(&self) -> Vec<Row> {
        let nodes = &self.survey.topology.nodes;
        self.services.iter().flat_map(|s| nodes.iter().map(|node| self.row(s, node))).collect()
    }

    fn row(&self, of: &Pictured, node: &NodeName) -> Row {
        let seen = self.survey.seen.nodes.get(node);
        let file = of.units.get(node);
        let cluster = match self.survey.seen.cluster.value() {
            _ if of.found.withheld.contains(node) => "withheld".to_owned(),
            None => "unknown".to_owned(),
            Some(view) => instance(view, &of.wanted.resource, node),
        };
        Row {
            service: of.service.name.clone(),
            node: node.clone(),
            cluster,
            unit: match file {
                Some(Ok(file)) if !file.exists => "missing".into(),
                Some(Ok(file)) => file.active.clone(),
                _ => "unknown".into(),
            },
            boot: match file {
                Some(Ok(file)) => file.enablement.to_string(),
                _ => "unknown".into(),
            },
            ready: match seen.and_then(|n| n.ready.get(&of.service.name)).and_then(Observed::value) {
                Some(Readiness::Ready) => "ready".into(),
                Some(Readiness::NotReady { reason }) => reason.clone(),
                None => "unknown".into(),
            },
        }
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let change = |c: &Change| json!({ "change": c, "text": c.to_string(), "commands": c.pcs() });
        let services: Vec<Value> = self
            .services
            .iter()
            .map(|s| {
                json!({
                    "service": s.service.name,
                    "resource": s.wanted.resource,
                    "clone": s.found.clone.as_ref().map(|c| &c.id),
                    "declared": s.wanted,
                    "constraints": s.found.constraints,
                    "withheld": s.found.withheld,
                    "changes": s.changes.iter().map(change).collect::<Vec<_>>(),
                    "gates": s.gates,
                })
            })
            .collect();
        let verdict = match (self.passes(), self.changes.is_empty()) {
            (true, true) => "as-declared",
            (true, false) => "yes",
            (false, _) => "no",
        };
        let version = self.services.first().map(|s| s.found.version.as_str());
        json!({ "verdict": verdict, "version": version, "gates": self.around, "services": services,
            "rehearsal": self.rehearsal.as_ref().ok() })
    }
}

impl Pictured {
    fn new(
        units: BTreeMap<NodeName, std::result::Result<UnitFile, String>>,
        service: Service,
        found: Found,
        cluster: &ClusterView,
        withhold: bool,
    ) -> Self {
        let mut banned = found.banned();
        if withhold {
            banned.retain(|node| !found.withheld.contains(*node));
        }
        let known =
            || units.iter().filter_map(|(n, u)| Some((n, u.as_ref().ok()?))).filter(|(n, _)| !banned.contains(n));
        // Whoever withholds a node from the cluster admits it, too.
        let wanted =
            Declaration::new(&service, known().map(|(_, u)| u).filter(|u| u.exists)).withheld_from(match found.clone {
                None if withhold => units.keys().cloned().collect(),
                _ => found.withheld.clone(),
            });
        let mut changes = diff(&wanted, &found);
        // What the cluster may not touch is systemd's, at boot as well.
        let admitted = known().filter(|(node, _)| !wanted.withheld.contains(*node));
        changes.extend(admitted.filter_map(|(node, file)| diff::boot(node, &service.unit, file)));
        let facts = gates::Facts { service: &service, wanted: &wanted, found: &found, units: &units, cluster };
        let gates = gates::of_service(&facts);
        Self { service, wanted, found, units, changes, gates }
    }
}

/// The gates of making these changes.
pub(super) fn around(
    context: &Context,
    survey: &Survey,
    cluster: &ClusterView,
    changes: &[Change],
    rehearsal: &Provided<Rehearsal>,
    overrides: &[Override],
) -> Vec<Gate> {
    let resources: BTreeSet<String> = context.settings.services.iter().map(|s| s.clone.resource.clone()).collect();
    let why = rehearsal.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let mut gates = gates::around(&gates::Around {
        cluster,
        open_run: ledger::open(&survey.runs).map(|r| &r.run),
        stand_in: ledger::standing_in(&survey.runs).first().map(|r| &r.run),
        changes,
        rehearsal: rehearsal.as_ref().map_err(|_| why.as_str()),
        resources: &resources,
    });
    gates::answer_for(overrides, &mut gates);
    gates
}

/// The cluster, units and readiness; no routes.
pub(super) fn wants(nodes: BTreeSet<NodeName>) -> Wants {
    Wants { cluster: Some(std::time::Duration::ZERO), units: nodes.clone(), ready: nodes, ..Wants::default() }
}

/// The cluster, or why it cannot be judged.
pub(super) fn view(survey: &Survey) -> Result<&ClusterView> {
    match &survey.seen.cluster {
        Observed::Known { value, .. } => Ok(value),
        Observed::Unknown { reason } => {
            let message = format!("the cluster does not answer: {reason}; nothing was touched");
            Err(Failure::new(Code::Refused, message))
        }
    }
}

fn unseen(error: &ProviderError) -> Failure {
    Failure::new(Code::Refused, format!("the cluster's configuration cannot be read: {error}; nothing was touched"))
}

fn chosen(context: &Context, only: Option<&ServiceName>) -> Result<Vec<Service>> {
    let services = &context.settings.services;
    let Some(name) = only else { return Ok(services.clone()) };
    let known: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
    let unknown = || Failure::usage(format!("there is no service {name}; these are: {}", known.join(", ")));
    Ok(vec![context.settings.service(name).ok_or_else(unknown)?.clone()])
}

/// An instance in the cluster's own words.
fn instance(view: &ClusterView, resource: &str, node: &NodeName) -> String {
    let words = view.instances_on(resource, node).map(|i| {
        let role = i.pending.clone().unwrap_or_else(|| format!("{:?}", i.role));
        let more = [(i.failed, "failed"), (i.blocked, "blocked"), (!i.managed, "unmanaged")];
        let more: String = more.iter().filter(|(is, _)| *is).map(|(_, word)| format!(", {word}")).collect();
        format!("{role}{more}")
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "no instance".into() } else { words.join("; ") }
}
