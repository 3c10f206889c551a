//! The engine on paused time, with targets that answer, fail, hang and count.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::sleep;

use super::*;
use crate::{
    health::{
        Rules, State,
        failure::Kind,
        probe::{Ask, Check, Place},
    },
    provider::SystemClock,
};

/// What a target does with its n-th probe (from 0): how long it takes, and whether it is ready then.
type Script = dyn Fn(&str, usize) -> (Duration, bool) + Send + Sync;

/// A world of scripted targets that counts.
struct Fake {
    script: Box<Script>,
    asked: Mutex<HashMap<NodeName, Vec<Instant>>>,
    flying: Mutex<HashMap<NodeName, usize>>,
    in_the_air: AtomicUsize,
    most: AtomicUsize,
}

/// A shared one, since the engine owns how it probes.
#[derive(Clone)]
struct Shared(Arc<Fake>);

struct Airborne<'f>(&'f Fake, NodeName);

impl Drop for Airborne<'_> {
    fn drop(&mut self) {
        self.0.in_the_air.fetch_sub(1, Ordering::SeqCst);
        *self.0.flying.lock().expect("no panic").get_mut(&self.1).expect("it flew") -= 1;
    }
}

impl Probing for Shared {
    async fn probe(&self, target: &Target) -> Result<(), Failure> {
        let fake = &*self.0;
        let nth = {
            let mut asked = fake.asked.lock().expect("no panic");
            let times = asked.entry(target.node.clone()).or_default();
            times.push(Instant::now());
            times.len() - 1
        };
        let flying = {
            let mut flying = fake.flying.lock().expect("no panic");
            let mine = flying.entry(target.node.clone()).or_default();
            *mine += 1;
            *mine
        };
        assert_eq!(flying, 1, "{} is asked twice at once", target.node);
        let now = fake.in_the_air.fetch_add(1, Ordering::SeqCst) + 1;
        fake.most.fetch_max(now, Ordering::SeqCst);
        let _airborne = Airborne(fake, target.node.clone());
        let (takes, ready) = (fake.script)(target.node.as_str(), nth);
        sleep(takes).await;
        if ready { Ok(()) } else { Err(Failure::new(Kind::Status, "status 503")) }
    }
}

fn target(node: &str) -> Target {
    Target {
        node: node.into(),
        service: "app".into(),
        check: Check { place: Place::At(([127, 0, 0, 1], 1).into()), ask: Ask::Tcp },
        timeout: Duration::from_secs(2),
        interval: Duration::from_secs(1),
        rules: Rules { unhealthy: 3, healthy: 2, grace: Duration::ZERO, damping: None },
    }
}

fn targets(count: usize) -> Vec<Target> {
    (0..count).map(|n| target(&format!("node-{n}"))).collect()
}

struct Running {
    fake: Arc<Fake>,
    handle: Handle,
    reports: mpsc::Receiver<Report>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(
    targets: Vec<Target>,
    flights: usize,
    room: usize,
    script: impl Fn(&str, usize) -> (Duration, bool) + Send + Sync + 'static,
) -> Running {
    let fake = Arc::new(Fake {
        script: Box::new(script),
        asked: Mutex::default(),
        flying: Mutex::default(),
        in_the_air: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let (engine, handle) = Engine::with(Shared(fake.clone()), Arc::new(SystemClock));
    let (sender, reports) = mpsc::channel(room);
    let stop = CancellationToken::new();
    let task = tokio::spawn(engine.at_most(flights).run(targets, sender, stop.clone()));
    Running { fake, handle, reports, stop, task }
}

const QUICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn ten_thousand_targets_turn_after_exactly_the_configured_failures() {
    const COUNT: usize = 10_000;
    // Each fails from a probe of its own on.
    let fails_from = |node: &str| 3 + node.strip_prefix("node-").and_then(|n| n.parse::<usize>().ok()).expect("n") % 3;
    let mut running = start(targets(COUNT), 4096, COUNT * 2, move |node, nth| (QUICK, nth < fails_from(node)));
    let mut answers: HashMap<NodeName, usize> = HashMap::new();
    let mut turned = 0;
    while turned < COUNT {
        let report = running.reports.recv().await.expect("a report");
        let nth = answers.entry(report.node.clone()).or_default();
        let fails_at = fails_from(report.node.as_str()) + 2;
        let expected = match *nth {
            0 => State::Unknown,
            n if n < fails_at => State::Healthy,
            _ => State::Unhealthy,
        };
        assert_eq!(report.verdict.state(), expected, "{} at {nth}", report.node);
        assert_eq!(report.changed.is_some(), *nth == 1 || *nth == fails_at, "{} at {nth}", report.node);
        turned += usize::from(*nth == fails_at);
        *nth += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn who_hangs_delays_nobody_and_is_timed_out() {
    let mut running =
        start(targets(200), 4096, 10_000, |node, _| (if node == "node-7" { Duration::MAX } else { QUICK }, true));
    sleep(Duration::from_secs(30)).await;
    running.stop.cancel();
    running.task.await.expect("it ends");
    let asked = running.fake.asked.lock().expect("no panic").clone();
    let range = Duration::from_millis(900)..=Duration::from_millis(1100) + TICK + QUICK;
    for (node, times) in asked.iter().filter(|(node, _)| node.as_str() != "node-7") {
        assert!(times.len() >= 27, "{node}: {}", times.len());
        for pair in times[1..].windows(2) {
            assert!(range.contains(&(pair[1] - pair[0])), "{node}: {:?}", pair[1] - pair[0]);
        }
    }
    let mut timed_out = 0;
    while let Some(report) = running.reports.recv().await {
        if report.node.as_str() == "node-7" {
            timed_out += 1;
            assert_eq!(report.answer, Err(Failure::new(Kind::Timeout, "no answer within 2.0 s")));
            assert!(report.took >= Duration::from_secs(2));
        }
    }
    // Time-outs are longer than the interval, so the next one follows at once.
    assert!((13..=15).contains(&timed_out), "{timed_out}");
}

#[tokio::test(start_paused = true)]
async fn where_too_many_are_due_everybody_gets_a_turn() {
    let running = start(targets(100), 10, 10_000, |_, _| (Duration::from_secs(1), true));
    sleep(Duration::from_secs(200)).await;
    running.stop.cancel();
    running.task.await.expect("it ends");
    assert_eq!(running.fake.most.load(Ordering::SeqCst), 10);
    let asked = running.fake.asked.lock().expect("no panic").clone();
    let turns: Vec<usize> = asked.values().map(Vec::len).collect();
    let (least, most) = (turns.iter().min().expect("some"), turns.iter().max().expect("some"));
    assert!(turns.len() == 100 && *least >= 18 && most - least <= 2, "{least} to {most}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_in_the_air_after_a_stop_or_a_drop() {
    for drop_it in [false, true] {
        let running = start(targets(500), 4096, 10_000, |_, _| (Duration::from_secs(1), true));
        sleep(Duration::from_millis(1500)).await;
        assert!(running.fake.in_the_air.load(Ordering::SeqCst) > 100);
        if drop_it {
            running.task.abort();
        } else {
            running.stop.cancel();
        }
        assert_eq!(running.task.await.is_err(), drop_it);
        assert_eq!(running.fake.in_the_air.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&running.fake), 1);
        assert!(!running.handle.hasten(&"node-1".into(), &"app".into()), "nobody is there to obey");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_ends_the_engine() {
    let running = start(targets(5), 4096, 10, |_, _| (QUICK, true));
    drop(running.reports);
    timeout(Duration::from_secs(10), running.task).await.expect("in time").expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_loses_reports_and_no_change() {
    let mut running = start(vec![target("node-0")], 10, 1, |_, nth| (QUICK, !(10..20).contains(&nth)));
    let mut next = async || running.reports.recv().await.expect("a report");
    let first = next().await;
    assert_eq!((first.verdict.state(), first.changed), (State::Unknown, None));
    // One fits in; nine more do not.
    sleep(Duration::from_secs(15)).await;
    let kept = next().await;
    assert_eq!((kept.verdict.state(), kept.changed), (State::Healthy, Some(Verdict::Unknown)));
    let told = next().await;
    assert_eq!((told.verdict.state(), told.changed), (State::Unhealthy, Some(Verdict::Healthy)));
    // Both changes fall into a pause: what was told last is what holds, so nothing changed.
    let again = next().await;
    assert_eq!((again.verdict.state(), again.changed), (State::Unhealthy, None));
    assert!(running.fake.asked.lock().expect("no panic")[&NodeName::new("node-0")].len() >= 15, "probing went on");
}

#[tokio::test(start_paused = true)]
async fn who_is_hastened_is_asked_at_once() {
    let mut slow = target("node-1");
    slow.interval = Duration::from_secs(600);
    let mut running = start(vec![target("node-0"), slow], 10, 10_000, |_, _| (QUICK, true));
    let of = async |running: &mut Running| loop {
        let report = running.reports.recv().await.expect("a report");
        if report.node.as_str() == "node-1" {
            return Instant::now();
        }
    };
    of(&mut running).await;
    sleep(Duration::from_secs(5)).await;
    let asked = Instant::now();
    assert!(running.handle.hasten(&"node-1".into(), &"app".into()));
    // Nobody of that name is nobody's harm.
    assert!(running.handle.hasten(&"node-9".into(), &"app".into()));
    assert!(of(&mut running).await - asked <= QUICK * 3 + TICK);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_start_says_nothing_of_what_was_started() {
    let mut starting = target("node-0");
    starting.rules.grace = Duration::from_secs(5);
    starting.rules.unhealthy = 1;
    let mut running = start(vec![starting], 10, 10_000, |_, _| (Duration::from_millis(200), false));
    let mut state = async || running.reports.recv().await.expect("a report").verdict.state();
    while state().await != State::Unhealthy {}
    let node = || ("node-0".into(), "app".into());
    sleep(Duration::from_millis(900)).await;
    let (name, service) = node();
    while running.fake.in_the_air.load(Ordering::SeqCst) == 0 {
        sleep(QUICK).await;
    }
    assert!(running.handle.started(&name, &service));
    let began = Instant::now();
    // The probe in the air is forgotten; the next one, right after it, is within the grace.
    while running.reports.try_recv().is_ok() {}
    let report = running.reports.recv().await.expect("a report");
    assert_eq!(report.verdict.state(), State::Starting);
    assert!(Instant::now() - began <= Duration::from_millis(420));
    let mut last = report;
    while last.verdict.state() == State::Starting {
        last = running.reports.recv().await.expect("a report");
    }
    assert!(Instant::now() - began >= Duration::from_secs(5));
    assert_eq!(last.changed, Some(Verdict::Starting));
}
