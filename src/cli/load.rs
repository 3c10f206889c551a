//! `tidegate load`: open-loop load on an entrypoint, and an exact report of what clients saw.
//!
//! It always prints its report: a harness can start it, drain a node, stop it, and read the last line of stdout.

use std::{io::Write, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    context::{self, Context},
    exit::{Code, Failure, Result},
    world::Ways,
};
use crate::{
    drill::load::{
        self, Live, LoadReport,
        observed::{self, ObservedTraffic, Watch},
        remote::{self, Line, Senders},
    },
    provider::access::Access,
    run::wants::Wants,
};

mod args;
mod end;
mod words;

pub(super) use args::ABOUT;
pub use args::LoadArgs;

/// Between two lines of `--live`.
const TELL: Duration = Duration::from_millis(500);
/// Between two looks at load balancers.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the load and prints its report.
pub(super) async fn command(config: &std::path::Path, args: LoadArgs) -> Result<Code> {
    let cancel = CancellationToken::new();
    let live = Live::new();
    let watcher = tokio::spawn(end::watch(args.until_file.clone(), args.until_stdin_closed, cancel.clone()));
    let teller = tokio::spawn(tell(live.clone(), args.live));
    let done = if args.observe {
        observe(config, &args, cancel, live).await.map(|seen| (seen.failed, text(&args, &seen, words::of_observed)))
    } else {
        send(config, &args, cancel, live).await.map(|report| (report.failed, text(&args, &report, words::of)))
    };
    watcher.abort();
    teller.abort();
    let (failed, text) = done?;
    print(&text)?;
    Ok(if args.fail_on_error && failed > 0 { Code::Failed } else { Code::Done })
}

async fn send(config: &std::path::Path, args: &LoadArgs, cancel: CancellationToken, live: Live) -> Result<LoadReport> {
    let plan = args.plan().map_err(Failure::usage)?;
    if args.from.is_empty() {
        return Ok(load::run(plan, cancel, live).await);
    }
    let settings = context::settings(config)?;
    let ways = Ways::new(&settings).map_err(|e| failed(e.to_string()))?;
    let access: Arc<dyn Access> = ways.ssh();
    let senders = Senders { hosts: args.from.clone(), program: args.program.clone() };
    let report = remote::run(&access, &senders, &plan, cancel, live).await;
    report.map_err(|error| {
        let rest = error.rest.as_ref().map(|rest| format!("\n\nuntil then the other hosts saw:\n{}", words::of(rest)));
        failed(format!("{error}{}", rest.unwrap_or_default()))
    })
}

async fn observe(
    config: &std::path::Path,
    args: &LoadArgs,
    cancel: CancellationToken,
    live: Live,
) -> Result<ObservedTraffic> {
    let context = Context::open(config).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    let limit = context.settings.run.call_timeout;
    let ends = cancel.clone();
    let duration = args.duration;
    let timer = tokio::spawn(async move {
        sleep(duration).await;
        ends.cancel();
    });
    let seen = observed::watch(&survey.world, &survey.topology, Watch { every: LOOK, limit }, cancel, live).await;
    timer.abort();
    seen.map_err(|error| failed(format!("the load balancers do not tell their traffic: {error}")))
}

fn failed(why: String) -> Failure {
    Failure::new(Code::Failed, why)
}

fn text<T: serde::Serialize>(args: &LoadArgs, report: &T, words: fn(&T) -> String) -> String {
    if args.json {
        let line = serde_json::to_string(report).expect("a report is plain data");
        return format!("{line}\n");
    }
    words(report)
}

/// Tells what came, if that is wanted. Ends when nobody reads any more.
async fn tell(live: Live, wanted: bool) {
    let mut ticks = interval(TELL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if !wanted {
        return;
    }
    loop {
        ticks.tick().await;
        let Ok(line) = serde_json::to_string(&Line { live: live.take() }) else { return };
        if print(&format!("{line}\n")).is_err() {
            return;
        }
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| failed(format!("nobody reads the report: {e}")))
}
