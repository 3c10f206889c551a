//! `tidegate load`: open-loop load on an entrypoint, and an exact report of what clients saw.
//!
//! It ends with its duration, on SIGTERM or SIGINT, when a file appears, or when its standard input closes, and
//! always prints its report: a harness can start it, drain a node, stop it, and read the last line of stdout.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::drill::load::{self, Live, LoadPlan, LoadReport, Lookup, Slow, Target};

/// Send requests at a constant rate and report every failure.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArgs {
    /// Where to send requests; several are used in turn
    #[arg(long = "url", value_name = "URL", required = true)]
    pub urls: Vec<Target>,
    /// Requests a second, over all URLs
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// How long to send, at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Share of requests on kept-alive connections, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub keep_alive: u8,
    /// Send nothing more on a kept-alive connection that is older than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub connection_age: Option<Duration>,
    /// When to look up the name in a URL
    #[arg(long, value_enum, default_value_t)]
    pub lookup: Lookup,
    /// Make one of so many requests a slow one
    #[arg(long, value_name = "N", requires = "slow_path", value_parser = clap::value_parser!(u32).range(1..))]
    pub slow_every: Option<u32>,
    /// The path that slow requests ask for
    #[arg(long, value_name = "PATH", requires = "slow_every")]
    pub slow_path: Option<String>,
    /// Time limit of one request
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
    /// Most requests under way at once
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_in_flight: usize,
    /// End when this file appears
    #[arg(long, value_name = "FILE")]
    pub until_file: Option<PathBuf>,
    /// End when standard input closes
    #[arg(long)]
    pub until_stdin_closed: bool,
    /// Exit with 1 if any request failed
    #[arg(long)]
    pub fail_on_error: bool,
    /// Print the whole report as one line of JSON, the last line of stdout
    #[arg(long)]
    pub json: bool,
}

/// A time as people write it: `500ms`, `10s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| format!("'{text}' is no time (like 500ms, 10s, 5m)"))?;
    let time = Duration::try_from(span).map_err(|_| "a time cannot be negative".to_owned())?;
    if time.is_zero() || time > Duration::from_secs(24 * 3600) {
        return Err("it must be more than nothing and at most a day".to_owned());
    }
    Ok(time)
}

/// Runs the load and prints its report. Fails only where the report cannot be written.
pub async fn command(args: LoadArgs) -> std::io::Result<ExitCode> {
    let cancel = CancellationToken::new();
    let watcher = tokio::spawn(end_of(args.clone(), cancel.clone()));
    let plan = LoadPlan {
        targets: args.urls,
        rate_per_s: args.rate,
        duration: args.duration,
        keep_alive_share: args.keep_alive,
        max_connection_age: args.connection_age,
        lookup: args.lookup,
        slow: args.slow_every.zip(args.slow_path).map(|(every, path)| Slow { every, path }),
        timeout: args.timeout,
        max_in_flight: args.max_in_flight.max(1),
        manner: load::Manner::default(),
        nodes: load::Nodes::default(),
    };
    let report = load::run(plan, cancel, Live::new()).await;
    watcher.abort();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", words(&report))?;
    }
    out.flush()?;
    Ok(if args.fail_on_error && report.failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Cancels when one of the asked-for ends comes. Signals count always.
async fn end_of(args: LoadArgs, cancel: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return tracing::warn!("signals cannot be received: the load ends with its duration only");
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = file_appears(args.until_file) => {}
        () = stdin_closes(args.until_stdin_closed) => {}
    }
    cancel.cancel();
}

async fn file_appears(file: Option<PathBuf>) {
    let Some(file) = file else { return std::future::pending().await };
    while !tokio::fs::try_exists(&file).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// On a thread of its own, which ends with the program: a read of a terminal cannot be given up, and the runtime
/// would wait for it.
async fn stdin_closes(wanted: bool) {
    let closed = CancellationToken::new();
    if !wanted {
        return std::future::pending().await;
    }
    let tell = closed.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        tell.cancel();
    });
    closed.cancelled().await;
}

/// The report for a person.
fn words(report: &LoadReport) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "{} requests in {:.1} s: {} ok, {} failed\n",
        report.requests,
        report.took().as_secs_f64(),
        report.ok,
        report.failed
    );
    for (node, count) in &report.by_node {
        let _ = writeln!(text, "  {node}: {count} ({:.1} %)", *count as f64 * 100.0 / report.ok.max(1) as f64);
    }
    for (name, latency) in [("latency", report.latency), ("slow ones", report.slow_latency)] {
        if latency.count > 0 {
            let _ = writeln!(
                text,
                "  {name}: median {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms",
                latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
            );
        }
    }
    for (kind, count) in &report.by_failure {
        let _ = writeln!(text, "  failed, {kind}: {count}");
    }
    for failure in report.failures.iter().take(5) {
        let led = failure.address.map(|address| format!(" ({address})")).unwrap_or_default();
        let _ = writeln!(text, "  {} {}{led}: {}", failure.at, failure.target, failure.detail);
    }
    text
}
