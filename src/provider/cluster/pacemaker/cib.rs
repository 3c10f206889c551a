//! What the CIB itself says: its version, its quorum, the options that matter here, and every node's attributes.
//!
//! The version (admin epoch, epoch, updates) is the guard of every write: a patch made for one version is
//! refused by Pacemaker for any other, so what was decided on this reading holds when it is written.
//!
//! Attributes are kept with their ids and with the set that holds them, because a write must address the very
//! same element. Values are kept raw.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::element::Element;
use crate::{
    model::{NodeName, RunId, action::Ownership, cluster::Ban},
    provider::{ProviderError, Result},
};

/// The attribute that takes a node out of the cluster's work.
pub(super) const STANDBY: &str = "standby";
/// The attribute that makes the cluster leave alone what runs on a node.
pub(super) const MAINTENANCE: &str = "maintenance";
/// How the id of a ban of ours begins; the run's name follows.
pub(super) const BAN: &str = "tidegate-ban-";
/// The mark: the run that put the node into standby.
pub(super) const MARK_RUN: &str = "tidegate-run";
/// The mark: who asked for it.
pub(super) const MARK_OPERATOR: &str = "tidegate-operator";
/// The mark: why.
pub(super) const MARK_REASON: &str = "tidegate-reason";

/// One reading of the CIB.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cib {
    /// Which CIB this is.
    pub(super) version: Version,
    /// Whether the partition that holds it has quorum.
    pub(super) quorate: bool,
    /// The node that is the designated controller.
    pub(super) dc: Option<NodeName>,
    /// The version of the Pacemaker that wrote it.
    pub(super) pacemaker: Option<String>,
    /// Whether fencing is enabled.
    pub(super) fencing: bool,
    /// Whether the cluster is in maintenance mode.
    pub(super) maintenance_mode: bool,
    /// What is configured of each node.
    pub(super) nodes: BTreeMap<NodeName, Entry>,
    /// The clone around each cloned primitive, by the primitive's id.
    pub(super) clones: BTreeMap<String, String>,
    /// XML elements among the constraints.
    pub(super) constraints: usize,
    /// Our bans among them.
    pub(super) bans: Vec<Ban>,
    /// The configuration as it is, for whoever changes clones.
    pub(super) sections: Box<Sections>,
}

/// Parts of the configuration as they are; without children where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sections {
    pub(super) resources: Element,
    pub(super) constraints: Element,
    /// Defaults of resources.
    pub(super) resource_defaults: Element,
    /// Defaults of operations.
    pub(super) operation_defaults: Element,
}

/// A CIB's version. Rises with every change; two readings with the same version have the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) admin_epoch: u64,
    pub(super) epoch: u64,
    pub(super) num_updates: u64,
}

/// A node in the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    /// Pacemaker's id of the node, which is not its name.
    pub(super) id: String,
    /// XML elements inside the node's.
    pub(super) children: usize,
    /// Its permanent attributes, set by set.
    pub(super) sets: Vec<AttributeSet>,
    /// A `standby` attribute that lasts until the node restarts.
    pub(super) transient_standby: Option<String>,
}

/// One set of attributes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AttributeSet {
    pub(super) id: String,
    /// Always in force: no rule, and no reference to a set elsewhere.
    pub(super) plain: bool,
    /// XML elements inside it.
    pub(super) children: usize,
    pub(super) pairs: Vec<Pair>,
}

/// One attribute. `id` is `None` where it is a reference to an attribute elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

impl Entry {
    /// Every place that sets `name`.
    pub(super) fn places<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = (&'a AttributeSet, &'a Pair)> + use<'a, 'n> {
        self.sets.iter().flat_map(move |s| s.pairs.iter().filter(move |p| p.name == name).map(move |p| (s, p)))
    }

    /// The permanent value of `name`, as it is stored.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.places(name).find(|(set, _)| set.plain).map(|(_, pair)| pair.value.as_str())
    }

    /// Its permanent attributes, apart from those that the cluster or Tidegate acts on.
    pub(super) fn attributes(&self) -> BTreeMap<String, String> {
        let own = [STANDBY, MAINTENANCE, MARK_RUN, MARK_OPERATOR, MARK_REASON];
        let pairs = self.sets.iter().filter(|set| set.plain).flat_map(|set| &set.pairs);
        let others = pairs.filter(|pair| !own.contains(&pair.name.as_str()));
        // Of two that say the same name the first counts.
        others.rev().map(|pair| (pair.name.clone(), pair.value.clone())).collect()
    }

    /// Whether an attribute says standby, a lasting or a transient one.
    pub(super) fn is_put_into_standby(&self) -> bool {
        let says = |value: &str| flag(value) == Some(true);
        self.places(STANDBY).any(|(_, pair)| says(&pair.value)) || self.transient_standby.as_deref().is_some_and(says)
    }

    /// Whose standby it is, where it carries our mark.
    pub(super) fn owner(&self) -> Option<Ownership> {
        let text = |name| self.value(name).unwrap_or_default().to_owned();
        self.value(MARK_RUN).map(|run| Ownership {
            run: RunId::new(run),
            operator: text(MARK_OPERATOR),
            reason: text(MARK_REASON),
        })
    }
}

impl Cib {
    /// Reads the output of `cibadmin --query`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let document = Document::parse(text).map_err(|e| unexpected(format!("the CIB is not XML: {e}")))?;
        let root = document.root_element();
        if !root.has_tag_name("cib") {
            return Err(unexpected(format!("a CIB was expected, not <{}>", root.tag_name().name())));
        }
        let configuration = child(root, "configuration")?;
        let nodes = nodes(child(configuration, "nodes")?, children(root, "status").next())?;
        let dc_id = root.attribute("dc-uuid").filter(|id| !id.is_empty());
        let options = Options::new(child(configuration, "crm_config")?);
        let clones = children(configuration, "resources").next().map(clones).unwrap_or_default();
        Ok(Self {
            version: version(root)?,
            quorate: flag(required(root, "have-quorum")?)
                .ok_or_else(|| unexpected("have-quorum is neither true nor false".into()))?,
            dc: nodes.iter().find(|(_, n)| Some(n.id.as_str()) == dc_id).map(|(name, _)| name.clone()),
            pacemaker: options.text("dc-version"),
            fencing: options.flag(&["fencing-enabled", "stonith-enabled"], true)?,
            maintenance_mode: options.flag(&["maintenance-mode"], false)?,
            nodes,
            bans: bans(configuration, &clones),
            constraints: children(configuration, "constraints").map(elements).sum(),
            clones,
            sections: Box::new(Sections::copy(configuration)),
        })
    }
}

impl Sections {
    fn copy(configuration: Node<'_, '_>) -> Self {
        let section = |name| children(configuration, name).next().map(Element::copy).unwrap_or_default();
        Self {
            resources: section("resources"),
            constraints: section("constraints"),
            resource_defaults: section("rsc_defaults"),
            operation_defaults: section("op_defaults"),
        }
    }
}

/// The clone around each cloned primitive. In a cloned group every member is one.
fn clones(resources: Node<'_, '_>) -> BTreeMap<String, String> {
    let mut clones = BTreeMap::new();
    for primitive in resources.descendants().filter(|n| n.has_tag_name("primitive")) {
        let clone = primitive.ancestors().find(|a| a.has_tag_name("clone") || a.has_tag_name("master"));
        if let (Some(primitive), Some(clone)) = (primitive.attribute("id"), clone.and_then(|c| c.attribute("id"))) {
            clones.insert(primitive.to_owned(), clone.to_owned());
        }
    }
    clones
}

/// Location constraints whose id says that a run of ours made them.
fn bans(configuration: Node<'_, '_>, clones: &BTreeMap<String, String>) -> Vec<Ban> {
    let locations = children(configuration, "constraints").flat_map(|c| children(c, "rsc_location"));
    let ban = |location: Node<'_, '_>| {
        let run = location.attribute("id")?.strip_prefix(BAN)?;
        let (clone, node) = (location.attribute("rsc")?, location.attribute("node")?);
        let primitive = clones.iter().find(|(_, c)| *c == clone)?.0;
        Some(Ban { resource: primitive.clone(), node: NodeName::new(node), run: RunId::new(run) })
    };
    locations.filter_map(ban).collect()
}

fn elements(node: Node<'_, '_>) -> usize {
    node.children().filter(Node::is_element).count()
}

fn version(root: Node<'_, '_>) -> Result<Version> {
    let number = |name| {
        let text = required(root, name)?;
        text.parse::<u64>().map_err(|_| unexpected(format!("the CIB's {name} is '{text}'")))
    };
    Ok(Version { admin_epoch: number("admin_epoch")?, epoch: number("epoch")?, num_updates: number("num_updates")? })
}

fn nodes(section: Node<'_, '_>, status: Option<Node<'_, '_>>) -> Result<BTreeMap<NodeName, Entry>> {
    let mut nodes = BTreeMap::new();
    for node in children(section, "node") {
        let id = required(node, "id")?;
        let name = node.attribute("uname").unwrap_or(id);
        let entry = Entry {
            id: id.to_owned(),
            children: elements(node),
            sets: children(node, "instance_attributes").map(attribute_set).collect(),
            transient_standby: status.and_then(|s| transient_standby(s, id)),
        };
        nodes.insert(NodeName::new(name), entry);
    }
    Ok(nodes)
}

fn attribute_set(set: Node<'_, '_>) -> AttributeSet {
    AttributeSet {
        id: set.attribute("id").unwrap_or_default().to_owned(),
        plain: set.attribute("id").is_some() && children(set, "rule").next().is_none(),
        children: elements(set),
        pairs: children(set, "nvpair").map(pair).collect(),
    }
}

fn pair(nvpair: Node<'_, '_>) -> Pair {
    let text = |name| nvpair.attribute(name).unwrap_or_default().to_owned();
    Pair { id: nvpair.attribute("id").map(str::to_owned), name: text("name"), value: text("value") }
}

fn transient_standby(status: Node<'_, '_>, id: &str) -> Option<String> {
    children(status, "node_state")
        .filter(|s| s.attribute("id") == Some(id))
        .flat_map(|s| children(s, "transient_attributes"))
        .flat_map(|t| children(t, "instance_attributes"))
        .flat_map(|set| children(set, "nvpair"))
        .find(|p| p.attribute("name") == Some(STANDBY))
        .and_then(|p| p.attribute("value").map(str::to_owned))
}

/// The cluster's options. Pacemaker takes the set `cib-bootstrap-options` first, then the others by score.
struct Options<'a, 'input> {
    sets: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Options<'a, 'input> {
    fn new(crm_config: Node<'a, 'input>) -> Self {
        let mut sets: Vec<_> = children(crm_config, "cluster_property_set").collect();
        sets.sort_by_key(|s| (s.attribute("id") != Some("cib-bootstrap-options"), std::cmp::Reverse(score(*s))));
        Self { sets }
    }

    /// What Pacemaker writes itself.
    fn text(&self, name: &str) -> Option<String> {
        let mut pairs = self.sets.iter().flat_map(|set| children(*set, "nvpair"));
        let found = pairs.find(|pair| pair.attribute("name") == Some(name))?;
        found.attribute("value").map(str::to_owned)
    }

    /// An option under any of its names. A rule that decides it cannot be judged here, so it is an error rather
    /// than a guess.
    fn flag(&self, names: &[&str], default: bool) -> Result<bool> {
        for set in &self.sets {
            let found =
                children(*set, "nvpair").find(|p| p.attribute("name").is_some_and(|name| names.contains(&name)));
            let Some(found) = found else { continue };
            if children(*set, "rule").next().is_some() {
                return Err(unexpected(format!("the cluster option {} depends on a rule", names.join(" or "))));
            }
            // Pacemaker falls back to the default where it cannot read a value.
            return Ok(found.attribute("value").and_then(flag).unwrap_or(default));
        }
        Ok(default)
    }
}

fn score(set: Node<'_, '_>) -> i64 {
    match set.attribute("score") {
        Some("INFINITY" | "+INFINITY") => i64::MAX,
        Some("-INFINITY") => i64::MIN,
        Some(number) => number.parse().unwrap_or(0),
        None => 0,
    }
}

/// A boolean as Pacemaker reads it.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn children<'a, 'input>(
    parent: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |c| c.has_tag_name(name))
}

pub(super) fn child<'a, 'input>(parent: Node<'a, 'input>, name: &'static str) -> Result<Node<'a, 'input>> {
    children(parent, name)
        .next()
        .ok_or_else(|| unexpected(format!("<{}> has no <{name}>; may this user read it?", parent.tag_name().name())))
}

pub(super) fn required<'a>(element: Node<'a, '_>, name: &str) -> Result<&'a str> {
    element
        .attribute(name)
        .ok_or_else(|| unexpected(format!("<{}> has no attribute {name}", element.tag_name().name())))
}

pub(super) fn unexpected(what: String) -> ProviderError {
    ProviderError::Unexpected(what)
}
