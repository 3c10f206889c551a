//! Open-loop load: what clients see while a node is drained, or lost.
//!
//! Requests leave at a constant rate whatever the answers do, and a latency counts from the moment at which its
//! request *should* have been sent. A generator that waits for answers before it sends the next request sends
//! fewest exactly while the service is worst, and reports a stall of a second as one slow request (coordinated
//! omission); this one reports every request that the stall would have hit.
//!
//! Nothing is tried again: one request, one result. The one exception is every HTTP client's: a kept-alive
//! connection that the server closed while it was idle is replaced before the request is written, and an HTTP/2 stream
//! that the server says it never looked at is sent on another connection. Once a request was written, no answer is a
//! failure.
//!
//! Everything is bounded: the number of requests (rate × duration), those in flight, the time of each one, the
//! failures that are kept with their details. What could not be sent before the run ended counts as failed.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod address;
mod authorities;
mod client;
mod histogram;
mod live;
mod merge;
mod mix;
mod nodes;
pub mod observed;
mod plan;
mod record;
pub mod remote;
mod report;
mod target;
#[cfg(test)]
mod tests;
mod timeline;

pub use address::Lookup;
pub use authorities::Authorities;
pub use live::{Live, LiveSnapshot, Recent, Told};
pub use merge::Unmergeable;
pub use nodes::{NodeAt, Nodes};
pub use plan::{LoadPlan, Manner, Slow};
pub use report::{Failure, FailureKind, Latency, LoadReport, RouteCount, Second};
pub use target::{BadTarget, Scheme, Target};

use client::{Client, Trust};
use mix::{Job, Mix};
use record::Recorder;

/// Timers tick in milliseconds and round up: asked for this much earlier, they are on time.
const TICK: Duration = Duration::from_millis(1);

/// Sends the plan's requests until it is done or `cancel` fires, lets those under way finish (each within its
/// time limit), and reports. `live` shows what happens meanwhile.
///
/// A plan without targets reports no requests. Dropping the future ends it without a report; requests under way
/// then end by their own time limit.
pub async fn run(plan: LoadPlan, cancel: CancellationToken, live: Live) -> LoadReport {
    let trust = Trust::of(&plan);
    let start = Instant::now();
    let recorder = Arc::new(Recorder::new(&plan, start, live));
    let client = |target: &Target| Arc::new(Client::new(target.clone(), &plan, &trust, &recorder));
    let clients: Vec<Arc<Client>> = plan.targets.iter().map(client).collect();
    let slots = Arc::new(Semaphore::new(plan.max_in_flight.max(1)));
    let give_up = start + plan.duration + plan.timeout;
    let requests = TaskTracker::new();
    let mut mix = Mix::new(&plan);
    let total = if clients.is_empty() { 0 } else { plan.total() };

    for number in 0..total {
        let intended = start + plan.offset(number);
        recorder.due(intended);
        match next_slot(&slots, intended, give_up, &cancel).await {
            Slot::Free(permit) => {
                let job = mix.next(clients.len());
                let client = clients[job.target].clone();
                requests.spawn(one_request(client, recorder.clone(), plan.timeout, job, intended, permit));
            }
            Slot::TooLate => {
                let targets = (number..total).map(|_| &plan.targets[mix.next(clients.len()).target]);
                recorder.not_sent(targets, total - number, start + plan.offset(total - 1));
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
    let sent = recorder.begin(intended.min(Instant::now()), job.slow.is_some());
    let path = job.slow.as_deref().unwrap_or_else(|| client.target().path());
    let outcome = client.request(path, job.keep_alive, limit).await;
    recorder.end(&sent, client.target(), path, outcome);
    drop(permit);
}
