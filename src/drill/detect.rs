//! How long it took until a fault was seen, until nobody was sent there any more, and until all was back: pure, from what
//! was sighted and when. What cannot be told is told as unknown, with the reason: silence is neither a detection nor a
//! removal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::NodeName;

mod sighting;

pub use sighting::{Seen, Sighting, Standing, Times, Took, Way};

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// When it was begun: what was seen up to then is what was before. A fence device takes seconds until it is done.
    pub begun: Timestamp,
    /// When the fault was there.
    pub from: Timestamp,
    /// When it was gone; `None` where it is there still.
    pub until: Option<Timestamp>,
    /// Whether nothing keeps it going: a kill, a fencing. Its end is no end of anything then.
    pub momentary: bool,
    /// What it was played on, where that is a node: it has to be ready again.
    pub node: Option<&'a NodeName>,
    /// Every way that leads there.
    pub ways: &'a [Way],
    /// Instances of routes that were broken themselves: a load balancer, a name server, an announcer.
    pub lost: &'a [Way],
}

/// What was seen, in its order, as the times that it makes.
pub fn times(seen: &[Seen], question: &Question<'_>) -> Times {
    let mut sorted: Vec<&Seen> = seen.iter().collect();
    sorted.sort_by_key(|s| s.at);
    let before = World::at(&sorted, question.begun);
    let lacks = lacking(&before, question);
    let unless = |answer: &dyn Fn() -> Took| lacks.clone().map_or_else(answer, Took::Unknown);
    let noticed = if lacks.is_none() { noticed(&sorted, question, &before) } else { None };
    let (recovered, counted) = recovery(&sorted, question, &before);
    Times {
        detection: unless(&|| match noticed {
            Some((at, _)) => Took::between(question.from, at),
            None => Took::Unknown("no route noticed it".into()),
        }),
        noticed: noticed.map(|(_, sighting)| words(sighting)),
        removal: unless(&|| removal(&sorted, question, question.ways)),
        recovery: unless(&|| recovered.clone()),
        counted: if lacks.is_none() { counted.map(str::to_owned) } else { None },
        cluster: cluster(&sorted, question),
        ways: each(&sorted, question),
    }
}

/// Everything as it was last seen up to a moment.
#[derive(Default)]
struct World<'a> {
    ways: BTreeMap<&'a Way, &'a Standing>,
    sends: BTreeMap<&'a Way, Option<&'a BTreeSet<String>>>,
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
            Sighting::Instance { way, sends } => drop(self.sends.insert(way, sends.as_ref())),
            Sighting::Ready { node, ready } => drop(self.ready.insert(node, *ready)),
            Sighting::Told { .. } | Sighting::Member { .. } => {}
        }
    }

    fn is(&self, way: &Way, standing: &Standing) -> bool {
        self.ways.get(way) == Some(&standing)
    }

    /// Whom an instance sends clients to, where it answers.
    fn sends(&self, way: &Way) -> Option<&'a BTreeSet<String>> {
        self.sends.get(way).copied().flatten()
    }
}

/// Why nothing can be said at all.
fn lacking(before: &World<'_>, question: &Question<'_>) -> Option<String> {
    if question.ways.is_empty() && question.lost.is_empty() {
        return Some("no route that is watched leads there".into());
    }
    let sends = question.ways.iter().any(|way| before.is(way, &Standing::Sends));
    let serves = question.lost.iter().any(|way| before.sends(way).is_some());
    (!sends && !serves).then(|| "no route was seen to send clients there before".to_owned())
}

/// The first way that sent clients there and then knew, or was told; or that what was broken no longer answered.
fn noticed<'a>(seen: &[&'a Seen], question: &Question<'_>, before: &World<'_>) -> Option<(Timestamp, &'a Sighting)> {
    let knew = |sighting: &Sighting| match sighting {
        Sighting::Way { way, standing: Standing::Doubts | Standing::Out } => {
            question.ways.contains(way) && before.is(way, &Standing::Sends)
        }
        Sighting::Instance { way, sends: None } => question.lost.contains(way) && before.sends(way).is_some(),
        Sighting::Told { way } => question.ways.contains(way),
        _ => false,
    };
    // After its end, who is told is told of something else.
    let mut during = seen.iter().filter(|s| s.at > question.begun && question.until.is_none_or(|end| s.at <= end));
    during.find(|s| knew(&s.sighting)).map(|s| (s.at, &s.sighting))
}

/// A sighting by which something was noticed, for people.
fn words(sighting: &Sighting) -> String {
    match sighting {
        Sighting::Way { way, standing: Standing::Out } => format!("{way} sent nobody there any more"),
        Sighting::Way { way, .. } => format!("the checks of {way} began to fail"),
        Sighting::Told { way } => format!("{way} was told"),
        Sighting::Instance { way, .. } => format!("{way} did not answer any more"),
        Sighting::Ready { node, .. } | Sighting::Member { node, .. } => node.to_string(),
    }
}

/// The first moment at which all of these sent nobody there. It counts while the fault lasts, and after it.
fn removal(seen: &[&Seen], question: &Question<'_>, ways: &[Way]) -> Took {
    if ways.is_empty() {
        return Took::Unknown("no route that is watched leads clients to it, so none could take it out".into());
    }
    let mut world = World::at(seen, question.begun);
    let gone = |world: &World<'_>| ways.iter().all(|way| world.is(way, &Standing::Out));
    if gone(&world) {
        return Took::Seconds(0.0);
    }
    let lasted = |s: &&&Seen| question.until.is_none_or(|end| s.at <= end);
    for s in seen.iter().filter(|s| s.at > question.begun).take_while(lasted) {
        world.take(s);
        if gone(&world) {
            return Took::between(question.from, s.at);
        }
    }
    let still = ways.iter().find(|way| !world.is(way, &Standing::Out));
    Took::Unknown(match still.map(|way| (way, world.ways.get(way))) {
        Some((way, Some(Standing::Silent(why)))) => format!("{way} did not say: {why}"),
        Some((way, Some(_))) => format!("{way} sent clients there all the while"),
        Some((way, None)) => format!("{way} was never seen"),
        None => "never all at the same time".into(),
    })
}

/// From the end of what broke it until all was as before: the node ready, sent clients by all that had done so, and what
/// was broken itself sends clients to all to whom it had sent them. With a word where it counts from the fault itself:
/// nothing kept it going, or all was as before while it should have lasted (a node that is cut off is fenced, and boots).
fn recovery(seen: &[&Seen], question: &Question<'_>, before: &World<'_>) -> (Took, Option<&'static str>) {
    let Some(end) = question.until else { return (Took::Unknown("the fault is not over".into()), None) };
    let mut world = World::at(seen, question.begun);
    let mut broke = missing(&world, question, before).is_some();
    let mut whole = (!broke).then_some(question.from);
    for s in seen.iter().filter(|s| s.at > question.begun) {
        world.take(s);
        let is_whole = missing(&world, question, before).is_none();
        broke |= !is_whole;
        whole = if is_whole { whole.or(Some(s.at)) } else { None };
        if is_whole && broke && s.at > end {
            break;
        }
    }
    match whole {
        None => (Took::Unknown(missing(&world, question, before).unwrap_or_default()), None),
        Some(_) if !broke => (Took::Seconds(0.0), Some("everything was as before all the while")),
        Some(at) if question.momentary => (Took::between(question.from, at), Some(AT_ONCE)),
        Some(at) if at <= end => (Took::between(question.from, at), Some(BY_ITSELF)),
        Some(at) => (Took::between(end, at), None),
    }
}

const AT_ONCE: &str = "counted from the fault, which nothing kept going";
const BY_ITSELF: &str = "counted from the fault: all was as before while it should have lasted";

/// What is not as it was before.
fn missing(world: &World<'_>, question: &Question<'_>, before: &World<'_>) -> Option<String> {
    if let Some(node) = question.node.filter(|node| world.ready.get(node) != Some(&Some(true))) {
        return Some(format!("{node} was not seen to be ready again"));
    }
    let mut wanted = question.ways.iter().filter(|way| before.is(way, &Standing::Sends));
    if let Some(way) = wanted.find(|way| !world.is(way, &Standing::Sends)) {
        return Some(format!("{way} does not send clients there again"));
    }
    question.lost.iter().find_map(|way| {
        let wanted = before.sends(way)?;
        let Some(now) = world.sends(way) else { return Some(format!("{way} does not answer again")) };
        let member = wanted.difference(now).next()?;
        Some(format!("{way} does not send clients to {member} again"))
    })
}

fn cluster(seen: &[&Seen], question: &Question<'_>) -> Took {
    let lost = |s: &&&Seen| matches!(&s.sighting, Sighting::Member { node, usable: Some(false) } if Some(node) == question.node);
    let first = seen.iter().filter(|s| s.at > question.begun).find(lost);
    first.map_or_else(|| Took::Unknown("the cluster did not lose it".into()), |s| Took::between(question.from, s.at))
}

fn each(seen: &[&Seen], question: &Question<'_>) -> BTreeMap<String, Took> {
    let took = |way: &Way| removal(seen, question, std::slice::from_ref(way));
    question.ways.iter().map(|way| (way.to_string(), took(way))).collect()
}

#[cfg(test)]
mod tests;
