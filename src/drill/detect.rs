//! How long it took until a fault was seen, until nobody was sent there any more, and until all was back: pure, from what
//! was sighted and when. What cannot be told is told as unknown, with the reason: silence is neither a detection nor a
//! removal.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::NodeName;

mod sighting;

pub use sighting::{Seen, Sighting, Standing, Times, Took, Way};

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// When the fault was there.
    pub from: Timestamp,
    /// When it was gone; `None` where it is there still.
    pub until: Option<Timestamp>,
    /// What it was played on, where that is a node: it has to be ready again.
    pub node: Option<&'a NodeName>,
    /// Every way that leads there.
    pub ways: &'a [Way],
}

/// What was seen, in its order, as the times that it makes.
pub fn times(seen: &[Seen], question: &Question<'_>) -> Times {
    let mut sorted: Vec<&Seen> = seen.iter().collect();
    sorted.sort_by_key(|s| s.at);
    let before = World::at(&sorted, question.from);
    let lacks = lacking(&before, question);
    let unless = |answer: &dyn Fn() -> Took| lacks.clone().map_or_else(answer, Took::Unknown);
    Times {
        detection: unless(&|| detection(&sorted, question, &before)),
        removal: unless(&|| removal(&sorted, question, question.ways)),
        recovery: unless(&|| recovery(&sorted, question, &before)),
        cluster: cluster(&sorted, question),
        ways: each(&sorted, question),
    }
}

/// Everything as it was last seen up to a moment.
#[derive(Default)]
struct World<'a> {
    ways: BTreeMap<&'a Way, &'a Standing>,
    ready: BTreeMap<&'a NodeName, Option<bool>>,
}

impl<'a> World<'a> {
    fn at(seen: &[&'a Seen], moment: Timestamp) -> Self {
        let mut world = Self::default();
        seen.iter().take_while(|s| s.at <= moment).for_each(|s| world.take(s));
        world
    }

    fn take(&mut self, seen: &'a Seen) {
        match &seen.sighting {
            Sighting::Way { way, standing } => drop(self.ways.insert(way, standing)),
            Sighting::Ready { node, ready } => drop(self.ready.insert(node, *ready)),
            Sighting::Told { .. } | Sighting::Member { .. } => {}
        }
    }

    fn is(&self, way: &Way, standing: &Standing) -> bool {
        self.ways.get(way) == Some(&standing)
    }
}

/// Why nothing can be said at all.
fn lacking(before: &World<'_>, question: &Question<'_>) -> Option<String> {
    if question.ways.is_empty() {
        return Some("no route that is watched leads there".into());
    }
    let sends = question.ways.iter().any(|way| before.is(way, &Standing::Sends));
    (!sends).then(|| "no route was seen to send clients there before".to_owned())
}

/// The first way that sent clients there and then knew, or was told.
fn detection(seen: &[&Seen], question: &Question<'_>, before: &World<'_>) -> Took {
    let knew = |s: &&&Seen| match &s.sighting {
        Sighting::Way { way, standing: Standing::Doubts | Standing::Out } => {
            question.ways.contains(way) && before.is(way, &Standing::Sends)
        }
        Sighting::Told { way } => question.ways.contains(way),
        _ => false,
    };
    // After its end, who is told is told of something else.
    let first = seen.iter().filter(|s| s.at > question.from && question.until.is_none_or(|end| s.at <= end)).find(knew);
    first.map_or_else(|| Took::Unknown("no route noticed it".into()), |s| Took::between(question.from, s.at))
}

/// The first moment at which all of these sent nobody there. It counts while the fault lasts, and after it.
fn removal(seen: &[&Seen], question: &Question<'_>, ways: &[Way]) -> Took {
    let mut world = World::at(seen, question.from);
    let gone = |world: &World<'_>| ways.iter().all(|way| world.is(way, &Standing::Out));
    if gone(&world) {
        return Took::Seconds(0.0);
    }
    let lasted = |s: &&&Seen| question.until.is_none_or(|end| s.at <= end);
    for s in seen.iter().filter(|s| s.at > question.from).take_while(lasted) {
        world.take(s);
        if gone(&world) {
            return Took::between(question.from, s.at);
        }
    }
    let still = ways.iter().find(|way| !world.is(way, &Standing::Out));
    Took::Unknown(match still.map(|way| (way, world.ways.get(way))) {
        Some((way, Some(Standing::Silent(why)))) => format!("{} at {} did not say: {why}", way.route, way.instance),
        Some((way, Some(_))) => format!("{} at {} sent clients there all the while", way.route, way.instance),
        Some((way, None)) => format!("{} at {} was never seen", way.route, way.instance),
        None => "never all at the same time".into(),
    })
}

/// The first moment after its end at which the node was ready, and was sent clients by all that had done so before.
fn recovery(seen: &[&Seen], question: &Question<'_>, before: &World<'_>) -> Took {
    let Some(end) = question.until else { return Took::Unknown("the fault is not over".into()) };
    let wanted: Vec<&Way> = question.ways.iter().filter(|way| before.is(way, &Standing::Sends)).collect();
    let lacks = |world: &World<'_>| {
        let not_ready = question.node.filter(|node| world.ready.get(node) != Some(&Some(true)));
        let away = wanted.iter().find(|way| !world.is(way, &Standing::Sends));
        not_ready
            .map(|node| format!("{node} was not seen to be ready again"))
            .or_else(|| away.map(|way| format!("{} at {} does not send clients there again", way.route, way.instance)))
    };
    let mut world = World::at(seen, end);
    if lacks(&world).is_none() {
        return Took::Seconds(0.0);
    }
    for s in seen.iter().filter(|s| s.at > end) {
        world.take(s);
        if lacks(&world).is_none() {
            return Took::between(end, s.at);
        }
    }
    Took::Unknown(lacks(&world).unwrap_or_default())
}

fn cluster(seen: &[&Seen], question: &Question<'_>) -> Took {
    let lost = |s: &&&Seen| matches!(&s.sighting, Sighting::Member { node, usable: Some(false) } if Some(node) == question.node);
    let first = seen.iter().filter(|s| s.at > question.from).find(lost);
    first.map_or_else(|| Took::Unknown("the cluster did not lose it".into()), |s| Took::between(question.from, s.at))
}

fn each(seen: &[&Seen], question: &Question<'_>) -> BTreeMap<String, Took> {
    let took = |way: &Way| removal(seen, question, std::slice::from_ref(way));
    question.ways.iter().map(|way| (format!("{} at {}", way.route, way.instance), took(way))).collect()
}

#[cfg(test)]
mod tests;
