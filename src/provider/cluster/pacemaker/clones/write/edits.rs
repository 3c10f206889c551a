//! Edits of one CIB, in Pacemaker's own format (`crm_diff` writes the same).
//!
//! What is put into an element that is not there yet is gathered first, so that it is made once; an element that
//! removals leave empty was made for what is removed, and goes too.

use super::super::super::{
    cib::Version,
    element::Element,
    patch::{diff, escape},
};

/// Edits that are applied together or not at all.
#[derive(Default)]
pub(super) struct Edits {
    modified: Vec<String>,
    /// The path of what holds it, how many children that has, and the path itself.
    removed: Vec<(String, usize, String)>,
    /// What is put at the end of the children at a path, of which there are so many now.
    appended: Vec<(String, usize, Element)>,
}

impl Edits {
    /// Puts an element at the end of the `there` children at `path`.
    pub(super) fn append(&mut self, path: &str, there: usize, new: Element) {
        self.appended.push((path.to_owned(), there, new));
    }

    /// Puts something into an element at `path` that is itself to be made: `around`, once.
    pub(super) fn append_into(&mut self, path: &str, there: usize, around: Element, new: Element) {
        let known =
            self.appended.iter_mut().find(|(p, _, e)| p == path && e.name == around.name && e.id() == around.id());
        match known {
            Some((_, _, around)) => around.children.push(new),
            None => self.append(path, there, around.with([new])),
        }
    }

    /// Takes out `path`, one of the `there` children of `holder`.
    pub(super) fn remove(&mut self, holder: &str, there: usize, path: String) {
        self.removed.push((holder.to_owned(), there, path));
    }

    /// Sets or unsets one attribute of the element at `path`.
    pub(super) fn modify(&mut self, path: &str, there: &Element, attribute: &str, value: Option<&str>) {
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
        self.modified.push(format!(
            r#"<change operation="modify" path="{path}"><change-list>{change}</change-list><change-result>{}</change-result></change>"#,
            after.xml()
        ));
    }

    /// The patch of the CIB of this version; `None` where there is nothing to change.
    pub(super) fn patch(self, version: Version) -> Option<String> {
        let mut edits = self.modified.concat();
        let mut emptied: Vec<&str> = Vec::new();
        for (holder, there, path) in &self.removed {
            let gone = self.removed.iter().filter(|(h, ..)| h == holder).count();
            let refilled = self.appended.iter().any(|(p, ..)| p == holder);
            // The sections of the configuration stay, whatever is in them.
            let is_section = !holder.contains('[');
            if gone < *there || refilled || is_section {
                edits += &format!(r#"<change operation="delete" path="{path}"/>"#);
            } else if !emptied.contains(&holder.as_str()) {
                emptied.push(holder);
                edits += &format!(r#"<change operation="delete" path="{holder}"/>"#);
            }
        }
        for (index, (path, there, new)) in self.appended.iter().enumerate() {
            let before = self.appended[..index].iter().filter(|(p, ..)| p == path).count();
            edits += &format!(
                r#"<change operation="create" path="{path}" position="{}">{}</change>"#,
                there + before,
                new.xml()
            );
        }
        (!edits.is_empty()).then(|| diff(version, &edits))
    }
}
