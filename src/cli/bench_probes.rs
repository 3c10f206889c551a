//! `tidegate bench-probes`: the probe side of `cargo xtask bench probe`. It probes loopback addresses and counts; it
//! reads no configuration and touches nothing else.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use serde_json::json;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    config::expect::Expect,
    health::{
        Damping, Engine, Kind, Report, Rules, State, Target,
        probe::{Ask, Check, Get, Place},
    },
    model::NodeName,
    provider::SystemClock,
};

/// The first target's address; the others follow.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
/// Failures in a row that make a target unhealthy.
const UNHEALTHY: u32 = 2;

#[derive(Debug, Args)]
pub(super) struct BenchProbesArgs {
    /// Targets, from 127.1.0.1 upwards
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    targets: u32,
    /// Their port
    #[arg(long, value_name = "PORT")]
    port: u16,
    /// Milliseconds between two probes of a target
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..))]
    interval: u32,
    /// Seconds that it lasts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

/// What came of all probes.
#[derive(Default)]
struct Tally {
    probes: u64,
    failed: u64,
    timed_out: u64,
    turned: u64,
    exact: u64,
    in_a_row: HashMap<NodeName, u32>,
}

impl Tally {
    fn add(&mut self, report: &Report) {
        self.probes += 1;
        let row = self.in_a_row.entry(report.node.clone()).or_default();
        match &report.answer {
            Ok(()) => *row = 0,
            Err(failure) => {
                *row += 1;
                self.failed += 1;
                self.timed_out += u64::from(failure.kind == Kind::Timeout);
            }
        }
        if report.changed.is_some() && report.verdict.state() == State::Unhealthy {
            self.turned += 1;
            self.exact += u64::from(*row == UNHEALTHY);
        }
    }
}

pub(super) async fn command(out: Out, args: BenchProbesArgs) -> Result<Code> {
    let failed = |e: std::io::Error| Failure::new(Code::Failed, format!("no thread for the probes: {e}"));
    let (engine, _handle) = Engine::new(Arc::new(SystemClock));
    let (sender, mut reports) = mpsc::channel(4096);
    let stop = CancellationToken::new();
    let thread = engine.spawn(args.targets(), sender, stop.clone()).map_err(failed)?;
    let ends = stop.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(args.seconds.into())).await;
        ends.cancel();
    });
    let mut tally = Tally::default();
    let mut some = Vec::new();
    while reports.recv_many(&mut some, 256).await > 0 {
        some.drain(..).for_each(|report| tally.add(&report));
    }
    let _ = thread.join();
    out.result(
        &json!({
            "probes": tally.probes, "failed": tally.failed, "timed_out": tally.timed_out,
            "turned": tally.turned, "exact": tally.exact,
        }),
        "",
    );
    Ok(Code::Done)
}

impl BenchProbesArgs {
    fn targets(&self) -> Vec<Target> {
        let interval = Duration::from_millis(self.interval.into());
        let one = |n: u32| {
            let ip = Ipv4Addr::from_bits(FIRST.to_bits() + n);
            let place = Place::At(SocketAddr::from((ip, self.port)));
            Target {
                node: NodeName::new(ip.to_string()),
                service: "bench".into(),
                check: Check { place, ask: Ask::Http(Get::new("/ready", "bench", Expect::default())) },
                timeout: Duration::from_secs(2),
                interval,
                rules: Rules {
                    unhealthy: UNHEALTHY,
                    healthy: 3,
                    grace: Duration::ZERO,
                    damping: Some(Damping::usual(interval)),
                },
            }
        };
        (0..self.targets).map(one).collect()
    }
}
