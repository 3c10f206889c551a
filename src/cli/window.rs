//! `tidegate window`: a shorter TTL ahead of a planned window, and the usual one after it.
//!
//! Both TTLs are in the configuration, and the change is guarded by the one that it leads away from. So there is nothing
//! to remember: a window that was opened twice is open, one that a crash cut short is opened or closed again.

use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::{
    args::Global,
    context::{Context, Survey},
    execute::Desk,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    model::{Observation, Observed, RouteId},
    plan::ledger,
    run::{observer::Observer, waiting::Short, wants::Wants},
};

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Window {
    /// Lower the TTLs, as `ttl-during-maintenance` says
    Open,
    /// Put the usual TTLs back
    Close,
}

/// Longest wait for every server to show the TTL.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Changed {
    route: RouteId,
    ttl_s: u64,
    /// How long answers with the former TTL may be remembered.
    former_s: u64,
}

/// Changes the TTL of every route that has one for windows, and waits until all servers show it.
pub(super) async fn command(global: &Global, out: Out, window: Window) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|_| Wants { routes: true, ..Wants::default() }).await?;
    unmoved(&survey)?;
    let desk = Desk::new(global, &context, &survey);
    let lease = desk.engine.take().await?;
    let done = change(&context, &survey, matches!(window, Window::Open)).await;
    desk.engine.journal.release(&lease).await?;
    let changed = done?;
    if changed.is_empty() {
        return Err(Failure::usage("no route has a `ttl-during-maintenance`; nothing was touched".to_owned()));
    }
    out.result(&json!({ "result": "done", "routes": changed }), &text(&changed, window));
    Ok(Code::Done)
}

/// What is out has its old TTL in its receipt: a window opens before, and closes after.
fn unmoved(survey: &Survey) -> Result<()> {
    if let Some(open) = ledger::open(&survey.runs) {
        let message = format!("run {} is open; nothing was touched", open.run);
        return Err(Failure::new(Code::Refused, message).next(format!("`tidegate show {}`", open.run)));
    }
    let nodes = survey.topology.nodes.iter().chain(&survey.topology.outside);
    match nodes.filter_map(|n| Some((n, ledger::outstanding(&survey.runs, n)?))).next() {
        None => Ok(()),
        Some((node, run)) => {
            let message = format!("{node} is out ({run}), with its TTL in the receipt; nothing was touched");
            Err(Failure::new(Code::Refused, message).next(format!("`tidegate restore {node}` first.")))
        }
    }
}

async fn change(context: &Context, survey: &Survey, open: bool) -> Result<Vec<Changed>> {
    let mut changed = Vec::new();
    for provider in &survey.world.routes {
        let route = provider.id();
        let former = lingers(&survey.seen, route).max().unwrap_or_default();
        let failed = |e| Failure::new(Code::Failed, format!("{route}: {e}"));
        if let Some(ttl) = provider.window(open).await.map_err(failed)? {
            changed.push(Changed { route: route.clone(), ttl_s: ttl.as_secs(), former_s: former.as_secs() });
        }
    }
    let began = survey.world.clock.now();
    let mut observer = Observer::new(survey.world.clone(), context.settings.clone());
    loop {
        observer.refresh(&survey.topology, &Wants { routes: true, ..Wants::default() }).await;
        let Some(lagging) = changed.iter().find_map(|c| lagging(observer.seen(), c)) else { return Ok(changed) };
        if crate::model::observed::age(survey.world.clock.now(), began) > LIMIT {
            let message = format!("{lagging}; the other servers have the new TTL");
            return Err(Failure::new(Code::Held, message).next("The same command goes on with it.".to_owned()));
        }
        tokio::time::sleep(context.settings.run.poll).await;
    }
}

fn lingers<'a>(seen: &'a Observation, route: &RouteId) -> impl Iterator<Item = Duration> + use<'a> {
    let views = seen.routes.get(route).into_iter().flatten().filter_map(|(_, view)| view.value());
    views.flat_map(|view| view.members.values().map(|m| m.linger)).filter(|linger| !linger.is_zero())
}

/// A server that does not show the TTL yet, in words.
fn lagging(seen: &Observation, changed: &Changed) -> Option<String> {
    let instances = seen.routes.get(&changed.route)?;
    instances.iter().find_map(|(name, view)| match view {
        Observed::Unknown { reason } => Some(format!("{name} ({}) does not answer: {reason}", changed.route)),
        Observed::Known { value, .. } => {
            let ttl = value.members.values().map(|m| m.linger.as_secs()).find(|s| *s > 0 && *s != changed.ttl_s)?;
            Some(format!("{name} ({}) still has a TTL of {ttl} s", changed.route))
        }
    })
}

fn text(changed: &[Changed], window: Window) -> String {
    let mut text = String::new();
    for c in changed {
        text.push_str(&format!("{}: the TTL is {} s on every server\n", c.route, c.ttl_s));
    }
    let longest = changed.iter().map(|c| c.former_s).max().unwrap_or_default();
    match window {
        Window::Open => text.push_str(&format!(
            "Answers from before run out within {}; drains are quicker from then on.\n",
            Short(Duration::from_secs(longest))
        )),
        Window::Close => text.push_str("The window is closed.\n"),
    }
    text
}
