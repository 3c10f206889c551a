//! Stories of connections that will not leave: clients that come back, streams that stay, clients that no load balancer
//! knows. What the journal says of them must be what they saw.

use std::time::Duration;

use tidegate::{
    config::{
        Settings,
        settings::{Affinity, OnDeadline},
    },
    journal::{Event, Journal},
    model::Effect,
    plan::Purpose,
    run::executor::Finish,
    traffic::decay::Verdict,
};
use tokio_util::sync::CancellationToken;

use crate::{
    End, NODE, Stage,
    clients::Bound,
    crash::At,
    on_virtual_time,
    scenarios::events,
    settings,
    world::{Admin, Faults, Sim},
};

fn stage(change: impl FnOnce(&mut Settings)) -> Stage {
    let mut settings = settings();
    change(&mut settings);
    Stage::new(Sim::new(7, Faults::none()), settings)
}

fn wait(settings: &mut Settings, policy: OnDeadline, deadline: u64) {
    let connections = &mut settings.services[0].connections;
    (connections.on_deadline, connections.deadline) = (policy, Duration::from_secs(deadline));
}

fn bound(settings: &mut Settings, settle: u64) {
    settings.services[0].sessions.affinity = Affinity::Cookie;
    settings.services[0].connections.settle = Duration::from_secs(settle);
}

fn log(stage: &Stage) -> Vec<String> {
    stage.edge.sim().log.iter().map(|(_, what)| what.clone()).collect()
}

fn position(log: &[String], what: &str) -> usize {
    log.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no '{what}' in {log:#?}"))
}

async fn drain(stage: &mut Stage) -> End {
    stage.start(Purpose::Drain, At::Never, &CancellationToken::new()).await.0
}

fn deadlines(events: &[Event]) -> Vec<(u64, usize)> {
    let of = |e: &Event| match e {
        Event::DeadlineReached { remaining, left, .. } => Some((*remaining, left.len())),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn verdicts(events: &[Event]) -> Vec<&'static str> {
    let of = |e: &Event| match e {
        Event::Stragglers { verdict, .. } => Some(verdict.word()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// How many sessions were cut through each load balancer, on the node, and how many were left.
fn cuts(events: &[Event]) -> Vec<(Vec<u64>, u64, u64)> {
    let of = |e: &Event| match e {
        Event::Cut { through, sockets, remaining, .. } => {
            Some((through.iter().map(|h| h.connections).collect(), *sockets, *remaining))
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// It comes back every few seconds, more seldom than the drain needs to settle: it is sent elsewhere, and loses nothing.
#[test]
fn a_bound_client_that_comes_seldom_is_sent_elsewhere() {
    on_virtual_time(async {
        let mut stage = stage(|s| bound(s, 2));
        let weight = stage.edge.sim().lbs[0].servers[NODE].weight;
        stage.edge.sim().bound = vec![Bound::to(NODE, 5_000), Bound::to(NODE, 4_100)];
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        stage.check_out().unwrap();
        let seen = log(&stage);
        let closed = position(&seen, "closed");
        assert!(position(&seen, "drained") < closed && closed < position(&seen, "standby"), "{seen:#?}");
        tokio::time::sleep(Duration::from_secs(12)).await;
        {
            let sim = stage.edge.sim();
            assert!(sim.bound.iter().all(|b| b.answered >= 2 && b.home != NODE), "{:?}", sim.bound);
        }
        stage.check().await.unwrap();
        // Back from maintenance: through a check that passed, to exactly what was before.
        assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
        let seen = log(&stage);
        let before = position(&seen, "as before");
        assert!(position(&seen, "fresh check") < before, "{seen:#?}");
        stage.check_back(weight).unwrap();
        stage.check().await.unwrap();
    });
}

/// It comes so often that the node is never quiet, and no look may see it: only the count of its requests does.
#[test]
fn a_bound_client_that_keeps_coming_meets_the_deadline() {
    on_virtual_time(async {
        let mut stage = stage(|s| {
            wait(s, OnDeadline::Hold, 20);
            bound(s, 2);
        });
        stage.edge.sim().bound = vec![Bound::to(NODE, 700)];
        let end = drain(&mut stage).await;
        assert!(matches!(&end, End::Finished(Finish::Held(why)) if why.contains("keep coming")), "{end:?}");
        let (now, standby) = {
            let sim = stage.edge.sim();
            (sim.now, sim.nodes[NODE].standby.clone())
        };
        assert!((22_000..26_000).contains(&now) && standby.is_none(), "held at {now} ms");
        let before = stage.edge.sim().bound[0].answered;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(stage.edge.sim().bound[0].answered >= before + 6, "a held run serves them");
        // The client leaves; the run goes on to its end.
        stage.edge.sim().bound.clear();
        let (end, _) = stage.resume(At::Never, &CancellationToken::new()).await.unwrap();
        assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
        stage.check_out().unwrap();
        stage.check().await.unwrap();
    });
}

#[test]
fn close_sends_bound_clients_elsewhere_before_it_cuts() {
    on_virtual_time(async {
        let mut stage = stage(|s| {
            wait(s, OnDeadline::Close, 6);
            bound(s, 2);
        });
        {
            let mut sim = stage.edge.sim();
            sim.bound = vec![Bound::to(NODE, 300), Bound::to(NODE, 500)];
            sim.stay(0, NODE, 4, 3_600_000);
            sim.stay(1, NODE, 2, 3_600_000);
        }
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        let seen = log(&stage);
        assert!(position(&seen, "closed") < position(&seen, "sessions cut"), "{seen:#?}");
        assert_eq!(stage.edge.sim().cut, 6);
        let events = events(&stage).await;
        assert_eq!(cuts(&events), [(vec![4, 2], 0, 0)]);
        assert!(!events.iter().any(|e| matches!(e, Event::Drained { .. })));
        stage.check_out().unwrap();
        // Nobody was refused: whoever came was answered, here or elsewhere.
        stage.check().await.unwrap();
    });
}

#[test]
fn what_never_leaves_is_said_and_named() {
    for policy in [OnDeadline::Hold, OnDeadline::Close, OnDeadline::Abort] {
        on_virtual_time(async {
            let mut stage = stage(|s| wait(s, policy, 150));
            let weight = stage.edge.sim().lbs[0].servers[NODE].weight;
            {
                let mut sim = stage.edge.sim();
                sim.stay(0, NODE, 3, 3_600_000);
                sim.stay(1, NODE, 1, 3_600_000);
                sim.direct = vec!["198.51.100.9:4711".parse().unwrap()];
            }
            let end = drain(&mut stage).await;
            let events = events(&stage).await;
            // While the short ones that were there leave as well, the rest may look slow for a moment.
            let said = verdicts(&events);
            assert!(said == ["never"] || said == ["slow", "never"], "{policy:?}: {said:?}");
            assert_eq!(deadlines(&events), [(5, 5)], "{policy:?}");
            let Some(Event::DeadlineReached { left, .. }) =
                events.iter().find(|e| matches!(e, Event::DeadlineReached { .. }))
            else {
                panic!("no deadline")
            };
            let old = |s: &tidegate::model::Straggler| s.age >= Some(Duration::from_secs(145));
            assert!(left.iter().all(old), "ages at the deadline, the socket's too: {left:?}");
            let direct = left.iter().find(|s| s.through.is_none()).map(|s| s.peer.as_str());
            assert_eq!(direct, Some("198.51.100.9:4711"));
            let cut = stage.edge.sim().cut;
            match policy {
                OnDeadline::Hold => {
                    assert!(matches!(&end, End::Finished(Finish::Held(why)) if why.contains("5 conn")), "{end:?}");
                    assert!(cut == 0 && stage.edge.sim().nodes[NODE].standby.is_none());
                }
                OnDeadline::Close => {
                    assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
                    assert_eq!((cut, cuts(&events)), (4, vec![(vec![3, 1], 1, 0)]));
                    assert!(stage.edge.sim().direct.is_empty());
                    stage.check_out().unwrap();
                }
                OnDeadline::Abort => {
                    assert!(cut == 0 && !stage.edge.sim().direct.is_empty());
                    stage.check_back(weight).unwrap();
                }
            }
            stage.check().await.unwrap();
        });
    }
}

/// One after the other they leave: that is slow, and then it is over.
#[test]
fn a_slow_end_is_told_as_such() {
    on_virtual_time(async {
        let mut stage = stage(|s| wait(s, OnDeadline::Hold, 600));
        (1..=20).for_each(|n| stage.edge.sim().stay(0, NODE, 1, n * 9_000));
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        let events = events(&stage).await;
        assert_eq!(verdicts(&events).first(), Some(&"slow"), "{:?}", verdicts(&events));
        let Some(Event::Stragglers { verdict: Verdict::Slow { left, .. }, .. }) =
            events.iter().find(|e| matches!(e, Event::Stragglers { .. }))
        else {
            panic!("no estimate")
        };
        // In truth 150 s or so; the estimate takes them for exponential, which they are not.
        assert!((100..1_200).contains(&left.as_secs()), "{left:?}");
        assert!(events.iter().any(|e| matches!(e, Event::Drained { .. })));
        stage.check().await.unwrap();
    });
}

#[test]
fn whoever_is_older_than_max_age_is_cut_before_the_deadline() {
    on_virtual_time(async {
        let mut stage = stage(|s| {
            wait(s, OnDeadline::Hold, 120);
            s.services[0].connections.max_age = Some(Duration::from_secs(10));
        });
        {
            let mut sim = stage.edge.sim();
            sim.stay(0, NODE, 3, 3_600_000);
            sim.stay(1, NODE, 2, 3_600_000);
            // It ends by itself, in time.
            sim.stay(1, NODE, 1, 8_000);
            sim.direct = vec!["198.51.100.9:4711".parse().unwrap(), "198.51.100.10:1".parse().unwrap()];
        }
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        let seen = log(&stage);
        let drained = seen.iter().rposition(|l| l.ends_with("drained"));
        assert!(drained < Some(position(&seen, "cut one")), "{seen:#?}");
        {
            let sim = stage.edge.sim();
            assert_eq!((sim.cut, sim.cut_ages.len(), sim.direct.len()), (5, 5, 0));
            assert!(sim.cut_ages.iter().all(|age| (10_000..15_000).contains(age)), "{:?}", sim.cut_ages);
        }
        let events = events(&stage).await;
        assert!(deadlines(&events).is_empty() && events.iter().any(|e| matches!(e, Event::Drained { .. })));
        let named = |e: &Event| match e {
            Event::Accepted { effect: Effect::CloseOld { connections, .. }, .. } => connections.len(),
            Event::Accepted { effect: Effect::CloseSockets { peers, .. }, .. } => peers.len(),
            _ => 0,
        };
        assert_eq!(events.iter().map(named).sum::<usize>(), 7, "each cut is in the journal, once");
        stage.check_out().unwrap();
        stage.check().await.unwrap();
    });
}

/// A client that is bound to the node would be back at once, so its age is no reason to cut it.
#[test]
fn max_age_spares_who_would_come_back() {
    on_virtual_time(async {
        let mut stage = stage(|s| {
            wait(s, OnDeadline::Hold, 40);
            bound(s, 2);
            s.services[0].connections.max_age = Some(Duration::from_secs(5));
        });
        stage.edge.sim().stay(0, NODE, 2, 3_600_000);
        let end = drain(&mut stage).await;
        assert!(matches!(&end, End::Finished(Finish::Held(_))), "{end:?}");
        assert_eq!(stage.edge.sim().cut, 0);
        let plan = stage.store.runs(1).await.unwrap()[0].plan.clone();
        assert!(plan.warnings.iter().any(|w| w.contains("bound to a node")), "{:?}", plan.warnings);
    });
}

/// A load balancer that takes long over its list, or gives none, holds nothing up, and is asked the less.
#[test]
fn a_slow_list_slows_nothing_down() {
    let story = |list_time: u64| {
        on_virtual_time(async move {
            let mut stage = stage(|s| wait(s, OnDeadline::Hold, 120));
            {
                let mut sim = stage.edge.sim();
                sim.list_time = list_time;
                sim.stay(0, NODE, 3, 60_000);
            }
            let end = drain(&mut stage).await;
            assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
            stage.check().await.unwrap();
            let events = events(&stage).await;
            let standby = stage.edge.sim().log.iter().find(|(_, l)| l.starts_with("standby")).map(|(at, _)| *at);
            (standby.unwrap(), stage.edge.sim().lists, verdicts(&events).len())
        })
    };
    let (quick, slow, never) = (story(30), story(900), story(60_000));
    assert!((10..=30).contains(&quick.1), "about every two seconds: {quick:?}");
    assert!((2..=5).contains(&slow.1), "one in twenty of a minute: {slow:?}");
    assert!(never.1 <= 4, "{never:?}");
    for (at, ..) in [quick, slow, never] {
        assert!((60_000..63_000).contains(&at), "standby at {at} ms: {quick:?} {slow:?} {never:?}");
    }
}

/// The program dies while it cuts; the next one cuts what is left, and the numbers are those of the beginning.
#[test]
fn a_crash_while_cutting_loses_no_number() {
    for n in 1..40 {
        on_virtual_time(async {
            let mut stage = stage(|s| {
                wait(s, OnDeadline::Close, 3);
                bound(s, 1);
            });
            stage.edge.sim().stay(0, NODE, 3, 3_600_000);
            stage.edge.sim().stay(1, NODE, 2, 3_600_000);
            stage.edge.sim().bound = vec![Bound::to(NODE, 400)];
            let mut die = Some(At::After(n));
            assert_eq!(stage.to_the_end(Purpose::Drain, || die.take().unwrap_or(At::Never)).await, Finish::Done);
            let events = events(&stage).await;
            assert_eq!(cuts(&events), [(vec![3, 2], 0, 0)], "died after record {n}");
            assert!(stage.edge.sim().lbs.iter().all(|lb| lb.servers[NODE].admin == Admin::Maint));
            stage.check().await.unwrap();
        });
    }
}
