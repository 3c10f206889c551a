//! A clone with one instance fewer than there are nodes: the third node stands in, the second is drained and comes back,
//! the third goes again. Two are ready at every moment, whatever goes wrong, and at the end all is exactly as it was.
//!
//! The simulated cluster is unkind: where it may have one instance less it stops the one that ran longest.

use std::time::Duration;

use tidegate::{
    journal::Journal,
    model::NodeName,
    plan::{Purpose, standin},
    run::executor::Finish,
};
use tokio_util::sync::CancellationToken;

use crate::{
    End, NODE, Stage, THIRD,
    crash::At,
    on_virtual_time, settings,
    world::{Admin, Broken, Faults, Node, SERVERS, Sim, Unit},
};

const STORY: [Purpose; 4] = [Purpose::StandIn, Purpose::Drain, Purpose::Restore, Purpose::Retire];

impl Sim {
    /// A free node comes first, with two instances on the others; nothing runs on it.
    pub fn with_a_free_node(mut self) -> Self {
        self.clone_max = Some(SERVERS.len() - 1);
        let free = SERVERS[SERVERS.len() - 1];
        if let Some(node) = self.nodes.get_mut(free) {
            (node.unit, node.recorded) = (Unit::Stopped, Unit::Stopped);
        }
        for server in self.lbs.iter_mut().filter_map(|lb| lb.servers.get_mut(free)) {
            server.up = false;
        }
        self
    }

    /// Nodes on which the cluster wants no instance: those that are out, and any that are too many. Which of them stop
    /// nobody is told; those that have run longest do.
    pub fn unwanted(&self) -> Vec<NodeName> {
        let is_out =
            |name: &NodeName, node: &Node| node.standby.as_deref() == Some("on") || self.bans.contains_key(name);
        let (out, able): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|(name, node)| is_out(name, node));
        let (idle, mut active): (Vec<_>, Vec<_>) =
            able.into_iter().partition(|(_, node)| matches!(node.unit, Unit::Stopped | Unit::Stopping { .. }));
        let max = self.clone_max.unwrap_or(SERVERS.len());
        let more = max.saturating_sub(active.len());
        active.reverse();
        let surplus = active.split_off(active.len().min(max));
        let left = idle.into_iter().skip(more);
        out.into_iter().chain(surplus).chain(left).map(|(name, _)| name.clone()).collect()
    }

    /// Where a node may be free, two are ready all the time.
    pub fn enough_ready(&mut self) {
        let ready = SERVERS.iter().filter(|n| self.answers(n)).count();
        if self.clone_max.is_some() && ready < SERVERS.len() - 1 {
            self.broken.push(Broken(format!("{} ms: only {ready} are ready", self.now)));
        }
    }
}

fn stage(seed: u64, faults: Faults) -> (Stage, u32) {
    let sim = Sim::new(seed, faults).with_a_free_node();
    let weight = sim.lbs[0].servers[NODE].weight;
    (Stage::new(sim, settings()), weight)
}

/// The third node is free, and everything as it was.
fn check_gone(stage: &Stage, weight: u32) -> Result<(), String> {
    let sim = stage.edge.sim();
    let unit = sim.nodes[THIRD].unit;
    if sim.clone_max != Some(2) || !sim.bans.is_empty() || unit != Unit::Stopped || !sim.answers(NODE) {
        return Err(format!("not as before: {:?}, {:?}, {unit:?}; {:#?}", sim.clone_max, sim.bans, sim.log));
    }
    for lb in &sim.lbs {
        let server = &lb.servers[THIRD];
        if server.admin != Admin::Ready || server.weight != weight {
            return Err(format!("not as before: {server:?}"));
        }
    }
    Ok(())
}

/// The whole story; `at` says where a program dies.
async fn tell(stage: &mut Stage, weight: u32, mut at: impl FnMut(Purpose) -> At) -> Result<(), String> {
    for purpose in STORY {
        let finish = stage.to_the_end(purpose, || at(purpose)).await;
        if finish != Finish::Done {
            return Err(format!("{purpose} ended as {finish:?}"));
        }
        let idle = standin::idle(&stage.runs().await).is_some();
        match purpose {
            Purpose::StandIn if !stage.edge.sim().answers(THIRD) => return Err("it does not stand in".into()),
            Purpose::Drain if idle => return Err("it may not go while the node is out".into()),
            Purpose::Drain => stage.check_out()?,
            Purpose::Restore if !idle => return Err("it may go once the node is back".into()),
            Purpose::Restore => stage.check_back(weight)?,
            Purpose::Retire if idle => return Err("it has gone".into()),
            _ => {}
        }
        // What was already on its way when a program ended has arrived by then.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    check_gone(stage, weight)?;
    stage.check().await
}

#[test]
fn without_a_stand_in_the_drain_waits_before_standby() {
    on_virtual_time(async {
        let (mut stage, weight) = stage(1, Faults::none());
        // The plan counts on it; nobody has let it come.
        let (end, _) = stage.start(Purpose::Drain, At::Never, &CancellationToken::new()).await;
        assert!(matches!(end, End::Finished(Finish::Held(_))), "{end:?}");
        assert!(stage.edge.sim().nodes[NODE].standby.is_none(), "{:#?}", stage.edge.sim().log);
        stage.check().await.unwrap();
        let run = stage.runs().await[0].run.clone();
        let now = stage.edge.providers().clock.now();
        stage.store.request_abort(&run, "somebody", now).await.unwrap();
        stage.resume(At::Never, &CancellationToken::new()).await;
        stage.check_back(weight).unwrap();
        check_gone(&stage, weight).unwrap();
    });
}

#[test]
fn it_dies_at_every_position_and_comes_to_the_same_end() {
    let positions = on_virtual_time(async {
        let (mut stage, weight) = stage(1, Faults::none());
        let mut positions = Vec::new();
        for purpose in STORY {
            let (end, appends) = stage.start(purpose, At::Never, &CancellationToken::new()).await;
            assert!(matches!(end, End::Finished(Finish::Done)), "{purpose}: {end:?} {:#?}", stage.journal().await);
            positions.push((purpose, appends));
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        check_gone(&stage, weight).unwrap();
        stage.check().await.unwrap();
        positions
    });
    for (purpose, last) in positions.into_iter().filter(|(p, _)| matches!(p, Purpose::StandIn | Purpose::Retire)) {
        assert!(last > 12, "{purpose}: {last}");
        for (n, before) in (1..=last).flat_map(|n| [(n, true), (n, false)]) {
            on_virtual_time(async {
                let (mut stage, weight) = stage(1, Faults::none());
                let mut die = Some(if before { At::Before(n) } else { At::After(n) });
                let at = |p: Purpose| if p == purpose { die.take().unwrap_or(At::Never) } else { At::Never };
                let told = tell(&mut stage, weight, at).await;
                told.unwrap_or_else(|e| panic!("{purpose} died at {n} (before: {before}): {e}"));
            });
        }
    }
}

#[test]
fn it_ends_well_in_a_world_that_goes_wrong() {
    for seed in 1..=50 {
        let told = on_virtual_time(async {
            let mut rng = fastrand::Rng::with_seed(seed ^ 0x7374_616e);
            let (mut stage, weight) = stage(seed, Faults::random(&mut rng));
            let mut crashes = rng.u32(0..4);
            let at = move |_| {
                if crashes == 0 {
                    return At::Never;
                }
                crashes -= 1;
                let n = rng.u64(1..25);
                if rng.bool() { At::Before(n) } else { At::After(n) }
            };
            tell(&mut stage, weight, at).await
        });
        told.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

/// Somebody gives the run up at some time: coming is undone, and going leaves the node without clients until it is asked for
/// again.
#[test]
fn it_is_given_up_at_any_time() {
    for (seed, purpose) in (1..=20).flat_map(|seed| [(seed, Purpose::StandIn), (seed, Purpose::Retire)]) {
        let told: Result<(), String> = on_virtual_time(async {
            let mut rng = fastrand::Rng::with_seed(seed ^ 0x6769_7665);
            let (mut stage, weight) = stage(seed, Faults::none());
            if purpose == Purpose::Retire {
                for before in [Purpose::StandIn, Purpose::Drain, Purpose::Restore] {
                    stage.to_the_end(before, || At::Never).await;
                }
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            let (store, clock, after) = (stage.store.clone(), stage.edge.providers().clock, rng.u64(50..9_000));
            let giving_up = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                let runs = store.runs(1).await.unwrap();
                if let Some(open) = runs.first().filter(|r| r.ending.is_none() && r.plan.parent.is_none()) {
                    let _ = store.request_abort(&open.run, "somebody", clock.now()).await;
                }
            });
            stage.to_the_end(purpose, || At::Never).await;
            giving_up.abort();
            tokio::time::sleep(Duration::from_secs(3)).await;
            // Whatever of it is left goes when it is asked to.
            if standin::idle(&stage.runs().await).is_some() {
                let finish = stage.to_the_end(Purpose::Retire, || At::Never).await;
                if finish != Finish::Done {
                    return Err(format!("it ended as {finish:?}"));
                }
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            check_gone(&stage, weight)?;
            stage.check().await
        });
        told.unwrap_or_else(|why| panic!("{purpose}, seed {seed}: {why}"));
    }
}
