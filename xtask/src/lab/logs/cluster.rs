//! What Pacemaker logged: when a node was put into standby, and when it was taken out again.

use anyhow::{Context, Result};

use super::time;
use crate::lab::Lab;
use crate::lab::layout::{Role, hosts};

impl Lab {
    /// When a node's standby was set (true) and taken back (false), as another node's Pacemaker heard it.
    pub fn standby_changes(&self, node: &str) -> Result<Vec<(f64, bool)>> {
        let number = hosts(Role::Node).position(|host| host.name == node).context("no such node")? + 1;
        let witness = hosts(Role::Node).find(|host| host.name != node).context("no other node")?;
        let log = self.file_of(witness.name, "var/log/pacemaker/pacemaker.log")?;
        let now = jiff::Timestamp::now();
        Ok(log.lines().filter_map(|line| change(line, number, now)).collect())
    }
}

/// What changed in the cluster's configuration, a line each; Pacemaker calls the nodes by their numbers.
fn change(line: &str, number: usize, now: jiff::Timestamp) -> Option<(f64, bool)> {
    let (head, what) = line.split_once("(cib_perform_op)")?;
    let at = time::without_year(head, "%b %d %H:%M:%S%.f", 19, now)?;
    let what = what.split_once("info: ")?.1;
    let attributes = format!("instance_attributes[@id='nodes-{number}']");
    let attribute = format!("nodes-{number}-standby");
    if let Some(gone) = what.strip_prefix("-- ") {
        // All of the node's attributes, or this one.
        let whole = gone.trim_end().ends_with(&attributes);
        return (whole || gone.contains(&attribute)).then_some((at, false));
    }
    (what.contains(&attribute) && what.contains("value="))
        .then(|| (at, what.contains("value=\"on\"") || what.contains("value=on")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standby_is_read_from_what_changed_in_the_configuration() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let log = "\
Nov 21 10:21:59.629 node-3 pacemaker-based     [39] (cib_perform_op) \tinfo: ++                    <nvpair id=\"nodes-1-standby\" name=\"standby\" value=\"on\"/>
Nov 21 10:21:59.629 node-3 pacemaker-based     [39] (cib_perform_op) \tinfo: ++                    <nvpair id=\"nodes-1-tidegate-run\" name=\"tidegate-run\" value=\"d\"/>
Nov 21 10:22:02.993 node-3 pacemaker-based     [39] (cib_perform_op) \tinfo: -- /cib/configuration/nodes/node[@id='1']/instance_attributes[@id='nodes-1']
Nov 21 10:23:02.993 node-3 pacemaker-based     [39] (cib_perform_op) \tinfo: -- /cib/configuration/nodes/node[@id='3']/instance_attributes[@id='nodes-3']/nvpair[@id='nodes-3-standby']";
        let of =
            |number| log.lines().filter_map(|line| change(line, number, now)).map(|(_, on)| on).collect::<Vec<_>>();
        assert_eq!(of(1), [true, false]);
        assert_eq!(of(2), [] as [bool; 0]);
        assert_eq!(of(3), [false]);
    }
}
