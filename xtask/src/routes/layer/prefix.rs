//! Anycast: the router's paths, and when it lost and heard the node's.

use anyhow::{Context, Result};

use super::{Layer, Moment, Window};
use crate::lab::{Announcer, Lab};

/// One anycast address.
pub(in crate::routes) struct Prefix {
    pub(in crate::routes) address: &'static str,
    pub(in crate::routes) announcer: Announcer,
}

impl Prefix {
    fn changed(&self, lab: &Lab, node: &str, during: Window, there: bool) -> Result<Moment> {
        let prefix = format!("{}/32", self.address);
        let changes = lab.path_changes()?.into_iter();
        let ours = changes.filter(|c| c.node == node && c.prefix == prefix && c.there == there && during.has(c.at));
        // A mark of graceful shutdown is a change of the path too: what counts is that it went, or came.
        let times: Vec<f64> = ours.map(|change| change.at).collect();
        let at = if there { times.first() } else { times.last() };
        Moment::of(at.copied()).context("the router logged no such change")
    }
}

impl Layer for Prefix {
    fn name(&self) -> String {
        format!("anycast {}", self.address)
    }

    /// The paths on the router with their attributes, and what each announcer is set to.
    fn picture(&self, lab: &Lab) -> Result<String> {
        let mut text = String::new();
        for path in lab.paths(self.address)? {
            text += &format!("{} used: {} {}\n", path.node, path.used, path.attributes.join(", "));
        }
        for node in lab.node_names() {
            text += &match self.announcer {
                // Without the times.
                Announcer::Bird => lab.shell(node, "birdc show protocols | awk 'NR > 2 { print $1, $2, $4 }'")?,
                Announcer::Frr => lab.vtysh(node, &["show running-config bgpd"])?,
            };
            text.push('\n');
        }
        Ok(text)
    }

    fn left(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        self.changed(lab, node, during, false)
    }

    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        self.changed(lab, node, during, true)
    }
}
