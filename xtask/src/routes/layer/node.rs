//! The inner end: the requests that reach a node's application, the cluster's standby, the unit.

use anyhow::{Context, Result};

use super::{Layer, Moment, Window};
use crate::lab::Lab;

/// Those that a drain and a restore of a node touch in any case, from the client inwards.
pub(in crate::routes) fn all() -> [Box<dyn Layer>; 2] {
    [Box::new(Standby), Box::new(Unit)]
}

/// When the last client's request to a node's application was over, or the first one came.
pub(in crate::routes) fn requests(lab: &Lab, node: &str, during: Window) -> Result<Vec<(f64, f64)>> {
    let all = lab.app_requests(node)?.into_iter();
    let clients = all.filter(|request| request.path != "/ready" && during.has(request.end));
    Ok(clients.map(|request| (request.start, request.end)).collect())
}

/// Pacemaker's standby, and the cluster's whole configuration.
struct Standby;

impl Layer for Standby {
    fn name(&self) -> String {
        "the cluster".to_owned()
    }

    fn picture(&self, lab: &Lab) -> Result<String> {
        lab.shell("node-2", "cibadmin --query --scope configuration")
    }

    fn left(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        changed(lab, node, during, true)
    }

    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        changed(lab, node, during, false)
    }
}

fn changed(lab: &Lab, node: &str, during: Window, on: bool) -> Result<Moment> {
    let changes = lab.standby_changes(node)?.into_iter().filter(|(at, is)| during.has(*at) && *is == on);
    Moment::of(changes.map(|(at, _)| at)).context("Pacemaker logged no change of standby")
}

/// The application's unit, which tells itself when it is stopped and started.
struct Unit;

impl Layer for Unit {
    fn name(&self) -> String {
        "the units".to_owned()
    }

    fn picture(&self, lab: &Lab) -> Result<String> {
        let states = "systemctl is-active app.service app-sidecar.service || true";
        let all: Result<Vec<String>> = lab.node_names().into_iter().map(|node| lab.shell(node, states)).collect();
        Ok(all?.join("\n"))
    }

    fn left(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        let at = lab.app_stopped(node)?.filter(|at| during.has(*at));
        Moment::of(at).context("the application logged no stop")
    }

    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        let at = lab.app_started(node)?.filter(|at| during.has(*at));
        Moment::of(at).context("the application logged no start")
    }
}
