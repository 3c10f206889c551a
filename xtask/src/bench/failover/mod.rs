//! `cargo xtask bench failover`: how long clients see errors when something is lost that nobody drained, without and with
//! the guard of `tidegate serve`.
//!
//! Every case is played on the lab under 100 new connections a second from the client host, first with the route's own
//! means alone, then with the guard; in one run, on one machine. The window is from the fault to the moment at which the
//! last request was due that failed. A route that checks nothing has no means of its own: there the window without the
//! guard ends with the observation, or with the cluster's own repair.

mod fault;
mod report;

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::{
    harness::{Child, Load, LoadResult, LoadSpec, Tidegate},
    lab::{
        ANYCAST_APP, APP_PORT, Announcer, Entrance, Haproxy, Lab, Proxy, Role, RouteText, TidegateConfig, ZONE, hosts,
    },
};

pub use fault::Fault;
pub use report::{Case, Report};

/// What is lost: not the node from which the lab asks the cluster.
const NODE: &str = "node-2";
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// New connections a second.
const RATE: u32 = 100;
/// Time limit of one request: who waits longer has failed.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// Through two HAProxy, which check every 5 s and need two failures.
    Haproxy,
    /// By a name that leads to the nodes, looked up for each connection.
    Dns,
    /// By an anycast address that the nodes announce.
    Bgp,
}

impl Way {
    const ALL: [Self; 3] = [Self::Haproxy, Self::Dns, Self::Bgp];

    fn word(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Dns => "dns",
            Self::Bgp => "bgp",
        }
    }

    fn prepare(self, lab: &Lab) -> Result<()> {
        match self {
            Self::Haproxy => {
                lab.run_proxies(&[Proxy::Haproxy])?;
                lab.balance(&Haproxy { inter: "5s".to_owned(), ..Haproxy::default() })
            }
            Self::Dns => {
                lab.run_proxies(&[])?;
                unremembered(lab)
            }
            Self::Bgp => {
                lab.run_proxies(&[])?;
                lab.announce_with(Announcer::Bird)
            }
        }
    }

    fn config(self) -> Result<TidegateConfig> {
        let by = |entrance, route| Some((entrance, vec![route]));
        let entrance = match self {
            Self::Haproxy => None,
            Self::Dns => by(Entrance::named("app", APP_PORT), RouteText::Dns("app", NODES.to_vec())),
            Self::Bgp => by(Entrance::at(ANYCAST_APP, APP_PORT), RouteText::Bgp(ANYCAST_APP, Announcer::Bird)),
        };
        // Two failures of probes that come every second: what HAProxy is given here, but for the interval.
        Ok(TidegateConfig { entrance, probe_interval: "1s".to_owned(), ..TidegateConfig::default() })
    }

    fn urls(self) -> Vec<String> {
        match self {
            Self::Haproxy => Vec::new(),
            Self::Dns => vec![format!("http://app.{ZONE}:{APP_PORT}/")],
            Self::Bgp => vec![format!("http://{ANYCAST_APP}:{APP_PORT}/")],
        }
    }
}

/// Gives the name's records a TTL of 0. How long a resolver remembers a lost node is the TTL's doing and comes on top, at
/// most that long; what is measured here is how soon the name is right.
fn unremembered(lab: &Lab) -> Result<()> {
    let name = format!("app.{ZONE}");
    let adds = hosts(Role::Node).map(|node| format!("\nupdate add {name} 0 A {}", node.address));
    lab.nsupdate(&adds.fold(format!("update delete {name} A"), |script, add| script + &add))?;
    lab.flush_resolver()
}

/// What to play; everything where nothing is named.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These faults only.
    pub faults: Vec<Fault>,
    /// These ways only.
    pub ways: Vec<Way>,
}

/// What clients saw of one fault.
struct Seen {
    /// Seconds of errors after the fault.
    window_s: f64,
    failed: u64,
    requests: u64,
    /// Seconds until the cluster itself knew that the node was lost.
    detection_s: Option<f64>,
}

/// Plays every case on a lab with every route that is up, and leaves it clean.
pub fn failover(lab: &Lab, options: &Options) -> Result<Report> {
    ensure!(
        lab.options().routes,
        "the lab {} has no names and no routers: bring one up with --routes",
        lab.options().prefix
    );
    let ways = if options.ways.is_empty() { Way::ALL.to_vec() } else { options.ways.clone() };
    let faults = if options.faults.is_empty() { Fault::ALL.to_vec() } else { options.faults.clone() };
    let mut report = Report::new(RATE);
    for way in ways {
        for fault in &faults {
            eprintln!("bench: {} behind {} alone", fault.word(), way.word());
            let alone = play(lab, way, *fault, false)?;
            eprintln!("bench: {} behind {} with the guard", fault.word(), way.word());
            let guarded = play(lab, way, *fault, true)?;
            let case = Case::new(way.word(), *fault, &alone, &guarded);
            eprintln!("{case}");
            report.cases.push(case);
        }
    }
    lab.reset()?;
    Ok(report)
}

fn play(lab: &Lab, way: Way, fault: Fault, guard: bool) -> Result<Seen> {
    lab.reset()?;
    way.prepare(lab)?;
    let journal = lab.dir().join("bench-failover.db");
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(format!("{}{suffix}", journal.display()));
    }
    let config = TidegateConfig { journal: Some(journal), ..way.config()? };
    let tidegate = Tidegate::new(lab, lab.write_config("bench-failover.toml", &config)?);
    let serving = guard.then(|| serve(&tidegate)).transpose()?;
    let spec = LoadSpec { rate: RATE, urls: way.urls(), keep_alive: 0, timeout: TIMEOUT, ..LoadSpec::default() };
    let load = Load::start(lab, spec)?;
    // The guard has seen everything a few times, and the load flows.
    sleep(Duration::from_secs(5));
    let began = now();
    let started = Instant::now();
    let detecting = fault.loses_the_node().then(|| fault::detection(lab)).transpose()?;
    fault.strike(lab)?;
    let detection_s = detecting.map(|d| d.finish(began)).transpose()?;
    sleep(fault.observed(way == Way::Haproxy).saturating_sub(started.elapsed()));
    let result = load.finish()?;
    if let Some(serving) = serving {
        let log = lab.dir().join("bench-failover.log");
        std::fs::write(&log, serving.stop()?).with_context(|| format!("could not write {}", log.display()))?;
    }
    seen(&result, began, detection_s)
}

fn serve(tidegate: &Tidegate<'_>) -> Result<Child> {
    let arguments = ["serve", "--guard", "act", "--metrics", "127.0.0.1:9750"];
    let serving = Child::start(&mut tidegate.command(&arguments)?, Stdio::null())?;
    // It looks at everything several times, and every service has passed its first probes.
    sleep(Duration::from_secs(3));
    Ok(serving)
}

fn seen(result: &LoadResult, began: f64, detection_s: Option<f64>) -> Result<Seen> {
    let until = result.failing_until.as_deref().map(seconds).transpose()?;
    let window_s = until.map_or(0.0, |until| (until - began).max(0.0));
    Ok(Seen { window_s, failed: result.failed, requests: result.requests, detection_s })
}

/// A time of the load's report, in seconds since the epoch.
fn seconds(text: &str) -> Result<f64> {
    let at: Timestamp = text.parse().with_context(|| format!("{text} is no time"))?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds since the epoch fit")]
    let micros = at.as_microsecond() as f64;
    Ok(micros / 1e6)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
