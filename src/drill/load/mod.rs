//! Open-loop load: what clients see while a node is drained, or lost.
//!
//! Requests leave at a constant rate whatever the answers do, and a latency counts from the moment at which its
//! request *should* have been sent. A generator that waits for answers before it sends the next request sends
//! fewest exactly while the service is worst, and reports a stall of a second as one slow request (coordinated
//! omission); this one reports every request that the stall would have hit.
//!
//! Nothing is tried again: one request, one result. The one exception is every HTTP client's: a kept-alive
//! connection that the server closed while it was idle is replaced before the request is written. Once a request
//! was written, no answer is a failure.
//!
//! Everything is bounded: the number of requests (rate × duration), those in flight, the time of each one, the
//! failures that are kept with their details. What could not be sent before the run ended counts as failed.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod address;
mod client;
mod live;
mod record;
mod report;
mod target;
#[cfg(test)]
mod tests;

pub use address::Lookup;
pub use live::{Live, LiveSnapshot};
pub use report::{Failure, FailureKind, Latency, LoadReport, Second};
pub use target::{BadTarget, Target};

use client::{Client, Habits};
use record::{Recorder, Sent};

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Where to: in turn, one request each.
    pub targets: Vec<Target>,
    /// Requests a second, over all targets.
    pub rate_per_s: u32,
    /// For how long requests are sent; answers are awaited for at most `timeout` longer.
    pub duration: Duration,
    /// Share of requests on kept-alive connections, in percent; the others open a connection of their own.
    pub keep_alive_share: u8,
    /// A kept-alive connection older than this gets no further request; none: as long as it lives.
    pub max_connection_age: Option<Duration>,
    /// When the target's name is looked up.
    pub lookup: Lookup,
    /// Some requests that take their time.
    pub slow: Option<Slow>,
    /// Time limit of one request, connecting included.
    pub timeout: Duration,
    /// Most requests under way at once; later ones wait their turn, their latency counting from their own time.
    pub max_in_flight: usize,
}

/// Requests that take their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// Every so many requests one is slow.
    pub every: u32,
    /// The path that it asks for.
    pub path: String,
}

impl LoadPlan {
    /// Requests in all.
    pub fn total(&self) -> u64 {
        (f64::from(self.rate_per_s) * self.duration.as_secs_f64()).floor() as u64
    }

    /// When request `number` (from 0) is to be sent, from the start on.
    fn offset(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.rate_per_s.max(1)))
    }
}

/// Timers tick in milliseconds and round up: asked for this much earlier, they are on time.
const TICK: Duration = Duration::from_millis(1);

/// Sends the plan's requests until it is done or `cancel` fires, lets those under way finish (each within its
/// time limit), and reports. `live` shows what happens meanwhile.
///
/// A plan without targets reports no requests. Dropping the future ends it without a report; requests under way
/// then end by their own time limit.
pub async fn run(plan: LoadPlan, cancel: CancellationToken, live: Live) -> LoadReport {
    let start = Instant::now();
    let recorder = Arc::new(Recorder::new(&plan, start, live));
    let habits = Habits { lookup: plan.lookup, max_age: plan.max_connection_age };
    let clients: Vec<Arc<Client>> = plan.targets.iter().map(|t| Arc::new(Client::new(t.clone(), habits))).collect();
    let slots = Arc::new(Semaphore::new(plan.max_in_flight.max(1)));
    let give_up = start + plan.duration + plan.timeout;
    let requests = TaskTracker::new();
    let mut mix = Mix::new(&plan);
    let total = if clients.is_empty() { 0 } else { plan.total() };

    for number in 0..total {
        let intended = start + plan.offset(number);
        match next_slot(&slots, intended, give_up, &cancel).await {
            Slot::Free(permit) => {
                let job = mix.next(clients.len());
                let client = clients[job.target].clone();
                requests.spawn(one_request(client, recorder.clone(), plan.timeout, job, intended, permit));
            }
            Slot::TooLate => {
                recorder.not_sent(total - number);
                break;
            }
            Slot::Cancelled => break,
        }
    }
    requests.close();
    requests.wait().await;
    recorder.finish(cancel.is_cancelled())
}

enum Slot {
    Free(OwnedSemaphorePermit),
    TooLate,
    Cancelled,
}

/// Waits for the request's time, and then for a free place among those in flight.
async fn next_slot(slots: &Arc<Semaphore>, intended: Instant, give_up: Instant, cancel: &CancellationToken) -> Slot {
    let turn = async {
        if intended > Instant::now() + TICK {
            sleep_until(intended - TICK).await;
        }
        match timeout_at(give_up, slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Slot::Free(permit),
            _ => Slot::TooLate,
        }
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Slot::Cancelled,
        slot = turn => slot,
    }
}

async fn one_request(
    client: Arc<Client>,
    recorder: Arc<Recorder>,
    limit: Duration,
    job: Job,
    intended: Instant,
    permit: OwnedSemaphorePermit,
) {
    // Sent within the timer's tick before its time: it counts from where it was really sent.
    let sent = Sent { from: intended.min(Instant::now()), slow: job.slow.is_some() };
    recorder.begin(&sent);
    let path = job.slow.as_deref().unwrap_or_else(|| client.target().path());
    let outcome = client.request(path, job.keep_alive, limit).await;
    recorder.end(&sent, client.target(), path, outcome);
    drop(permit);
}

/// One request, before it is sent.
struct Job {
    target: usize,
    keep_alive: bool,
    slow: Option<Arc<str>>,
}

/// Deals out slow and kept-alive requests evenly, and each kind of them evenly over the targets: with one counter
/// for all, two targets and every second request kept alive would give one target all of the kept-alive ones.
struct Mix {
    keep_alive_share: u32,
    slow: Option<(u32, Arc<str>)>,
    number: u32,
    owed: [u32; 2],
    turns: [usize; 4],
}

impl Mix {
    fn new(plan: &LoadPlan) -> Self {
        Self {
            keep_alive_share: u32::from(plan.keep_alive_share.min(100)),
            slow: plan.slow.as_ref().map(|s| (s.every.max(1), s.path.as_str().into())),
            number: 0,
            owed: [0; 2],
            turns: [0; 4],
        }
    }

    fn next(&mut self, targets: usize) -> Job {
        self.number = self.number.wrapping_add(1);
        let slow = self.slow.as_ref().filter(|(every, _)| self.number.is_multiple_of(*every)).map(|(_, p)| p.clone());
        let owed = &mut self.owed[usize::from(slow.is_some())];
        *owed += self.keep_alive_share;
        let keep_alive = *owed >= 100;
        if keep_alive {
            *owed -= 100;
        }
        let turn = &mut self.turns[usize::from(slow.is_some()) * 2 + usize::from(keep_alive)];
        *turn = (*turn + 1) % targets;
        Job { target: *turn, keep_alive, slow }
    }
}
