//! Changes of clones as one patch of the CIB that they were decided on.

use self::{edits::Edits, elements::nvpair};
use super::{
    super::{cib::Cib, element::Element, patch::escape},
    read::{around, is_taken, meta, operation},
};
use crate::{
    clone::{Change, Declaration, Held, Place, declaration::withhold_id},
    model::NodeName,
    provider::{ProviderError, Result},
};

mod edits;
mod elements;

const RESOURCES: &str = "/cib/configuration/resources";
const CONSTRAINTS: &str = "/cib/configuration/constraints";

/// The patch that makes all these changes; `None` where everything is so already.
///
/// Refused where something is neither what a change leads away from nor what it leads to.
pub(super) fn patch(cib: &Cib, changes: &[Change]) -> Result<Option<String>> {
    let mut patch = Patch { cib, edits: Edits::default() };
    for change in changes {
        match change {
            Change::Create { declaration } => patch.create(declaration)?,
            Change::Delete { declaration } => patch.delete(declaration)?,
            Change::Set { clone, resource, place, from, to } => patch.set(clone, resource, place, from, to)?,
            Change::Withhold { clone, resource, node } => patch.withhold(clone, resource, node)?,
            Change::Admit { clone, resource, node } => patch.admit(clone, resource, node)?,
            Change::Boot { .. } => {}
        }
    }
    Ok(patch.edits.patch(cib.version))
}

struct Patch<'c> {
    cib: &'c Cib,
    edits: Edits,
}

impl Patch<'_> {
    fn create(&mut self, wanted: &Declaration) -> Result<()> {
        let new = elements::clone(wanted);
        let ids: Vec<&str> = new.everything().map(Element::id).filter(|id| !id.is_empty()).collect();
        match self.cib.sections.resources.children.iter().find(|c| c.id() == wanted.clone) {
            Some(there) if there.same(&new) => {}
            Some(_) => return Err(refused(format!("there is a {} already, another one", wanted.clone))),
            None => {
                if let Some(id) = ids.iter().find(|id| is_taken(self.cib, id)) {
                    return Err(refused(format!("the id {id} is in use")));
                }
                self.edits.append(RESOURCES, self.cib.sections.resources.children.len(), new);
            }
        }
        wanted.withheld.iter().try_for_each(|node| self.withhold(&wanted.clone, &wanted.resource, node))
    }

    fn delete(&mut self, created: &Declaration) -> Result<()> {
        let (resources, constraints) = (&self.cib.sections.resources, &self.cib.sections.constraints);
        let Some(there) = resources.children.iter().find(|c| c.id() == created.clone) else {
            return match around(resources, &created.resource) {
                None => Ok(()),
                Some(_) => Err(refused(format!("{} is not in {} any more", created.resource, created.clone))),
            };
        };
        if !there.same(&elements::clone(created)) {
            return Err(refused(format!("{} was changed since it was created", created.clone)));
        }
        let ours: Vec<String> = created.withheld.iter().map(|node| withhold_id(&created.resource, node)).collect();
        let names = |e: &Element| {
            let values = e.attributes.iter().filter(|(name, _)| name != "id" || e.name == "resource_ref");
            values.map(|(_, v)| v).any(|v| *v == created.clone || *v == created.resource)
        };
        let foreign =
            constraints.children.iter().find(|c| !ours.contains(&c.id().to_owned()) && c.everything().any(names));
        if let Some(constraint) = foreign {
            return Err(refused(format!("the constraint {} is about {}", constraint.id(), created.clone)));
        }
        for id in ours.iter().filter(|id| constraints.children.iter().any(|c| c.id() == id.as_str())) {
            let path = format!("{CONSTRAINTS}/rsc_location{}", by_id(id)?);
            self.edits.remove(CONSTRAINTS, constraints.children.len(), path);
        }
        let path = format!("{RESOURCES}/clone{}", by_id(&created.clone)?);
        self.edits.remove(RESOURCES, resources.children.len(), path);
        Ok(())
    }

    fn set(&mut self, clone: &str, resource: &str, place: &Place, from: &Held, to: &Held) -> Result<()> {
        let around = around(&self.cib.sections.resources, resource).unwrap_or_default();
        let [outer, primitive] = around.as_slice() else {
            return Err(refused(format!("{resource} is no clone")));
        };
        if outer.id() != clone || outer.name != "clone" {
            return Err(refused(format!("{resource} is not in the clone {clone}")));
        }
        let path = format!("{RESOURCES}/clone{}", by_id(clone)?);
        match place {
            Place::Meta { name } => self.set_meta((*outer, &path), name, from, to),
            Place::Operation { operation, attribute } => {
                let path = format!("{path}/primitive{}", by_id(resource)?);
                self.set_operation((*primitive, &path), operation, attribute, from, to)
            }
        }
    }

    fn set_meta(&mut self, (clone, path): (&Element, &str), name: &str, from: &Held, to: &Held) -> Result<()> {
        let pair = meta(clone, name).map_err(refused)?;
        let now = pair.map_or(Held::Nothing, |p| Held::Value(p.attribute("value").unwrap_or_default().to_owned()));
        if &now == to {
            return Ok(());
        }
        if &now != from {
            return Err(changed(clone, name, &now, from));
        }
        let sets = || clone.named("meta_attributes");
        let home = sets().find(|set| set.children.iter().any(|c| pair.is_some_and(|p| std::ptr::eq(c, p))));
        let set_path = |set: &Element| -> Result<String> { Ok(format!("{path}/meta_attributes{}", by_id(set.id())?)) };
        match (pair.zip(home), to.value()) {
            (Some((pair, set)), value) => {
                let holder = set_path(set)?;
                let path = format!("{holder}/nvpair{}", by_id(pair.id())?);
                match value {
                    Some(_) => self.edits.modify(&path, pair, "value", value),
                    None => self.edits.remove(&holder, set.children.len(), path),
                }
            }
            (None, Some(value)) => match sets().find(|set| set.named("rule").next().is_none()) {
                Some(set) => {
                    let new = nvpair(&self.free(&format!("{}-{name}", set.id())), name, value);
                    self.edits.append(&set_path(set)?, set.children.len(), new);
                }
                None => {
                    let id = self.free(&format!("{}-meta_attributes", clone.id()));
                    let new = nvpair(&self.free(&format!("{id}-{name}")), name, value);
                    let set = Element::new("meta_attributes", [("id", &id)]);
                    self.edits.append_into(path, clone.children.len(), set, new);
                }
            },
            (None, None) => {}
        }
        Ok(())
    }

    fn set_operation(
        &mut self,
        (primitive, path): (&Element, &str),
        name: &str,
        attribute: &str,
        from: &Held,
        to: &Held,
    ) -> Result<()> {
        let op = operation(primitive, name).map_err(refused)?;
        let value = |op: &Element| op.attribute(attribute).map_or(Held::Bare, |v| Held::Value(v.to_owned()));
        let now = op.map_or(Held::Nothing, value);
        if &now == to {
            return Ok(());
        }
        if &now != from {
            return Err(changed(primitive, &format!("{name} {attribute}"), &now, from));
        }
        let list = primitive.named("operations").next();
        let holder = format!("{path}/operations");
        match (op, to) {
            (Some(op), Held::Value(_) | Held::Bare) => {
                self.edits.modify(&format!("{holder}/op{}", by_id(op.id())?), op, attribute, to.value());
            }
            (Some(op), Held::Nothing) => {
                let there = list.map_or(0, |list| list.children.len());
                self.edits.remove(&holder, there, format!("{holder}/op{}", by_id(op.id())?));
            }
            (None, _) => {
                let Some(value) = to.value() else { return Ok(()) };
                let new = elements::operation(&|id| self.free(id), primitive.id(), name, attribute, value);
                match list {
                    Some(list) => self.edits.append(&holder, list.children.len(), new),
                    None => {
                        let list = Element::new("operations", []);
                        self.edits.append_into(path, primitive.children.len(), list, new);
                    }
                }
            }
        }
        Ok(())
    }

    fn withhold(&mut self, clone: &str, resource: &str, node: &NodeName) -> Result<()> {
        let new = elements::withheld(clone, resource, node);
        match self.cib.sections.constraints.children.iter().find(|c| c.id() == new.id()) {
            Some(there) if there.same(&new) => Ok(()),
            Some(_) => Err(refused(format!("the constraint {} was changed by somebody else", new.id()))),
            None if is_taken(self.cib, new.id()) => Err(refused(format!("the id {} is in use", new.id()))),
            None => {
                self.edits.append(CONSTRAINTS, self.cib.sections.constraints.children.len(), new);
                Ok(())
            }
        }
    }

    fn admit(&mut self, clone: &str, resource: &str, node: &NodeName) -> Result<()> {
        let ours = elements::withheld(clone, resource, node);
        match self.cib.sections.constraints.children.iter().find(|c| c.id() == ours.id()) {
            None => Ok(()),
            Some(there) if there.same(&ours) => {
                let path = format!("{CONSTRAINTS}/rsc_location{}", by_id(ours.id())?);
                self.edits.remove(CONSTRAINTS, self.cib.sections.constraints.children.len(), path);
                Ok(())
            }
            Some(_) => Err(refused(format!("the constraint {} was changed by somebody else", ours.id()))),
        }
    }

    /// This id, or one like it that nothing else has.
    fn free(&self, id: &str) -> String {
        if is_taken(self.cib, id) { format!("{id}-tidegate") } else { id.to_owned() }
    }
}

/// Paths quote ids with apostrophes, and XPath knows no escape for them.
fn by_id(id: &str) -> Result<String> {
    if id.is_empty() || id.contains('\'') {
        return Err(refused(format!("an element has the id \"{id}\", by which no patch can address it")));
    }
    Ok(format!("[@id='{}']", escape(id)))
}

fn changed(element: &Element, what: &str, now: &Held, from: &Held) -> ProviderError {
    refused(format!("{what} of {} is {now} and no longer {from}: somebody changed it", element.id()))
}

fn refused(why: String) -> ProviderError {
    ProviderError::Refused(why)
}
