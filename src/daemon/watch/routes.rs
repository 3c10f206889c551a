//! Every instance of every route, each as often as its `watch` says.

use tokio::task::JoinSet;

use super::Eyes;
use crate::{
    daemon::metrics,
    model::{InstanceName, RouteId},
};

pub(super) fn watch(eyes: &Eyes, tasks: &mut JoinSet<()>) {
    for (route, instance) in eyes.nudges.routes.keys() {
        tasks.spawn(one(eyes.clone(), route.clone(), instance.clone()));
    }
}

async fn one(eyes: Eyes, route: RouteId, instance: InstanceName) {
    let key = (route, instance);
    let Some(nudge) = eyes.nudges.routes.get(&key) else { return };
    let Ok(provider) = eyes.world.route(&key.0).cloned() else { return };
    let pause = eyes.at_least(eyes.settings.route(&key.0).map_or(super::LIMIT, |r| r.watch));
    loop {
        let seen = eyes.ask(provider.observe(&key.1)).await;
        metrics::looked(key.0.as_str(), key.1.as_str(), seen.at().map(metrics::seconds));
        eyes.sight.send_modify(|sight| {
            sight.seen.routes.entry(key.0.clone()).or_default().insert(key.1.clone(), seen);
        });
        if !eyes.again(pause, nudge).await {
            return;
        }
    }
}
