//! How a node leaves the cluster's work, and how it comes back, as changes of the CIB.
//!
//! Standby and maintenance are attributes of the node, with our mark beside them. A standby until the restart is kept by
//! Pacemaker's attribute daemon and forgotten with the node's other transient attributes: the CIB has only our mark, and
//! the attribute is set by `crm_attribute`. A ban is a location constraint whose id names the run, so that whoever finds
//! it knows whose it is, and no other can be taken for it.

use super::{
    cib::{BAN, Cib, MAINTENANCE, STANDBY},
    clones,
    patch::{diff, escape, hold, refused, release, run_id},
};
use crate::{
    clone::Change,
    model::{Leave, NodeName, RunId, action::Ownership},
    provider::Result,
};

/// The patch after which `node` has left for `owner`; `None` where it has already.
pub(super) fn leave(cib: &Cib, node: &NodeName, owner: &Ownership, leave: &Leave) -> Result<Option<String>> {
    match leave {
        Leave::Standby => hold(cib, node, owner, Some((STANDBY, "on"))),
        Leave::StandbyUntilRestart => hold(cib, node, owner, None),
        Leave::Maintenance => hold(cib, node, owner, Some((MAINTENANCE, "true"))),
        Leave::Ban { resource, .. } => ban(cib, node, &owner.run, resource),
        Leave::Release { resource, .. } => {
            keeper(cib, resource, |clone, resource| Change::Withhold { clone, resource, node: node.clone() })
        }
        Leave::Adopt { .. } => Ok(None),
    }
}

/// The patch after which nothing of `owner`'s keeps `node` out; `None` where nothing does.
pub(super) fn rejoin(
    cib: &Cib,
    node: &NodeName,
    owner: &RunId,
    leave: &Leave,
    before: Option<&str>,
) -> Result<Option<String>> {
    match leave {
        Leave::Standby => release(cib, node, owner, Some((STANDBY, before))),
        Leave::StandbyUntilRestart => release(cib, node, owner, None),
        Leave::Maintenance => release(cib, node, owner, Some((MAINTENANCE, before))),
        Leave::Ban { .. } => unban(cib, owner),
        Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => {
            keeper(cib, resource, |clone, resource| Change::Admit { clone, resource, node: node.clone() })
        }
    }
}

/// Takes a clone's unit on one node out of the cluster's hands, or gives it into them: the clone manager's own changes.
fn keeper(cib: &Cib, resource: &str, change: impl Fn(String, String) -> Change) -> Result<Option<String>> {
    let clone = cib.clones.get(resource).ok_or_else(|| refused(format!("there is no clone of {resource}")))?;
    clones::patch(cib, &[change(clone.clone(), resource.to_owned())])
}

fn ban(cib: &Cib, node: &NodeName, run: &RunId, resource: &str) -> Result<Option<String>> {
    if !cib.nodes.contains_key(node) {
        return Err(refused(format!("the cluster's configuration has no node {node}")));
    }
    match cib.bans.iter().find(|b| b.node == *node && b.resource == resource) {
        Some(ban) if ban.run == *run => return Ok(None),
        Some(ban) => return Err(refused(format!("{node} is banned for {resource} by {}", ban.run))),
        None => {}
    }
    let clone = cib.clones.get(resource).ok_or_else(|| refused(format!("there is no clone of {resource}")))?;
    let (id, clone, node) = (escape(&ban_id(run)?), escape(clone), escape(node.as_str()));
    Ok(Some(diff(
        cib.version,
        &format!(
            r#"<change operation="create" path="/cib/configuration/constraints" position="{}"><rsc_location id="{id}" rsc="{clone}" node="{node}" score="-INFINITY"/></change>"#,
            cib.constraints
        ),
    )))
}

fn unban(cib: &Cib, run: &RunId) -> Result<Option<String>> {
    if !cib.bans.iter().any(|b| b.run == *run) {
        return Ok(None);
    }
    let change = format!(
        r#"<change operation="delete" path="/cib/configuration/constraints/rsc_location[@id='{}']"/>"#,
        escape(&ban_id(run)?)
    );
    Ok(Some(diff(cib.version, &change)))
}

/// An id of XML: letters, digits, `-`, `_` and `.`.
fn ban_id(run: &RunId) -> Result<String> {
    let id = run_id(run)?;
    if id.contains([':', '@', '+']) {
        return Err(refused(format!("'{id}' cannot be part of a constraint's id")));
    }
    Ok(format!("{BAN}{id}"))
}
