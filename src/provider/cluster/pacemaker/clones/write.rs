//! Changes of clones as one patch of the CIB that they were decided on.

use std::fmt::Write as _;

use super::{
    super::{
        cib::Cib,
        element::Element,
        patch::{escape, opening},
    },
    read::{around, is_taken, meta, operation},
};
use crate::{
    clone::{
        Change, Declaration, Held, Place,
        declaration::{Wanted, withhold_id},
    },
    model::NodeName,
    provider::{ProviderError, Result},
};

const RESOURCES: &str = "/cib/configuration/resources";
const CONSTRAINTS: &str = "/cib/configuration/constraints";

/// The patch that makes all these changes; `None` where everything is so already.
///
/// Refused where something is neither what a change leads away from nor what it leads to.
pub(super) fn patch(cib: &Cib, changes: &[Change]) -> Result<Option<String>> {
    let mut patch = Patch { cib, edits: String::new(), added: Vec::new() };
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
    Ok((!patch.edits.is_empty()).then(|| format!("{}{}</diff>", opening(cib.version), patch.edits)))
}

struct Patch<'c> {
    cib: &'c Cib,
    edits: String,
    /// How many elements were put at the end of each path so far.
    added: Vec<(String, usize)>,
}

impl Patch<'_> {
    fn create(&mut self, wanted: &Declaration) -> Result<()> {
        let new = element(wanted);
        let ids: Vec<&str> = new.everything().map(Element::id).filter(|id| !id.is_empty()).collect();
        match self.cib.resources.children.iter().find(|c| c.id() == wanted.clone) {
            Some(there) if there.same(&new) => {}
            Some(_) => return Err(refused(format!("there is a {} already, another one", wanted.clone))),
            None => {
                if let Some(id) = ids.iter().find(|id| is_taken(self.cib, id)) {
                    return Err(refused(format!("the id {id} is in use")));
                }
                self.append(RESOURCES, self.cib.resources.children.len(), &new);
            }
        }
        wanted.withheld.iter().try_for_each(|node| self.withhold(&wanted.clone, &wanted.resource, node))
    }

    fn delete(&mut self, created: &Declaration) -> Result<()> {
        let (resources, constraints) = (&self.cib.resources, &self.cib.constraints);
        let Some(there) = resources.children.iter().find(|c| c.id() == created.clone) else {
            return match around(resources, &created.resource) {
                None => Ok(()),
                Some(_) => Err(refused(format!("{} is not in {} any more", created.resource, created.clone))),
            };
        };
        if !there.same(&element(created)) {
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
            self.remove(&format!("{CONSTRAINTS}/rsc_location{}", by_id(id)?));
        }
        self.remove(&format!("{RESOURCES}/clone{}", by_id(&created.clone)?));
        Ok(())
    }

    fn set(&mut self, clone: &str, resource: &str, place: &Place, from: &Held, to: &Held) -> Result<()> {
        let around = around(&self.cib.resources, resource).unwrap_or_default();
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
        match (pair, home, to.value()) {
            (Some(pair), Some(set), Some(value)) => {
                let path = format!("{path}/meta_attributes{}/nvpair{}", by_id(set.id())?, by_id(pair.id())?);
                self.modify(&path, pair, "value", Some(value));
            }
            (Some(_), Some(set), None) if set.children.len() == 1 => {
                self.remove(&format!("{path}/meta_attributes{}", by_id(set.id())?));
            }
            (Some(pair), Some(set), None) => {
                self.remove(&format!("{path}/meta_attributes{}/nvpair{}", by_id(set.id())?, by_id(pair.id())?));
            }
            (_, _, Some(value)) => match sets().find(|set| set.named("rule").next().is_none()) {
                Some(set) => {
                    let new = nvpair(&self.free(&format!("{}-{name}", set.id())), name, value);
                    self.append(&format!("{path}/meta_attributes{}", by_id(set.id())?), set.children.len(), &new);
                }
                None => {
                    let id = self.free(&format!("{}-meta_attributes", clone.id()));
                    let pair = nvpair(&self.free(&format!("{id}-{name}")), name, value);
                    let new = Element::new("meta_attributes", [("id", &id)]).with([pair]);
                    self.append(path, clone.children.len(), &new);
                }
            },
            (_, _, None) => {}
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
        match (op, to) {
            (Some(op), Held::Value(_) | Held::Bare) => {
                self.modify(&format!("{path}/operations/op{}", by_id(op.id())?), op, attribute, to.value());
            }
            (Some(_), Held::Nothing) if list.is_some_and(|list| list.children.len() == 1) => {
                self.remove(&format!("{path}/operations"));
            }
            (Some(op), Held::Nothing) => self.remove(&format!("{path}/operations/op{}", by_id(op.id())?)),
            (None, _) => {
                let Some(value) = to.value() else { return Ok(()) };
                let new = op_element(&|id| self.free(id), primitive.id(), name, attribute, value);
                match list {
                    Some(list) => self.append(&format!("{path}/operations"), list.children.len(), &new),
                    None => self.append(path, primitive.children.len(), &Element::new("operations", []).with([new])),
                }
            }
        }
        Ok(())
    }

    fn withhold(&mut self, clone: &str, resource: &str, node: &NodeName) -> Result<()> {
        let new = withheld(clone, resource, node);
        match self.cib.constraints.children.iter().find(|c| c.id() == new.id()) {
            Some(there) if there.same(&new) => Ok(()),
            Some(_) => Err(refused(format!("the constraint {} was changed by somebody else", new.id()))),
            None if is_taken(self.cib, new.id()) => Err(refused(format!("the id {} is in use", new.id()))),
            None => {
                self.append(CONSTRAINTS, self.cib.constraints.children.len(), &new);
                Ok(())
            }
        }
    }

    fn admit(&mut self, clone: &str, resource: &str, node: &NodeName) -> Result<()> {
        let ours = withheld(clone, resource, node);
        match self.cib.constraints.children.iter().find(|c| c.id() == ours.id()) {
            None => Ok(()),
            Some(there) if there.same(&ours) => {
                self.remove(&format!("{CONSTRAINTS}/rsc_location{}", by_id(ours.id())?));
                Ok(())
            }
            Some(_) => Err(refused(format!("the constraint {} was changed by somebody else", ours.id()))),
        }
    }

    /// Puts an element at the end of those at `path`, of which there are `there` now.
    fn append(&mut self, path: &str, there: usize, new: &Element) {
        let index = self.added.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            self.added.push((path.to_owned(), 0));
            self.added.len() - 1
        });
        let position = there + self.added[index].1;
        self.added[index].1 += 1;
        let _ = write!(
            self.edits,
            r#"<change operation="create" path="{path}" position="{position}">{}</change>"#,
            new.xml()
        );
    }

    fn remove(&mut self, path: &str) {
        let _ = write!(self.edits, r#"<change operation="delete" path="{path}"/>"#);
    }

    fn modify(&mut self, path: &str, there: &Element, attribute: &str, value: Option<&str>) {
        let mut after = Element { children: Vec::new(), ..there.clone() };
        after.attributes.retain(|(name, _)| name != attribute || value.is_some());
        let change = match value {
            Some(value) => {
                match after.attributes.iter_mut().find(|(name, _)| name == attribute) {
                    Some((_, old)) => value.clone_into(old),
                    None => after.attributes.push((attribute.to_owned(), value.to_owned())),
                }
                format!(r#"<change-attr name="{attribute}" operation="set" value="{}"/>"#, escape(value))
            }
            None => format!(r#"<change-attr name="{attribute}" operation="unset"/>"#),
        };
        let _ = write!(
            self.edits,
            r#"<change operation="modify" path="{path}"><change-list>{change}</change-list><change-result>{}</change-result></change>"#,
            after.xml()
        );
    }

    /// This id, or one like it that nothing else has.
    fn free(&self, id: &str) -> String {
        if is_taken(self.cib, id) { format!("{id}-tidegate") } else { id.to_owned() }
    }
}

/// The clone as it is created: with the ids that pcs would give.
fn element(wanted: &Declaration) -> Element {
    let (resource, clone) = (wanted.resource.as_str(), wanted.clone.as_str());
    let (class, kind) = wanted.agent.split_once(':').unwrap_or(("systemd", &wanted.agent));
    let mut operations = Element::new("operations", []);
    let set = format!("{clone}-meta_attributes");
    let mut meta = Element::new("meta_attributes", [("id", &set)]);
    for Wanted { place, value, .. } in wanted.values() {
        match place {
            Place::Operation { operation, attribute } => {
                operations.children.push(op_element(&str::to_owned, resource, &operation, &attribute, &value));
            }
            Place::Meta { name } => meta.children.push(nvpair(&format!("{set}-{name}"), &name, &value)),
        }
    }
    let primitive = Element::new("primitive", [("id", resource), ("class", class), ("type", kind)]).with([operations]);
    Element::new("clone", [("id", clone)]).with([primitive, meta])
}

fn op_element(free: &dyn Fn(&str) -> String, resource: &str, name: &str, attribute: &str, value: &str) -> Element {
    let interval = if attribute == "interval" { value } else { "0s" };
    let id = free(&format!("{resource}-{name}-interval-{interval}"));
    let mut op = Element::new("op", [("id", &*id), ("name", name), ("interval", interval)]);
    if attribute != "interval" {
        op.attributes.push((attribute.to_owned(), value.to_owned()));
    }
    op
}

fn withheld(clone: &str, resource: &str, node: &NodeName) -> Element {
    let id = withhold_id(resource, node);
    Element::new(
        "rsc_location",
        [
            ("id", &*id),
            ("rsc", clone),
            ("node", node.as_str()),
            ("score", "-INFINITY"),
            ("resource-discovery", "never"),
        ],
    )
}

fn nvpair(id: &str, name: &str, value: &str) -> Element {
    Element::new("nvpair", [("id", id), ("name", name), ("value", value)])
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
