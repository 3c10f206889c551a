//! A playbook against the configuration: what it names must be there, and what it takes out must leave enough.

use super::{
    super::{keys::ROOT, read::Loaded, reading::conditions_of},
    steps,
};
use crate::{
    config::{
        Report, Settings,
        nearest::nearest,
        reader::{Reader, Spot},
        report::Problems,
    },
    model::NodeName,
};

/// What is known of the cluster without asking it.
struct Known<'s> {
    settings: &'s Settings,
    /// Its members, where the configuration lists them.
    members: Vec<NodeName>,
}

/// Checks a playbook against the configuration.
///
/// # Errors
/// Every problem, at the place in the playbook that it is about.
pub fn against(loaded: &Loaded, with: &Settings) -> Result<(), Report> {
    let mut problems = loaded.sources.clone();
    settings(&Reader::root(&loaded.table, &ROOT), with, &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(problems.into_report()) }
}

/// Everything that the playbook names and the configuration does not have.
pub(in crate::playbook) fn settings(root: &Reader<'_>, settings: &Settings, problems: &mut Problems) {
    let known = Known::new(settings);
    for step in steps(root) {
        known.step(&step, problems);
    }
    if let Some(nodes) = root.table("nodes").filter(|_| root.has("nodes")) {
        known.selection(&nodes, root, problems);
    }
    if let Some(drill) = root.table("drill").filter(|_| root.has("drill")) {
        known.service(&drill, problems);
        if let Some(abort) = drill.table("abort").filter(|r| r.boolean("alerts") == Some(true)) {
            known.prometheus(&abort.spot("alerts"), problems);
        }
    }
}

impl<'s> Known<'s> {
    fn new(settings: &'s Settings) -> Self {
        let mut members = settings.cluster.members.clone();
        if members.is_empty() {
            members = settings.nodes.iter().filter(|(_, node)| !node.outside).map(|(name, _)| name.clone()).collect();
        }
        Self { settings, members }
    }

    fn step(&self, step: &Reader<'_>, problems: &mut Problems) {
        match step.variant() {
            Some("drain" | "adopt") => self.service(step, problems),
            Some("fault") => {
                if let Some(fault) = step.table("break")
                    && matches!(fault.variant(), Some("unit-killed" | "service-hung"))
                {
                    self.service(&fault, problems);
                }
                if let Some(at) = step.table("at").filter(|_| step.has("at")) {
                    self.place(&at, problems);
                }
            }
            _ => {}
        }
        for condition in conditions_of(step) {
            self.condition(&condition, problems);
        }
    }

    fn condition(&self, r: &Reader<'_>, problems: &mut Problems) {
        match r.variant() {
            Some("ready") => self.service(r, problems),
            Some("ready-nodes") => {
                self.service(r, problems);
                let asked: Option<usize> = r.integer("at-least");
                if let Some(asked) = asked.filter(|n| !self.members.is_empty() && *n > self.members.len()) {
                    let message = format!("{asked} nodes are never ready: the cluster has {}", self.members.len());
                    r.spot("at-least").report(problems, message, "");
                }
            }
            Some("skew" | "error-ratio") => {
                let names = self.settings.entrypoints.iter().map(|e| e.name.as_str());
                named(r, "entrypoint", names, problems);
            }
            Some("prometheus") => self.prometheus(&r.spot("what"), problems),
            _ => {}
        }
    }

    fn service(&self, r: &Reader<'_>, problems: &mut Problems) {
        named(r, "service", self.settings.services.iter().map(|s| s.name.as_str()), problems);
    }

    fn prometheus(&self, spot: &Spot, problems: &mut Problems) {
        if self.settings.prometheus.is_none() {
            let help = "say where it is in the configuration's `[prometheus]`";
            spot.report(problems, "the configuration knows no Prometheus", help);
        }
    }

    fn node(&self, spot: &Spot, name: &str, problems: &mut Problems) {
        if !self.members.is_empty() {
            is_known("node", spot, name, self.members.iter().map(NodeName::as_str), problems);
        }
    }

    fn place(&self, at: &Reader<'_>, problems: &mut Problems) {
        if let Some(name) = at.text("node") {
            self.node(&at.spot("node"), &name, problems);
        }
        let places = self.settings.places(&self.members);
        let routes = || self.settings.entrypoints.iter().flat_map(|e| &e.routes);
        // What only the real system knows is looked for right before the drill.
        if routes().any(|route| route.via.discovers()) {
            return;
        }
        let instances: Vec<_> = routes().flat_map(|route| route.via.instances(&places).into_keys()).collect();
        named(at, "instance", instances.iter().map(|name| name.as_str()), problems);
    }

    fn selection(&self, nodes: &Reader<'_>, root: &Reader<'_>, problems: &mut Problems) {
        for key in ["names", "except"].into_iter().filter(|key| nodes.has(key)) {
            for (spot, name) in nodes.texts(key).unwrap_or_default() {
                self.node(&spot, &name, problems);
            }
        }
        let out = root.boolean("begins-out") == Some(true)
            || root.tables("step").iter().any(|step| step.variant() == Some("drain"));
        let Some(most) = nodes.integer::<u32>("max-unavailable").filter(|_| out && !self.members.is_empty()) else {
            return;
        };
        for service in &self.settings.services {
            let all = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
            let all = service.clone.clone_max.map_or(all, |max| max.min(all));
            if all.saturating_sub(most) < service.min_ready {
                let left = all.saturating_sub(most);
                let message = format!(
                    "with {most} of {all} out, the service \"{}\" has {left} left, and needs {} ready",
                    service.name, service.min_ready
                );
                nodes.spot("max-unavailable").report(problems, message, "");
            }
        }
    }
}

/// What a key names must be one of these.
fn named<'n>(r: &Reader<'_>, key: &str, known: impl Iterator<Item = &'n str>, problems: &mut Problems) {
    if let Some(name) = r.text(key).filter(|_| r.has(key)) {
        is_known(key, &r.spot(key), &name, known, problems);
    }
}

fn is_known<'n>(what: &str, spot: &Spot, name: &str, known: impl Iterator<Item = &'n str>, problems: &mut Problems) {
    let known: Vec<&str> = known.collect();
    if known.contains(&name) {
        return;
    }
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => String::new(),
        None => format!("known: {}", known.join(", ")),
    };
    spot.report(problems, format!("the configuration has no {what} \"{name}\""), help);
}
