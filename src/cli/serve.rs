//! `tidegate serve`: the coordinator. It keeps out what is out, and exports what it sees.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    args::Global,
    context::{Context, Survey},
    execute::Desk,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    config::guard::Mode,
    daemon::{guard::Guard, metrics, runs::Runs, sampler::Sampler, sentinel::Sentinel, sole::Sole, watch::Watch},
    run::wants::Wants,
};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where `/metrics` is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9750")]
    metrics: SocketAddr,

    /// What the guard may do, instead of the configuration's `guard.mode`
    #[arg(long, value_enum, value_name = "MODE")]
    guard: Option<Mode>,
}

/// Works until it is told to stop.
pub(super) async fn command(global: &Global, out: Out, args: ServeArgs) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    let targets = context.targets(&survey.topology)?;
    metrics::serve(args.metrics).map_err(|error| {
        Failure::new(Code::Failed, format!("/metrics cannot be served on {}: {error}", args.metrics))
    })?;
    let desk = Desk::new(global, &context, &survey);
    let stop = stop_on_signal()?;
    let (mode, _sole) = mode(&context, args.guard.unwrap_or(context.settings.guard.mode), &out)?;
    out.say(&format!(
        "Watching over {}; the guard's mode is {mode}; metrics on http://{}/metrics. Ctrl-C ends it; runs go on without it.",
        context.settings.cluster.name, args.metrics
    ));
    let Survey { world, topology, .. } = survey;
    let (settings, notebook) = (context.settings.clone(), context.notebook.clone());
    let watch = Watch::start(world.clone(), settings.clone(), &topology, targets, notebook.clone(), stop.clone());
    let watch = Arc::new(watch);
    let sentinel = Sentinel::new(desk.engine, watch.sight());
    let sampler = Sampler::new(world.clone(), settings.clone(), topology.clone(), watch.clone());
    let runs = Runs::new(context.journal.clone()).with_drills(context.plays.clone());
    let guard = Guard::new(world, settings, topology, context.journal.clone(), notebook, watch, mode);
    tokio::join!(sentinel.watch(&stop), guard.work(&stop), sampler.work(&stop), runs.work(&stop));
    out.result(&json!({ "result": "stopped" }), "");
    Ok(Code::Done)
}

/// The mode, and the right to act where it is needed: a second coordinator with the same journal only observes.
fn mode(context: &Context, wanted: Mode, out: &Out) -> Result<(Mode, Option<Sole>)> {
    if wanted != Mode::Act {
        return Ok((wanted, None));
    }
    let journal = &context.settings.journal.path;
    let sole = Sole::beside(journal).map_err(|error| {
        Failure::new(Code::Failed, format!("the guard's lock beside {} cannot be had: {error}", journal.display()))
    })?;
    if sole.is_none() {
        out.say("Another coordinator guards with this journal; this one only observes.");
    }
    Ok((if sole.is_some() { Mode::Act } else { Mode::Observe }, sole))
}

/// Cancelled by the first SIGINT or SIGTERM. A run of the sentinel's own is short, and is finished first.
fn stop_on_signal() -> Result<CancellationToken> {
    let failed = |e: std::io::Error| Failure::new(Code::Failed, format!("signals cannot be received: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}
