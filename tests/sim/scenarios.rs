//! Single stories, each of which must end in one way.

use std::time::Duration;

use tidegate::{
    config::settings::OnDeadline,
    journal::{Event, Journal},
    plan::Purpose,
    run::executor::{Finish, RunError},
};
use tokio_util::sync::CancellationToken;

use crate::{
    End, NODE, Stage,
    crash::At,
    on_virtual_time, settings,
    world::{Faults, Sim},
};

fn calm() -> Stage {
    Stage::new(Sim::new(7, Faults::none()), settings())
}

fn weight(stage: &Stage) -> u32 {
    stage.edge.sim().lbs[0].servers[NODE].weight
}

/// A client that stays for an hour of virtual time.
pub fn long_request(stage: &Stage) {
    stage.edge.sim().stay(0, NODE, 3, 3_600_000);
}

pub async fn events(stage: &Stage) -> Vec<Event> {
    let mut events = Vec::new();
    for run in stage.runs().await.iter().rev() {
        events.extend(stage.store.records(&run.run).await.unwrap().into_iter().map(|r| r.event));
    }
    events
}

pub fn deadline_stage(policy: OnDeadline) -> Stage {
    let mut settings = settings();
    settings.services[0].connections.deadline = Duration::from_secs(5);
    settings.services[0].connections.on_deadline = policy;
    Stage::new(Sim::new(3, Faults::none()), settings)
}

#[test]
fn the_order_is_kept() {
    on_virtual_time(async {
        let mut stage = calm();
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
        stage.check().await.unwrap();
        let log: Vec<String> = stage.edge.sim().log.iter().map(|(_, what)| what.clone()).collect();
        let weight = weight(&stage);
        let stages = [weight.div_ceil(10), weight.div_ceil(2)].map(|w| format!("weight {w}"));
        let kinds = [
            "drained",
            "standby",
            "stopped",
            "stop app-sidecar",
            "start app-sidecar",
            "unstandby",
            stages[0].as_str(),
            stages[1].as_str(),
            "as before",
        ];
        let at: Vec<usize> =
            kinds.iter().map(|k| log.iter().position(|l| l.contains(k)).unwrap_or(usize::MAX)).collect();
        assert!(at.is_sorted() && !at.contains(&usize::MAX), "{kinds:?} at {at:?} in {log:#?}");
    });
}

/// A load balancer that never noticed the stop still believes the check of before: that one admits nobody.
#[test]
fn an_old_check_is_not_believed() {
    on_virtual_time(async {
        let mut stage = calm();
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        for lb in &mut stage.edge.sim().lbs {
            lb.servers.get_mut(NODE).unwrap().up = true;
        }
        assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
        stage.check().await.unwrap();
        let log: Vec<String> = stage.edge.sim().log.iter().map(|(_, what)| what.clone()).collect();
        let fresh = log.iter().filter(|l| l.contains("fresh check")).count();
        let last = log.iter().rposition(|l| l.contains("fresh check"));
        assert!(fresh == 2 && last < log.iter().position(|l| l.contains("unstandby")), "{log:#?}");
    });
}

/// Every position of the journal, before and after the record is durable, of a drain and of a restore.
#[test]
fn a_crash_at_every_position_changes_nothing() {
    let positions = on_virtual_time(async {
        let mut stage = calm();
        let stop = CancellationToken::new();
        let (end, drain) = stage.start(Purpose::Drain, At::Never, &stop).await;
        assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
        let (end, restore) = stage.start(Purpose::Restore, At::Never, &stop).await;
        assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
        (drain, restore)
    });
    assert!(positions.0 > 8 && positions.1 > 12, "{positions:?}");
    for (purpose, last) in [(Purpose::Drain, positions.0), (Purpose::Restore, positions.1)] {
        for (n, before) in (1..=last).flat_map(|n| [(n, true), (n, false)]) {
            on_virtual_time(async {
                let mut stage = calm();
                let weight = weight(&stage);
                let mut die = Some(if before { At::Before(n) } else { At::After(n) });
                let mut at = |p: Purpose| if p == purpose { die.take().unwrap_or(At::Never) } else { At::Never };
                assert_eq!(
                    stage.to_the_end(Purpose::Drain, || at(Purpose::Drain)).await,
                    Finish::Done,
                    "{purpose} {n}"
                );
                stage.check_out().unwrap();
                assert_eq!(
                    stage.to_the_end(Purpose::Restore, || at(Purpose::Restore)).await,
                    Finish::Done,
                    "{purpose} {n}"
                );
                stage.check_back(weight).unwrap();
                stage.check().await.unwrap_or_else(|e| panic!("{purpose} died at {n} (before: {before}): {e}"));
            });
        }
    }
}

#[test]
fn a_full_disk_stops_before_the_next_effect() {
    for n in 1..12 {
        on_virtual_time(async {
            let mut stage = calm();
            let (end, _) = stage.start(Purpose::Drain, At::Full(n), &CancellationToken::new()).await;
            let effects = stage.edge.sim().log.len();
            assert!(matches!(&end, End::Failed(RunError::Journal { .. } | RunError::Unavailable(_))), "{n}: {end:?}");
            // Whatever was done had its intent in the journal before.
            let intended = events(&stage).await.iter().filter(|e| matches!(e, Event::Intended { .. })).count();
            assert!(
                effects <= intended + usize::from(effects > intended && intended > 0),
                "{n}: {effects} effects, {intended} intents"
            );
            assert_eq!(stage.resume_or_drain().await, Finish::Done);
            stage.check().await.unwrap();
        });
    }
}

#[test]
fn hold_goes_no_further_and_resume_goes_on() {
    on_virtual_time(async {
        let mut stage = deadline_stage(OnDeadline::Hold);
        long_request(&stage);
        let (end, _) = stage.start(Purpose::Drain, At::Never, &CancellationToken::new()).await;
        assert!(matches!(&end, End::Finished(Finish::Held(why)) if why.contains("3 connections")), "{end:?}");
        assert!(stage.edge.sim().nodes[NODE].standby.is_none());
        assert!(
            events(&stage)
                .await
                .iter()
                .any(|e| matches!(e, Event::DeadlineReached { remaining: 3, policy: OnDeadline::Hold, .. }))
        );
        stage.edge.sim().lbs[0].servers.get_mut(NODE).unwrap().sessions.clear();
        let (end, _) = stage.resume(At::Never, &CancellationToken::new()).await.unwrap();
        assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
        assert!(events(&stage).await.iter().any(|e| matches!(e, Event::Drained { .. })));
        stage.check_out().unwrap();
    });
}

#[test]
fn close_cuts_and_never_says_drained() {
    on_virtual_time(async {
        let mut stage = deadline_stage(OnDeadline::Close);
        long_request(&stage);
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        assert_eq!(stage.edge.sim().cut, 3);
        let events = events(&stage).await;
        assert!(
            events.iter().any(|e| matches!(e, Event::DeadlineReached { remaining: 3, policy: OnDeadline::Close, .. }))
        );
        assert!(!events.iter().any(|e| matches!(e, Event::Drained { .. })));
        stage.check_out().unwrap();
        stage.check().await.unwrap();
    });
}

#[test]
fn abort_at_the_deadline_puts_everything_back() {
    on_virtual_time(async {
        let mut stage = deadline_stage(OnDeadline::Abort);
        let weight = weight(&stage);
        long_request(&stage);
        // The last run executed is the undo, and it is done.
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        stage.check_back(weight).unwrap();
        assert_eq!(stage.runs().await.len(), 2);
        assert_eq!(stage.edge.sim().cut, 0);
        stage.check().await.unwrap();
    });
}

/// An abort asked for at any time of a drain brings the node back exactly; of a restore, leaves it without traffic,
/// and the next restore brings it back.
#[test]
fn abort_works_at_every_wait() {
    for (purpose, delay) in (0..60).flat_map(|n| [(Purpose::Drain, n * 150), (Purpose::Restore, n * 250)]) {
        on_virtual_time(async {
            let mut stage = calm();
            let weight = weight(&stage);
            if purpose == Purpose::Restore {
                assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
            }
            let store = stage.store.clone();
            let edge = stage.edge.clone();
            let asked = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                let runs = store.runs(1).await.unwrap();
                let open = runs.first().filter(|r| r.ending.is_none() && r.plan.request.purpose == purpose)?;
                store.request_abort(&open.run, "somebody", edge.providers().clock.now()).await.ok()
            });
            let finish = stage.to_the_end(purpose, || At::Never).await;
            let aborted = asked.await.unwrap().is_some() && stage.runs().await.iter().any(|r| r.plan.parent.is_some());
            assert_eq!(finish, Finish::Done, "{purpose} aborted after {delay} ms");
            stage.check().await.unwrap();
            match (purpose, aborted) {
                (Purpose::Drain, true) => stage.check_back(weight).unwrap(),
                (Purpose::Drain, false) => stage.check_out().unwrap(),
                (_, true) => {
                    assert!(stage.edge.sim().lbs.iter().all(|lb| lb.servers[NODE].admin != crate::world::Admin::Ready));
                    assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
                    stage.check_back(weight).unwrap();
                }
                (_, false) => stage.check_back(weight).unwrap(),
            }
        });
    }
}

#[test]
fn a_load_balancer_cut_off_holds_the_run_before_standby() {
    on_virtual_time(async {
        let mut faults = Faults::none();
        faults.cut = vec![(400, 20_000, 1)];
        let mut stage = Stage::new(Sim::new(11, faults), settings());
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        let sim = stage.edge.sim();
        let standby = sim.log.iter().find(|(_, what)| what.starts_with("standby")).unwrap().0;
        assert!(standby > 20_000, "{:?}", sim.log);
    });
}

#[test]
fn a_reload_in_mid_drain_is_reasserted() {
    on_virtual_time(async {
        let mut stage = calm();
        long_request(&stage);
        stage.edge.sim().faults.reloads = vec![(3_000, 0)];
        let edge = stage.edge.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(8)).await;
            edge.sim().lbs[0].servers.get_mut(NODE).unwrap().sessions.clear();
        });
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        assert!(events(&stage).await.iter().any(|e| matches!(e, Event::Reasserted { .. })));
        stage.check().await.unwrap();
    });
}

#[test]
fn a_node_that_is_not_ready_gets_no_request() {
    on_virtual_time(async {
        let mut stage = calm();
        let weight = weight(&stage);
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        stage.edge.sim().nodes.get_mut(NODE).unwrap().sick = true;
        let requests = |stage: &Stage| stage.edge.sim().lbs.iter().map(|l| l.servers[NODE].requests).sum::<u64>();
        let before = requests(&stage);
        let edge = stage.edge.clone();
        let healed = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let mut sim = edge.sim();
            sim.nodes.get_mut(NODE).unwrap().sick = false;
            sim.lbs.iter().map(|l| l.servers[NODE].requests).sum::<u64>()
        });
        assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
        assert_eq!(healed.await.unwrap(), before);
        assert!(requests(&stage) > before);
        stage.check_back(weight).unwrap();
        stage.check().await.unwrap();
    });
}

#[test]
fn readiness_lost_during_the_ramp_takes_the_node_out_again() {
    on_virtual_time(async {
        let mut settings = settings();
        settings.entrypoints[0].routes[0].dwell = Duration::from_secs(5);
        let mut stage = Stage::new(Sim::new(5, Faults::none()), settings);
        let weight = weight(&stage);
        assert_eq!(stage.to_the_end(Purpose::Drain, || At::Never).await, Finish::Done);
        let edge = stage.edge.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let mut sim = edge.sim();
                if sim.lbs[0].servers[NODE].admin == crate::world::Admin::Ready {
                    sim.nodes.get_mut(NODE).unwrap().sick = true;
                    break;
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            edge.sim().nodes.get_mut(NODE).unwrap().sick = false;
        });
        assert_eq!(stage.to_the_end(Purpose::Restore, || At::Never).await, Finish::Done);
        assert!(events(&stage).await.iter().any(|e| matches!(e, Event::RampBackedOff { .. })));
        stage.check_back(weight).unwrap();
    });
}

#[test]
fn one_run_at_a_time() {
    on_virtual_time(async {
        let mut stage = deadline_stage(OnDeadline::Hold);
        long_request(&stage);
        let stop = CancellationToken::new();
        assert!(matches!(stage.start(Purpose::Drain, At::Never, &stop).await.0, End::Finished(Finish::Held(_))));
        let (end, _) = stage.start(Purpose::Drain, At::Never, &stop).await;
        assert!(matches!(&end, End::Refused(gates) if gates.iter().any(|g| g.code == "other-run")), "{end:?}");
    });
}

#[test]
fn ctrl_c_stops_waiting_and_resume_goes_on() {
    on_virtual_time(async {
        let mut stage = calm();
        long_request(&stage);
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stopping.cancel();
        });
        let (end, _) = stage.start(Purpose::Drain, At::Never, &stop).await;
        assert!(matches!(end, End::Finished(Finish::Paused)), "{end:?}");
        stage.edge.sim().lbs[0].servers.get_mut(NODE).unwrap().sessions.clear();
        let (end, _) = stage.resume(At::Never, &CancellationToken::new()).await.unwrap();
        assert!(matches!(end, End::Finished(Finish::Done)), "{end:?}");
        stage.check().await.unwrap();
    });
}

impl Stage {
    /// Resumes where a run is open, else starts a drain.
    async fn resume_or_drain(&mut self) -> Finish {
        match self.resume(At::Never, &CancellationToken::new()).await {
            Some((End::Finished(finish), _)) => finish,
            Some((end, _)) => panic!("{end:?}"),
            None => self.to_the_end(Purpose::Drain, || At::Never).await,
        }
    }
}
