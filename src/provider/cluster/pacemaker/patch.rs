//! The changes of a node's attributes, decided on one reading of the CIB and written as one patch of exactly that CIB.
//!
//! A patch carries the version that it was made for and the version that it leads to. Pacemaker applies it as a
//! whole, on every member at the same place in the order of changes, and refuses it where anything was changed in
//! between. So standby and mark appear together and disappear together, whatever crashes, and no edit of
//! somebody else is ever overwritten: the loser of a race reads again and decides again.
//!
//! Our own texts are kept to printable ASCII and to a length, because a cluster's configuration is no place for
//! surprises: Pacemaker 2.1.5 writes a `<` after a non-ASCII character without escaping it, and can then not
//! read its own configuration again.

use super::cib::{AttributeSet, Cib, Entry, MARK_OPERATOR, MARK_REASON, MARK_RUN, Pair, Version, flag};
use crate::{
    model::{NodeName, RunId, action::Ownership},
    provider::{ProviderError, Result},
};

/// Longest run id that is written; a longer one is refused, since a shortened one would be another run's.
const RUN_LENGTH: usize = 128;
/// Longest operator that is written.
const OPERATOR_LENGTH: usize = 64;
/// Longest reason that is written.
const REASON_LENGTH: usize = 200;

/// The patch that sets an attribute of `node` (`standby`, `maintenance`; none where another service keeps it) with the
/// mark of `owner`; `None` where both are set already.
///
/// Refused where what is set is somebody else's (another run's, or a person's): taking it over would make a later
/// restore end what was never ours.
pub(super) fn hold(
    cib: &Cib,
    node: &NodeName,
    owner: &Ownership,
    attribute: Option<(&str, &str)>,
) -> Result<Option<String>> {
    let entry = entry(cib, node)?;
    let ours = entry.owner().is_some_and(|other| other.run == owner.run);
    if let Some(value) = entry.transient_standby.as_ref().filter(|_| !ours) {
        return Err(refused(format!(
            "{node} has a standby attribute '{value}' that lasts until its restart; \
             'crm_attribute -N {node} -n standby -l reboot -D' removes it"
        )));
    }
    match entry.owner() {
        Some(other) if other.run != owner.run => {
            return Err(refused(format!("{node} is held by {} of {}", other.run, other.operator)));
        }
        None => {
            if let Some((name, _)) = attribute.filter(|(name, _)| entry.value(name).and_then(flag) == Some(true)) {
                return Err(refused(format!("{node} is already in {name}, and not by Tidegate")));
            }
        }
        Some(_) => {}
    }
    let (operator, reason) = (plain(&owner.operator, OPERATOR_LENGTH), plain(&owner.reason, REASON_LENGTH));
    let mark = [(MARK_RUN, run_id(&owner.run)?), (MARK_OPERATOR, operator.as_str()), (MARK_REASON, reason.as_str())];
    let wanted: Vec<_> = attribute.into_iter().chain(mark).map(|(name, value)| (name, Some(value))).collect();
    let edits = edits(node, entry, &wanted)?;
    Ok(render(cib.version, entry, &edits))
}

/// The patch that puts an attribute (or none) back to what it was and removes our mark; `None` where both is so already.
///
/// Refused where the mark is not `owner`'s.
pub(super) fn release(
    cib: &Cib,
    node: &NodeName,
    owner: &RunId,
    attribute: Option<(&str, Option<&str>)>,
) -> Result<Option<String>> {
    let entry = entry(cib, node)?;
    let stored = attribute.and_then(|(name, _)| entry.value(name));
    let (name, before) = attribute.unwrap_or_default();
    match entry.owner() {
        Some(mark) if &mark.run == owner => {}
        Some(mark) => {
            return Err(refused(format!(
                "{node} is held by {} of {} ({}), not by {owner}",
                mark.run, mark.operator, mark.reason
            )));
        }
        None if stored == before => return Ok(None),
        None => {
            return Err(refused(format!(
                "{node} no longer carries the mark of {owner}, and its {name} attribute is {}: not ours to change",
                stored.map_or("absent".to_owned(), |v| format!("'{v}'"))
            )));
        }
    }
    if before.is_some_and(|value| plain(value, REASON_LENGTH) != value) {
        return Err(refused(format!("the {name} attribute of {node} before the drain was no plain text")));
    }
    let mark = [(MARK_RUN, None), (MARK_OPERATOR, None), (MARK_REASON, None)];
    let wanted: Vec<_> = attribute.into_iter().chain(mark).collect();
    let edits = edits(node, entry, &wanted)?;
    Ok(render(cib.version, entry, &edits))
}

/// One change of one element.
#[derive(Debug, PartialEq)]
enum Edit<'a> {
    Change { set: &'a AttributeSet, pair: &'a Pair, id: &'a str, value: &'a str },
    Remove { set: &'a AttributeSet, id: &'a str },
    RemoveSet { set: &'a AttributeSet },
    Add { set: &'a AttributeSet, position: usize, name: &'a str, value: &'a str },
    AddSet { pairs: Vec<(&'a str, &'a str)> },
}

/// What must change for these attributes to have these values, and nothing else.
fn edits<'a>(node: &NodeName, entry: &'a Entry, wanted: &[(&'a str, Option<&'a str>)]) -> Result<Vec<Edit<'a>>> {
    let mut edits = Vec::new();
    let mut missing = Vec::new();
    let mut home = None;
    for &(name, value) in wanted {
        match (the_place(node, entry, name)?, value) {
            (Some((set, pair, id)), Some(value)) => {
                home = home.or(Some(set));
                if pair.value != value {
                    edits.push(Edit::Change { set, pair, id, value });
                }
            }
            (Some((set, _, id)), None) => edits.push(Edit::Remove { set, id }),
            (None, Some(value)) => missing.push((name, value)),
            (None, None) => {}
        }
    }
    if missing.is_empty() {
        return Ok(without_emptied_sets(entry, edits));
    }
    match home.or_else(|| entry.sets.iter().find(|s| s.plain)) {
        Some(set) => edits.extend(missing.into_iter().enumerate().map(|(index, (name, value))| Edit::Add {
            set,
            position: set.children + index,
            name,
            value,
        })),
        None => edits.push(Edit::AddSet { pairs: missing }),
    }
    Ok(edits)
}

/// A set that our removals leave empty was made for what is removed: it goes too.
fn without_emptied_sets<'a>(entry: &'a Entry, mut edits: Vec<Edit<'a>>) -> Vec<Edit<'a>> {
    for set in &entry.sets {
        let ours = |e: &Edit<'_>| matches!(e, Edit::Remove { set: s, .. } if s.id == set.id);
        let removed = edits.iter().filter(|e| ours(e)).count();
        if removed > 0 && removed == set.children {
            edits.retain(|e| !ours(e));
            edits.push(Edit::RemoveSet { set });
        }
    }
    edits
}

/// The one place that sets an attribute. Where there are several, or one that a rule decides about, no single
/// change puts it back as it was.
fn the_place<'a>(
    node: &NodeName,
    entry: &'a Entry,
    name: &'a str,
) -> Result<Option<(&'a AttributeSet, &'a Pair, &'a str)>> {
    let mut places = entry.places(name);
    let first = places.next();
    if places.next().is_some() {
        return Err(refused(format!("the attribute {name} of {node} is set in more than one place")));
    }
    match first {
        None => Ok(None),
        Some((set, pair @ Pair { id: Some(id), .. })) if set.plain => Ok(Some((set, pair, id))),
        Some(_) => Err(refused(format!("the attribute {name} of {node} depends on a rule or a reference"))),
    }
}

/// The patch in Pacemaker's own format (`crm_diff` writes the same); `None` where there is nothing to change.
fn render(version: Version, entry: &Entry, edits: &[Edit<'_>]) -> Option<String> {
    if edits.is_empty() {
        return None;
    }
    let node = format!("/cib/configuration/nodes/node[@id='{}']", escape(&entry.id));
    let in_set = |set: &AttributeSet| format!("{node}/instance_attributes[@id='{}']", escape(&set.id));
    let mut changes = String::new();
    for edit in edits {
        changes += &match edit {
            Edit::Change { set, pair, id, value } => format!(
                r#"<change operation="modify" path="{}/nvpair[@id='{}']"><change-list><change-attr name="value" operation="set" value="{}"/></change-list><change-result>{}</change-result></change>"#,
                in_set(set),
                escape(id),
                escape(value),
                nvpair(id, &pair.name, value)
            ),
            Edit::Remove { set, id } => {
                format!(r#"<change operation="delete" path="{}/nvpair[@id='{}']"/>"#, in_set(set), escape(id))
            }
            Edit::RemoveSet { set } => format!(r#"<change operation="delete" path="{}"/>"#, in_set(set)),
            Edit::Add { set, position, name, value } => format!(
                r#"<change operation="create" path="{}" position="{position}">{}</change>"#,
                in_set(set),
                nvpair(&format!("{}-{name}", set.id), name, value)
            ),
            Edit::AddSet { pairs } => {
                let id = new_set_id(entry);
                let pairs: String = pairs.iter().map(|(n, v)| nvpair(&format!("{id}-{n}"), n, v)).collect();
                format!(
                    r#"<change operation="create" path="{node}" position="{}"><instance_attributes id="{}">{pairs}</instance_attributes></change>"#,
                    entry.children,
                    escape(&id)
                )
            }
        };
    }
    Some(diff(version, &changes))
}

/// A patch of exactly this version of the CIB.
pub(super) fn diff(version: Version, changes: &str) -> String {
    let Version { admin_epoch, epoch, num_updates } = version;
    format!(
        r#"<diff format="2"><version><source admin_epoch="{admin_epoch}" epoch="{epoch}" num_updates="{num_updates}"/><target admin_epoch="{admin_epoch}" epoch="{}" num_updates="0"/></version>{changes}</diff>"#,
        epoch + 1
    )
}

/// The id that pcs gives a node's first set, unless a set with a rule has it.
fn new_set_id(entry: &Entry) -> String {
    let usual = format!("nodes-{}", entry.id);
    if entry.sets.iter().any(|s| s.id == usual) { format!("{usual}-tidegate") } else { usual }
}

fn nvpair(id: &str, name: &str, value: &str) -> String {
    format!(r#"<nvpair id="{}" name="{}" value="{}"/>"#, escape(id), escape(name), escape(value))
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;")
}

/// Printable ASCII, at most `length` of it: control characters become spaces, anything else a question mark.
fn plain(text: &str, length: usize) -> String {
    let text = text.trim();
    let safe = |c: char| match c {
        ' '..='~' => c,
        c if c.is_control() || c.is_whitespace() => ' ',
        _ => '?',
    };
    if text.chars().count() <= length {
        return text.chars().map(safe).collect();
    }
    text.chars().take(length.saturating_sub(3)).map(safe).chain("...".chars()).collect()
}

pub(super) fn run_id(run: &RunId) -> Result<&str> {
    let id = run.as_str();
    let clean = id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@+".contains(c));
    if id.is_empty() || id.len() > RUN_LENGTH || !clean {
        return Err(refused(format!("'{}' cannot be the mark of a run", plain(id, RUN_LENGTH))));
    }
    Ok(id)
}

fn entry<'a>(cib: &'a Cib, node: &NodeName) -> Result<&'a Entry> {
    let entry =
        cib.nodes.get(node).ok_or_else(|| refused(format!("the cluster's configuration has no node {node}")))?;
    // Paths quote ids with apostrophes, and XPath knows no escape for them.
    if entry.id.contains('\'') || entry.sets.iter().any(|s| s.id.contains('\'')) {
        return Err(refused(format!("the configuration of {node} has an id with an apostrophe")));
    }
    Ok(entry)
}

pub(super) fn refused(why: String) -> ProviderError {
    ProviderError::Refused(why)
}
