//! The services' units on every node: by systemd's signals over a lasting connection, and every two seconds, which is also
//! how it is known that a node still answers.

use std::time::Duration;

use tokio::{task::JoinSet, time::sleep};

use super::Eyes;
use crate::{
    daemon::metrics::{self, Source},
    model::{NodeName, UnitName},
};

/// Time between two looks that nobody asked for.
const POLL: Duration = Duration::from_secs(2);
/// Time until signals are asked for again where the connection broke.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn watch(eyes: &Eyes, tasks: &mut JoinSet<()>) {
    for (node, unit) in eyes.nudges.units.keys() {
        tasks.spawn(look(eyes.clone(), node.clone(), unit.clone()));
        tasks.spawn(listen(eyes.clone(), node.clone(), unit.clone()));
    }
}

async fn look(eyes: Eyes, node: NodeName, unit: UnitName) {
    let key = (node, unit);
    let Some(nudge) = eyes.nudges.units.get(&key) else { return };
    loop {
        let seen = eyes.ask(eyes.world.units.observe(&key.0, &key.1)).await;
        metrics::saw(Source::Units, key.0.as_str(), seen.at().map(metrics::seconds));
        eyes.sight.send_modify(|sight| {
            sight.seen.nodes.entry(key.0.clone()).or_default().units.insert(key.1.clone(), seen);
        });
        if !eyes.again(eyes.at_least(POLL), nudge).await {
            return;
        }
    }
}

async fn listen(eyes: Eyes, node: NodeName, unit: UnitName) {
    let key = (node, unit);
    let Some(nudge) = eyes.nudges.units.get(&key) else { return };
    while !eyes.stop.is_cancelled() {
        tokio::select! {
            told = eyes.world.units.hints(&key.0, &key.1, nudge) => {
                if let Err(error) = told {
                    tracing::debug!("no signals of {} on {}: {error}", key.1, key.0);
                }
                // Whatever broke may be news.
                nudge.notify_one();
                sleep(AGAIN).await;
            }
            () = eyes.stop.cancelled() => {}
        }
    }
}
