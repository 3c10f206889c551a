//! The engine: probes thousands of targets from one task and tells what it found.
//!
//! * One task. Probes in the air are futures inside it, not tasks: when it ends or is dropped, they and their connections
//!   are gone with it.
//! * A target has at most one probe in the air, and the next one is due an interval after that one *began*: whoever is
//!   slow delays nobody else.
//! * So many probes are in the air at most (`at_most`). Where more are due they wait, and who has been due for longest
//!   goes first; a target that was just probed is behind all of those, so everybody gets a turn.
//! * Probes that are due within the same [`TICK`] start together: less waking, less work for the system.
//! * Reports without news are handed over together, within a [`TICK`]; a change is handed over at once. Waking another
//!   thread for each report would cost more than the probe's own system calls.
//! * A slow receiver never delays a probe: what does not fit into its channel is dropped. The next report of the same
//!   target then has `changed` against what the receiver was last told, so no change is lost, only told later.

mod room;
mod schedule;
mod thread;

use std::{collections::HashMap, future::Future, pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    failure::Failure,
    judge::{Judge, Verdict},
    target::{Report, Target},
};
use crate::{
    model::{NodeName, ServiceName},
    provider::Clock,
};
use schedule::{Index, Schedule};

/// Probes that are due within this time start together.
const TICK: Duration = Duration::from_millis(5);
/// Orders that wait until the engine takes them.
const ORDERS: usize = 1024;

/// How a target is asked; only tests have another way than [`Network`].
pub trait Probing: Send + Sync {
    /// Asks once. The engine has the time limit, and drops this when it has passed.
    fn probe(&self, target: &Target) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Over the network, as each target's check says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network;

impl Probing for Network {
    async fn probe(&self, target: &Target) -> Result<(), Failure> {
        target.check.run().await
    }
}

/// What the engine is told from outside.
enum Order {
    /// Ask this one now.
    Hasten(NodeName, ServiceName),
    /// This one was started just now: its grace begins. Ask it.
    Started(NodeName, ServiceName),
}

/// Tells a running engine what happened outside of its probes.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
}

impl Handle {
    /// Probes one target right now, before all others; again, where a probe is in the air that may have begun too early.
    /// `false` where the engine has ended or too many orders wait: the next probe comes in its time then.
    pub fn hasten(&self, node: &NodeName, service: &ServiceName) -> bool {
        self.orders.try_send(Order::Hasten(node.clone(), service.clone())).is_ok()
    }

    /// The service was started on that node just now: its start-up grace begins, and it is probed right now.
    pub fn started(&self, node: &NodeName, service: &ServiceName) -> bool {
        self.orders.try_send(Order::Started(node.clone(), service.clone())).is_ok()
    }
}

/// Probes targets until it is stopped.
pub struct Engine<P = Network> {
    probing: P,
    clock: Arc<dyn Clock>,
    flights: usize,
    orders: mpsc::Receiver<Order>,
}

impl Engine {
    /// An engine over the network, and what tells it what happens. Times in reports are this clock's; intervals and time
    /// limits are the runtime's.
    pub fn new(clock: Arc<dyn Clock>) -> (Self, Handle) {
        Self::with(Network, clock)
    }
}

impl<P: Probing> Engine<P> {
    /// An engine that asks in another way.
    pub fn with(probing: P, clock: Arc<dyn Clock>) -> (Self, Handle) {
        let (sender, orders) = mpsc::channel(ORDERS);
        (Self { probing, clock, flights: room::flights(), orders }, Handle { orders: sender })
    }

    /// With so many probes in the air at most; at least one.
    #[must_use]
    pub fn at_most(self, flights: usize) -> Self {
        Self { flights: flights.max(1), ..self }
    }

    /// Probes these targets and reports every probe, until it is stopped or nobody receives any more. Nothing is left
    /// when it returns, nor when it is dropped.
    pub async fn run(mut self, targets: Vec<Target>, reports: mpsc::Sender<Report>, stop: CancellationToken) {
        let begin = Instant::now();
        let mut board = Board::new(&targets, begin, &*self.clock, reports);
        let mut flights = FuturesUnordered::new();
        let mut stopped = pin!(stop.cancelled());
        let mut wake = pin!(sleep_until(begin));
        let mut batch = begin;
        let mut told = true;
        loop {
            let now = Instant::now();
            board.hand_over(now);
            let due = board.schedule.next().filter(|_| flights.len() < self.flights);
            // Who was put before all others does not wait for the tick.
            let due = due.map(|due| if due <= begin { due } else { due.max(batch + TICK) });
            if due.is_some_and(|due| due <= now) {
                batch = now;
                while flights.len() < self.flights
                    && let Some(index) = board.schedule.take(now)
                {
                    flights.push(fly(&self.probing, &targets, index));
                }
                continue;
            }
            let next = [due, board.ripe()].into_iter().flatten().min();
            if let Some(next) = next.filter(|next| wake.deadline() != *next) {
                wake.as_mut().reset(next);
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                order = self.orders.recv(), if told => match order {
                    Some(order) => board.obey(order),
                    None => told = false,
                },
                Some(flight) = flights.next(), if !flights.is_empty() => {
                    board.land(flight);
                    while let Some(Some(flight)) = flights.next().now_or_never() {
                        board.land(flight);
                    }
                    if board.reports.is_closed() {
                        return;
                    }
                }
                () = &mut wake, if next.is_some() => {}
            }
        }
        board.flush();
    }
}

/// A probe that is over.
struct Flight {
    index: Index,
    began: Instant,
    answer: Result<(), Failure>,
}

async fn fly<P: Probing>(probing: &P, targets: &[Target], index: Index) -> Flight {
    let target = &targets[index];
    let began = Instant::now();
    let answer = timeout(target.timeout, probing.probe(target)).await;
    Flight { index, began, answer: answer.unwrap_or_else(|_| Err(Failure::late(target.timeout))) }
}

/// What is known of each target, and who has been told what.
struct Board<'t> {
    targets: &'t [Target],
    numbers: HashMap<(&'t NodeName, &'t ServiceName), Index>,
    schedule: Schedule,
    begin: Instant,
    clock: &'t dyn Clock,
    reports: mpsc::Sender<Report>,
    known: Vec<Known>,
    /// What is to be handed over, and since when the first of it waits.
    outbox: Vec<(Index, Report)>,
    since: Instant,
}

struct Known {
    judge: Judge,
    /// The verdict that the receiver was last told.
    told: Verdict,
    /// When the service was last started, as we were told.
    started: Option<Instant>,
}

impl<'t> Board<'t> {
    fn new(targets: &'t [Target], begin: Instant, clock: &'t dyn Clock, reports: mpsc::Sender<Report>) -> Self {
        let known =
            |target: &Target| Known { judge: Judge::new(target.rules.clone()), told: Verdict::Unknown, started: None };
        Self {
            targets,
            numbers: targets.iter().enumerate().map(|(i, t)| ((&t.node, &t.service), i)).collect(),
            schedule: Schedule::new(begin, targets.iter().map(|t| t.interval)),
            begin,
            clock,
            reports,
            known: targets.iter().map(known).collect(),
            outbox: Vec::new(),
            since: begin,
        }
    }

    fn obey(&mut self, order: Order) {
        let (Order::Hasten(node, service) | Order::Started(node, service)) = &order;
        let Some(&index) = self.numbers.get(&(node, service)) else { return };
        if matches!(order, Order::Started(..)) {
            let (known, now) = (&mut self.known[index], Instant::now());
            known.judge.started(now - self.begin);
            known.started = Some(now);
        }
        self.schedule.hasten(index);
    }

    fn land(&mut self, flight: Flight) {
        let Flight { index, began, answer } = flight;
        let now = Instant::now();
        self.schedule.landed(index, began, now);
        let (target, known) = (&self.targets[index], &mut self.known[index]);
        // What was asked before a start says nothing of what was started.
        if known.started.is_some_and(|started| began < started) {
            return;
        }
        let verdict = known.judge.absorb(now - self.begin, answer.as_ref().copied());
        let changed = (verdict.state() != known.told.state()).then(|| known.told.clone());
        let report = Report {
            node: target.node.clone(),
            service: target.service.clone(),
            at: self.clock.now(),
            took: now - began,
            answer,
            verdict: verdict.clone(),
            changed,
        };
        if self.outbox.is_empty() {
            self.since = now;
        }
        let news = report.changed.is_some();
        self.outbox.push((index, report));
        if news {
            self.flush();
        }
    }

    /// When what waits has to be handed over.
    fn ripe(&self) -> Option<Instant> {
        (!self.outbox.is_empty()).then(|| self.since + TICK)
    }

    fn hand_over(&mut self, now: Instant) {
        if self.ripe().is_some_and(|ripe| ripe <= now) {
            self.flush();
        }
    }

    /// What does not fit is dropped: the next report of the same target tells the change.
    fn flush(&mut self) {
        for (index, report) in self.outbox.drain(..) {
            let told = report.verdict.clone();
            if self.reports.try_send(report).is_ok() {
                self.known[index].told = told;
            }
        }
    }
}

#[cfg(test)]
mod tests;
