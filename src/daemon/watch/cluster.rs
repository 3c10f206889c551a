//! The cluster: every two seconds, and whenever a member's log says something.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Eyes;
use crate::daemon::metrics::{self, Source};

/// Time between two looks that nobody asked for.
const POLL: Duration = Duration::from_secs(2);
/// Time that several lines of a log have to become one look.
const GATHER: Duration = Duration::from_millis(20);

pub(super) fn watch(eyes: &Eyes, tasks: &mut JoinSet<()>) {
    tasks.spawn(look(eyes.clone()));
    let hinted = eyes.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = hinted.world.cluster.hints(&hinted.nudges.cluster) => {}
            () = hinted.stop.cancelled() => {}
        }
    });
}

async fn look(eyes: Eyes) {
    loop {
        let seen = eyes.ask(eyes.world.cluster.observe()).await;
        metrics::saw(Source::Cluster, "", seen.at().map(metrics::seconds));
        eyes.sight.send_modify(|sight| sight.seen.cluster = seen);
        if !eyes.again(eyes.at_least(POLL), &eyes.nudges.cluster).await {
            return;
        }
        tokio::time::sleep(GATHER).await;
    }
}
