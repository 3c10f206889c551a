//! A stacked drain whose coordinator is killed with SIGKILL, again and again: the anycast path of a node, or its record,
//! then its place at the HAProxy on the nodes, then the cluster. What counts is what the servers' own logs say of the
//! whole of it.
//!
//! A point is a place in the journal, not a moment, so that each kill hits what it is meant for on a machine of any
//! speed: between an intent and its effect, between an effect and its acknowledgement, in the midst of each wait.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tidegate::{
    journal::{Ending, Event, Journal, Record, sqlite::SqliteJournal},
    model::RunId,
    plan::Purpose,
};
use tokio::runtime::Runtime;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TTL},
    routes,
};

use crate::stage::{Routes, Running, within};

/// How far a step got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Taken,
    Begun,
    Intended,
    Accepted,
    Acknowledged,
}
use Phase::{Accepted, Acknowledged, Begun, Intended, Taken};

/// A step, and how far it got.
pub type Place = (usize, Phase);

/// Where a kill comes.
struct Point {
    /// After a record of this place or a later one, written since the kill before.
    place: Place,
    /// How much later, in the midst of a wait. The wait may have begun before the kill before.
    into: Option<Duration>,
    what: &'static str,
}

const fn at(step: usize, phase: Phase, what: &'static str) -> Point {
    Point { place: (step, phase), into: None, what }
}

const fn into(step: usize, phase: Phase, ms: u64, what: &'static str) -> Point {
    Point { place: (step, phase), into: Some(Duration::from_millis(ms)), what }
}

/// Anycast, HAProxy, cluster.
const ANYCAST: [Point; 10] = [
    at(0, Taken, "before anything is done"),
    at(0, Intended, "while the path is marked for leaving"),
    into(0, Accepted, 400, "while routers lead clients elsewhere"),
    at(0, Intended, "while the path is withdrawn"),
    into(1, Begun, 100, "while the last clients of the path are waited for"),
    at(2, Intended, "while both load balancers are told"),
    at(2, Acknowledged, "when both have drained the node"),
    into(3, Begun, 100, "while its last requests are waited for"),
    at(4, Intended, "while standby is set"),
    into(5, Begun, 400, "while its unit stops"),
];

/// DNS, HAProxy, cluster.
const NAMES: [Point; 10] = [
    at(0, Taken, "before anything is done"),
    at(0, Intended, "while the record is taken away"),
    at(0, Accepted, "while the secondary follows"),
    into(1, Begun, 300, "while resolvers may still have the record"),
    into(1, Begun, 600, "and again, in the same wait"),
    at(2, Intended, "while both load balancers are told"),
    at(2, Acknowledged, "when both have drained the node"),
    into(3, Begun, 100, "while its last requests are waited for"),
    at(4, Intended, "while standby is set"),
    into(5, Begun, 400, "while its unit stops"),
];

/// How long the journal may take to come to a point.
const LIMIT: Duration = Duration::from_secs(60);

/// The journal, read beside the program that writes it.
pub struct Watch {
    runtime: Runtime,
    journal: SqliteJournal,
}

impl Watch {
    pub fn open(lab: &Lab) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let journal = runtime.block_on(SqliteJournal::open(lab.dir().join("journal.db")))?;
        Ok(Self { runtime, journal })
    }

    /// The newest run; `None` where there is none yet.
    pub fn newest(&self) -> Result<Option<RunId>> {
        Ok(self.runtime.block_on(self.journal.runs(1))?.pop().map(|summary| summary.run))
    }

    pub fn records(&self, run: &RunId) -> Result<Vec<Record>> {
        Ok(self.runtime.block_on(self.journal.records(run))?)
    }

    /// Waits until the run that this program executes has come to a point, and kills it.
    fn kill_at(&self, mut running: Running, point: &Point, known: usize) -> Result<RunId> {
        let started = Instant::now();
        let mut run = self.newest()?;
        loop {
            if run.is_none() {
                run = self.newest()?;
            }
            if let Some(run) = &run
                && point.is_reached(&self.records(run)?, known)
            {
                break;
            }
            if running.0.try_wait()?.is_some() {
                let (code, out, err) = running.finish(LIMIT)?;
                bail!("it ended before it was killed {}: exit {code}: {out}\n{err}", point.what);
            }
            ensure!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {}", point.what);
            sleep(Duration::from_millis(1));
        }
        sleep(point.into.unwrap_or_default());
        running.0.kill()?;
        running.0.wait()?;
        run.context("no run")
    }
}

impl Point {
    /// Whether a journal that had so many records at the kill before has come to it.
    fn is_reached(&self, records: &[Record], known: usize) -> bool {
        let fresh = places(records).iter().any(|(at, place)| *at >= known && *place >= self.place);
        let waits = self.into.is_some() && records.len() > known;
        fresh || waits && places(records).iter().any(|(_, place)| *place >= self.place)
    }
}

/// The places that records stand for, each with its position. A run that is taken up again is where it was.
pub fn places(records: &[Record]) -> Vec<(usize, Place)> {
    let mut step_now = 0;
    let place = |(at, record): (usize, &Record)| {
        let (step, phase) = match &record.event {
            Event::Taken { .. } => (step_now, Taken),
            Event::StepBegun { step } => (*step, Begun),
            Event::Intended { step, .. } => (*step, Intended),
            Event::Accepted { step, .. } => (*step, Accepted),
            Event::Acknowledged { step, .. } => (*step, Acknowledged),
            _ => return None,
        };
        step_now = step;
        Some((at, (step, phase)))
    };
    records.iter().enumerate().filter_map(place).collect()
}

/// Drains the node through all kills to its end.
fn drain(lab: &Lab, tidegate: &Tidegate<'_>, node: &str, points: &[Point]) -> Result<()> {
    let watch = Watch::open(lab)?;
    // A check that a busy machine answers late takes a server out of a load balancer for a moment, and the drain would be
    // refused for capacity.
    within(20, "the node can be drained", || Ok(tidegate.json(&["can-drain", node, "--json"])?.0 == 0))?;
    let mut running = Running::start(&mut tidegate.command(&["drain", node, "--yes", "--json"])?)?;
    let (mut known, mut steps) = (0, Vec::new());
    for point in points {
        let run = watch.kill_at(running, point, known)?;
        let records = watch.records(&run)?;
        let (_, (step, phase)) = *places(&records).last().context("no record")?;
        eprintln!("killed {}: record {}, step {step}, {phase:?}", point.what, records.len());
        ensure!(records.len() > known, "nothing was written since the kill before");
        known = records.len();
        steps.push(step);
        running = Running::start(&mut tidegate.command(&["resume", run.as_str(), "--yes", "--json"])?)?;
    }
    let (code, out, err) = running.finish(Duration::from_secs(120))?;
    ensure!(code == 0, "the last resume: exit {code}: {out}\n{err}");

    let records = watch.records(&watch.newest()?.context("no run")?)?;
    let taken = records.iter().filter(|record| matches!(record.event, Event::Taken { .. })).count();
    ensure!(taken == points.len() + 1, "taken up {taken} times");
    let last = records.last().map(|record| &record.event);
    ensure!(matches!(last, Some(Event::Ended { ending: Ending::Done })), "it ended otherwise: {last:?}");
    // On a machine that is slow for a moment a kill may come a step late; that the kills are spread is what matters.
    steps.dedup();
    ensure!(steps.is_sorted() && steps.len() >= 5, "the kills hit only the steps {steps:?}");
    Ok(())
}

/// Resolvers may have the record for its TTL after the last server let it go, by that server's own log. However often the
/// wait for that was killed, the load balancers are not touched before.
fn check_ttl(lab: &Lab) -> Result<()> {
    let watch = Watch::open(lab)?;
    let runs = watch.runtime.block_on(watch.journal.runs(10))?;
    let drain = runs.iter().find(|r| r.plan.request.purpose == Purpose::Drain).context("no drain")?;
    let records = watch.records(&drain.run)?;
    let time = |what: fn(&Event) -> bool| {
        let record = records.iter().find(|record| what(&record.event)).context("no such record")?;
        anyhow::Ok(record.at.as_millisecond() as f64 / 1000.0)
    };
    let begun = time(|event| matches!(event, Event::StepBegun { step: 0 }))?;
    let inner = time(|event| matches!(event, Event::Intended { step: 2, .. }))?;
    let mut transfers = lab.zone_transfers()?.into_iter().map(|(at, _)| at);
    let gone = transfers.rfind(|at| (begun..inner).contains(at)).context("dns-2 followed too late, or never")?;
    ensure!(inner - gone >= f64::from(TTL), "{:.3} s after the record, the load balancers were touched", inner - gone);
    Ok(())
}

/// Drains and restores by this layout; all is right by the servers' logs, and no client noticed.
fn check(layout: &str, points: &[Point]) -> Result<()> {
    let routes = Routes::clean(&[])?;
    let lab = &routes.lab;
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(lab.dir().join(file));
    }
    let outcome = routes::run_with(lab, layout, &|tidegate, node| drain(lab, tidegate, node, points))?;
    ensure!(outcome.good() && outcome.requests > 500, "{outcome:?}");
    if layout == "dns-edge" {
        check_ttl(lab)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_drain_from_anycast_and_haproxy_is_killed_at_ten_points() -> Result<()> {
    check("anycast-haproxy", &ANYCAST)
}

#[test]
#[ignore = "needs the lab"]
fn a_drain_from_dns_and_haproxy_is_killed_at_ten_points() -> Result<()> {
    check("dns-edge", &NAMES)
}
