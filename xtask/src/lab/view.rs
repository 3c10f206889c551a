//! What the cluster says about itself, read from `crm_mon`'s XML: enough to wait on and to show.

use anyhow::{Context, Result, bail};
use roxmltree::{Document, Node};
use serde::Serialize;

use super::Lab;
use super::layout::{Role, hosts};

/// The cluster as one of its nodes sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterView {
    /// Whether the partition of the asked node has quorum.
    pub quorum: bool,
    /// The coordinator, when there is one.
    pub coordinator: Option<String>,
    /// Every node that the cluster knows.
    pub nodes: Vec<Member>,
    /// Every instance of every resource that runs, or is about to.
    pub instances: Vec<Instance>,
    /// Failed actions that the cluster still remembers.
    pub failures: usize,
}

/// A cluster node.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// In the cluster, with a working Pacemaker.
    pub online: bool,
    /// Set to standby.
    pub standby: bool,
    /// In maintenance mode.
    pub maintenance: bool,
    /// On its way in or out.
    pub pending: bool,
    /// To be fenced.
    pub unclean: bool,
}

/// An instance of a resource on a node.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// The resource.
    pub resource: String,
    /// Where.
    pub node: String,
    /// `Started`, `Stopped`…
    pub role: String,
    /// Started for good: nothing pending, nothing failed.
    pub settled: bool,
}

impl ClusterView {
    /// How many instances of a resource are started for good.
    pub fn started(&self, resource: &str) -> usize {
        self.instances.iter().filter(|instance| instance.resource == resource && instance.settled).count()
    }

    /// The nodes that are fully part of the cluster and may run things.
    pub fn available(&self) -> usize {
        self.nodes
            .iter()
            .filter(|node| node.online && !node.pending && !node.standby && !node.unclean && !node.maintenance)
            .count()
    }

    fn parse(text: &str) -> Result<Self> {
        let document = Document::parse(text).context("crm_mon's answer is not XML")?;
        let all = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
        let dc = all("current_dc").next();
        let members = all("node").filter(|node| node.has_attribute("online"));
        Ok(Self {
            quorum: dc.is_some_and(|dc| is(dc, "with_quorum")),
            coordinator: dc.and_then(|dc| dc.attribute("name")).map(str::to_owned),
            nodes: members
                .map(|node| Member {
                    name: attribute(node, "name"),
                    online: is(node, "online"),
                    standby: is(node, "standby"),
                    maintenance: is(node, "maintenance"),
                    pending: is(node, "pending"),
                    unclean: is(node, "unclean"),
                })
                .collect(),
            instances: all("resource").flat_map(instances).collect(),
            failures: all("failure").count(),
        })
    }
}

/// The instances of one `resource` element, one per node under it.
fn instances<'a>(resource: Node<'a, 'a>) -> impl Iterator<Item = Instance> + 'a {
    let calm = resource.attribute("pending").is_none() && !is(resource, "failed") && is(resource, "active");
    resource.children().filter(|child| child.has_tag_name("node")).map(move |node| Instance {
        resource: attribute(resource, "id"),
        node: attribute(node, "name"),
        role: attribute(resource, "role"),
        settled: calm && resource.attribute("role") == Some("Started"),
    })
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.attribute(name) == Some("true")
}

impl Lab {
    /// The cluster as the first node that answers sees it.
    pub fn cluster(&self) -> Result<ClusterView> {
        let mut last = String::new();
        for node in hosts(Role::Node) {
            match self.output(node.name, &["crm_mon", "--one-shot", "--output-as=xml"]) {
                Ok(output) if output.status.success() => {
                    return ClusterView::parse(&String::from_utf8_lossy(&output.stdout));
                }
                Ok(output) => last = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => last = format!("{error:#}"),
            }
        }
        bail!("no node answers crm_mon: {last}")
    }
}
