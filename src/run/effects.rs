//! Carrying effects out: all of a decision at once, each within its time limit, each with an answer that says what
//! is known.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};

use super::{decide::Act, decide::Situation, gate::standby_permit};
use crate::{
    model::{Effect, NodeName, UnitName},
    provider::{ProviderError, Result, World},
};

/// Connections that are cut at the same time at one instance: load balancers take few orders at once.
const CUTS_AT_ONCE: usize = 4;

/// Carries out the effects of one decision and gives back each one's answer, in order. Never stops half-way: it is
/// not to be dropped before it is ready.
pub async fn carry_out(world: &World, s: &Situation<'_>, acts: &[Act]) -> Vec<Result<()>> {
    join_all(acts.iter().map(|act| one(world, s, &act.effect))).await
}

async fn one(world: &World, s: &Situation<'_>, effect: &Effect) -> Result<()> {
    let limit = s.settings.run.call_timeout;
    match effect {
        Effect::Route { route, instance, server, desired } => {
            within(limit, world.route(route)?.apply(instance, server, desired)).await
        }
        Effect::CloseConnections { route, instance, server } => {
            within(limit, world.route(route)?.close_connections(instance, server)).await
        }
        Effect::CloseOld { route, instance, server, connections } => {
            let provider = world.route(route)?;
            let cuts = connections.iter().map(|s| provider.close_one(instance, server, &s.id));
            let cuts = stream::iter(cuts).buffer_unordered(CUTS_AT_ONCE);
            within(limit, cuts.fold(Ok(()), |all: Result<()>, one| async { all.and(one) })).await
        }
        Effect::CloseSockets { node, port, peers } => within(limit, world.traffic.close(node, *port, peers)).await,
        Effect::Standby { owner, leave, .. } => {
            let permit = standby_permit(s.plan, s.state, &s.look, s.settings, s.topology).map_err(|missing| {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                ProviderError::Refused(missing.join("; "))
            })?;
            within(limit, world.cluster.standby(permit, owner, leave)).await
        }
        Effect::Unstandby { node, owner, attribute, leave } => {
            within(limit, world.cluster.unstandby(node, owner, leave, attribute.as_deref())).await
        }
        Effect::Resize { resource, from, to } => within(limit, world.cluster.resize(resource, from, to)).await,
        Effect::EnableUnit { node, unit, enabled } => within(limit, world.units.enable(node, unit, *enabled)).await,
        Effect::StopUnit { node, unit } => unit_job(world, s, node, unit, false).await,
        Effect::StartUnit { node, unit } => unit_job(world, s, node, unit, true).await,
    }
}

/// A unit's job takes as long as the unit takes, so its limit is the run's patience.
async fn unit_job(world: &World, s: &Situation<'_>, node: &NodeName, unit: &UnitName, start: bool) -> Result<()> {
    let limit = s.settings.run.patience;
    if start {
        within(limit, world.units.start(node, unit)).await
    } else {
        within(limit, world.units.stop(node, unit)).await
    }
}

async fn within(limit: Duration, change: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::time::timeout(limit, change).await.unwrap_or(Err(ProviderError::TimedOut(limit)))
}
