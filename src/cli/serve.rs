//! `tidegate serve`: the coordinator. It keeps out what is out, and exports what it sees.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    args::Global,
    context::Context,
    execute::Desk,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    daemon::{metrics, sentinel::Sentinel},
    run::wants::Wants,
};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where `/metrics` is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9750")]
    metrics: SocketAddr,
}

/// Works until it is told to stop.
pub(super) async fn command(global: &Global, out: Out, args: ServeArgs) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    metrics::serve(args.metrics).map_err(|error| {
        Failure::new(Code::Failed, format!("/metrics cannot be served on {}: {error}", args.metrics))
    })?;
    let desk = Desk::new(global, &context, &survey);
    let stop = stop_on_signal()?;
    out.say(&format!(
        "Watching over what is out of {}; metrics on http://{}/metrics. Ctrl-C ends it; runs go on without it.",
        context.settings.cluster.name, args.metrics
    ));
    Sentinel::new(desk.engine).watch(&stop).await;
    out.result(&json!({ "result": "stopped" }), "");
    Ok(Code::Done)
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
