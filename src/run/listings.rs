//! Lists of connections, asked for in the background: no look waits for them, whatever they cost. One at a time from each
//! place, and where a list takes long it is asked for less often: a load balancer is busy with them for a twentieth of
//! the time at most.

use std::{net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::wants::Wanted;
use crate::{
    model::{Holder, Listing, Observed, Stragglers, observed::age},
    provider::{ProviderError, Result, World},
};

/// Part of the time that listing may take: one in twenty.
const PACE: u32 = 20;

/// Questions under way, and when the last ones were asked.
#[derive(Default)]
pub(super) struct Listings {
    places: Vec<Place>,
}

struct Place {
    held: Holder,
    asked: Timestamp,
    took: Duration,
    running: Option<AbortOnDropHandle<Answer>>,
}

/// What was said, when, and how long that took.
struct Answer {
    said: Result<Option<Stragglers>>,
    at: Timestamp,
    took: Duration,
}

impl Listings {
    /// Asks for what is wanted and due.
    pub(super) fn ask(&mut self, world: &World, limit: Duration, wanted: &[Wanted], now: Timestamp) {
        self.places.retain(|place| place.running.is_some() || wanted.iter().any(|w| w.held == place.held));
        for want in wanted {
            let place = self.places.iter_mut().find(|place| place.held == want.held);
            let due = |p: &Place| p.running.is_none() && age(now, p.asked) >= want.staleness.max(p.took * PACE);
            if place.as_ref().is_some_and(|place| !due(place)) {
                continue;
            }
            let question = answer(world.clone(), want.held.clone(), want.peers.clone(), limit);
            let running = Some(AbortOnDropHandle::new(tokio::spawn(question)));
            match place {
                Some(place) => (place.asked, place.running) = (now, running),
                None => {
                    self.places.push(Place { held: want.held.clone(), asked: now, took: Duration::ZERO, running });
                }
            }
        }
    }

    /// Takes what was answered, and forgets what is too old to count.
    pub(super) fn collect(&mut self, seen: &mut Vec<Listing>, now: Timestamp, max_age: Duration) {
        let asked = |listing: &Listing| self.places.iter().any(|place| place.held == listing.held);
        seen.retain(|listing| asked(listing) && listing.seen.at().is_none_or(|at| age(now, at) <= max_age));
        for place in &mut self.places {
            let Some(answer) = place.running.as_mut().and_then(FutureExt::now_or_never) else { continue };
            place.running = None;
            let listed = match answer {
                Ok(Answer { said: Ok(list), at, took }) => {
                    place.took = took;
                    Observed::known(list, at)
                }
                Ok(Answer { said: Err(error), took, .. }) => {
                    place.took = took;
                    Observed::unknown(error.to_string())
                }
                Err(_) => Observed::unknown("the question was given up"),
            };
            seen.retain(|listing| listing.held != place.held);
            seen.push(Listing { held: place.held.clone(), seen: listed });
        }
    }
}

async fn answer(world: World, held: Holder, peers: Vec<SocketAddr>, limit: Duration) -> Answer {
    let began = world.clock.now();
    let list = list(&world, held, &peers);
    let said = tokio::time::timeout(limit, list).await.unwrap_or(Err(ProviderError::TimedOut(limit)));
    let at = world.clock.now();
    Answer { said, at, took: age(at, began) }
}

async fn list(world: &World, held: Holder, peers: &[SocketAddr]) -> Result<Option<Stragglers>> {
    match held {
        Holder::Instance { route, instance, server } => world.route(&route)?.stragglers(&instance, &server).await,
        Holder::Node { node, port } => {
            let details = world.traffic.details(&node, port, peers).await?;
            Ok(Some(Stragglers::of(details)))
        }
    }
}
