//! What has to change in a set so that one member is as desired: pure, and the place where the rules are.
//!
//! * Never the last record: without it the name does not exist, and resolvers remember that as well.
//! * Nobody else's record is touched, and nobody else's TTL: a record that comes back takes the set's TTL with it, so
//!   where that was changed in the meantime, the record stays out and a person is told.
//! * A change is made against the set *as it was read*. The update says so itself, and a server that holds another set
//!   by then does nothing.

use std::collections::BTreeSet;

use super::{
    data::{Data, Goal, Type},
    set::{Entry, Receipt, RrSet, listed},
};
use crate::model::Desired;

/// Records that go and come, all in one update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// These go.
    pub remove: BTreeSet<Data>,
    /// These come.
    pub add: BTreeSet<Data>,
    /// The TTL of those that come.
    pub ttl: u32,
}

/// The way from `now` to what is desired of one member; `None` where it is so already. `ttl` is for a set that has none.
pub(super) fn towards(
    now: &RrSet,
    kind: Type,
    entry: &Entry,
    desired: &Desired,
    ttl: Option<u32>,
) -> Result<Option<Change>, String> {
    let present = now.of(entry);
    match desired {
        // Nothing is checked here.
        Desired::FreshCheck => Ok(None),
        Desired::Drained | Desired::Closed => between(now, entry, BTreeSet::new(), None),
        Desired::Serving { weight: 0 } => Err(format!("a record of {} has no share of 0: drain it", entry.node)),
        Desired::Serving { weight } => {
            let records = if present.is_empty() { BTreeSet::from([fresh(now, kind, entry)?]) } else { present };
            let heavy = || format!("the weight {weight} is more than a record can have");
            let records: Option<BTreeSet<Data>> = records.iter().map(|data| data.weighing(*weight)).collect();
            between(now, entry, records.ok_or_else(heavy)?, now.ttl.or(ttl))
        }
        Desired::Exactly { exact } => {
            let (ttl, records) = Receipt::read(exact, kind, entry)?;
            between(now, entry, records, ttl)
        }
    }
}

fn between(now: &RrSet, entry: &Entry, wanted: BTreeSet<Data>, ttl: Option<u32>) -> Result<Option<Change>, String> {
    let (present, others) = (now.of(entry), now.beside(entry));
    if wanted == present && (wanted.is_empty() || ttl == now.ttl) {
        return Ok(None);
    }
    if wanted.is_empty() && others.is_empty() {
        return Err(format!(
            "{} is the last record: without it the name would not exist, and resolvers would remember that",
            listed(&present)
        ));
    }
    let ttl = match (ttl, now.ttl) {
        (None, _) if wanted.is_empty() => 0,
        (None, _) => return Err("no TTL is known for a set that is empty now: configure `ttl`".into()),
        (Some(ours), Some(theirs)) if ours != theirs && !others.is_empty() => {
            return Err(format!(
                "the TTL of {} is {theirs} s now, and was {ours} s when {} left: somebody changed it. With that \
                 record back it would be {ours} s again for all of them. Set it to {ours} s, or put the record back by hand",
                listed(&others),
                entry.node
            ));
        }
        (Some(ours), _) => ours,
    };
    // A record that is there already is written again where only its TTL differs.
    let add = if now.ttl == Some(ttl) { &wanted - &present } else { wanted.clone() };
    let remove = &present - &wanted;
    Ok(Some(Change { remove, add, ttl }))
}

/// A record for a member that has none: as configured, or else as all the others are.
fn fresh(now: &RrSet, kind: Type, entry: &Entry) -> Result<Data, String> {
    if let Some(record) = &entry.record {
        return Ok(record.clone());
    }
    let Goal::Target(target) = &entry.goal else { return Err(format!("no address is known of {}", entry.node)) };
    let patterns: Option<BTreeSet<Data>> = now.records.iter().map(|data| data.leading_to(target)).collect();
    match patterns {
        Some(patterns) if patterns.len() == 1 => patterns.into_iter().next().ok_or_else(String::new),
        _ => Err(format!(
            "nothing says what the {kind} record of {} should be: the configuration names only its target, and the \
             others ({}) are no pattern for it. Write the whole record into `record`",
            entry.node,
            now.shown()
        )),
    }
}

/// The whole set with another TTL; `None` where it has it already. It must have had `from`.
pub(super) fn retimed(now: &RrSet, from: u32, to: u32) -> Result<Option<Change>, String> {
    match now.ttl {
        None => Err("there is no record whose TTL could be changed".into()),
        Some(ttl) if ttl == to => Ok(None),
        Some(ttl) if ttl == from => Ok(Some(Change { remove: BTreeSet::new(), add: now.records.clone(), ttl: to })),
        Some(ttl) => Err(format!("the TTL is {ttl} s now, and not {from} s any more: somebody changed it")),
    }
}

/// What another hand did between two looks, in words.
pub(super) fn differences(before: &RrSet, now: &RrSet) -> String {
    let (gone, come) = (&before.records - &now.records, &now.records - &before.records);
    let mut words = Vec::new();
    if !gone.is_empty() {
        words.push(format!("{} went", listed(&gone)));
    }
    if !come.is_empty() {
        words.push(format!("{} came", listed(&come)));
    }
    if before.ttl != now.ttl && !before.records.is_empty() && !now.records.is_empty() {
        let shown = |ttl: Option<u32>| ttl.map_or_else(|| "none".into(), |ttl| format!("{ttl} s"));
        words.push(format!("the TTL turned from {} to {}", shown(before.ttl), shown(now.ttl)));
    }
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests;
