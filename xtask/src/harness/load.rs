//! Load as clients send it: `tidegate load` in the client namespace, through whatever entrypoint clients have.

use std::collections::BTreeMap;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::child::Child;
use crate::lab::Lab;

/// What load to send.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    /// Requests a second, over all URLs.
    pub rate: u32,
    /// Where to; both HAProxy where none is named.
    pub urls: Vec<String>,
    /// When a client looks up the name in a URL: `each` connection, or `once`.
    pub lookup: &'static str,
    /// How old a kept-alive connection gets; for ever where none.
    pub connection_age: Option<Duration>,
    /// Share of requests on kept-alive connections, in percent.
    pub keep_alive: u8,
    /// One of so many requests asks for this path.
    pub slow: Option<(u32, String)>,
    /// Time limit of one request.
    pub timeout: Duration,
    /// The longest that it goes on when nobody ends it.
    pub longest: Duration,
}

impl Default for LoadSpec {
    fn default() -> Self {
        Self {
            rate: 300,
            urls: Vec::new(),
            lookup: "each",
            connection_age: None,
            keep_alive: 50,
            slow: None,
            timeout: Duration::from_secs(5),
            longest: Duration::from_secs(600),
        }
    }
}

/// A load that is being sent. It ends when dropped; [`Load::finish`] ends it and tells what it found.
#[derive(Debug)]
pub struct Load {
    child: Child,
    stdin: ChildStdin,
    timeout: Duration,
}

/// What clients saw.
#[derive(Clone, Debug, Deserialize)]
pub struct LoadResult {
    /// Requests, sent or due.
    pub requests: u64,
    /// Whole answers with a status below 400.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
    /// Successful answers, by the node that gave them.
    pub by_node: BTreeMap<String, u64>,
    /// Failures, by kind.
    pub by_failure: BTreeMap<String, u64>,
    /// The first failures, one by one.
    pub failures: Vec<Failed>,
    /// When the last request that failed was due (RFC 3339).
    pub failing_until: Option<String>,
    /// Latencies of the ordinary requests that were answered, from the moment at which each was due.
    pub latency: Latency,
}

/// One request that failed.
#[derive(Clone, Debug, Deserialize)]
pub struct Failed {
    /// When that was known (RFC 3339).
    pub at: String,
    /// Where it went.
    pub target: String,
    /// The address that its connection led to, where there was one.
    pub address: Option<String>,
    /// What it asked for.
    pub path: String,
    /// How it failed.
    pub kind: String,
    /// In the system's own words.
    pub detail: String,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50_ms: f64,
    /// 99 of 100 were at most this.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Load {
    /// Starts to send; the first request is under way some 50 ms later. It ends by itself after its longest time.
    pub fn start(lab: &Lab, spec: LoadSpec) -> Result<Self> {
        let mut command = lab.command_in("client", &super::program()?.display().to_string())?;
        command.args(["load", "--json", "--until-stdin-closed"]);
        command.args(["--duration", &format!("{}s", spec.longest.as_secs())]);
        command.args(["--rate", &spec.rate.to_string(), "--keep-alive", &spec.keep_alive.to_string()]);
        command.args(["--timeout", &format!("{}ms", spec.timeout.as_millis())]);
        command.args(["--lookup", spec.lookup]);
        if let Some(age) = spec.connection_age {
            command.args(["--connection-age", &format!("{}ms", age.as_millis())]);
        }
        for url in &spec.urls {
            command.args(["--url", url]);
        }
        for balancer in lab.balancer_names().iter().filter(|_| spec.urls.is_empty()) {
            command.args(["--url", &format!("http://{}/", lab.address(balancer)?)]);
        }
        if let Some((every, path)) = &spec.slow {
            command.args(["--slow-every", &every.to_string(), "--slow-path", path]);
        }
        let mut child = Child::start(&mut command, Stdio::piped())?;
        let stdin = child.stdin().context("the load has no stdin")?;
        Ok(Self { child, stdin, timeout: spec.timeout })
    }

    /// Ends the load, waits for the requests that are under way, and hands back what it found.
    pub fn finish(self) -> Result<LoadResult> {
        let Self { child, stdin, timeout } = self;
        drop(stdin);
        let finished = child.finish(timeout + Duration::from_secs(15))?;
        if !finished.status.success() {
            bail!("the load ended with {}: {}", finished.status, finished.stderr.trim());
        }
        let last = finished.stdout.lines().last().context("the load printed no report")?;
        serde_json::from_str(last).context("the load's report is not what was expected")
    }
}
