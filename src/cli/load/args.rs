//! The options of `tidegate load`, and the plan that they make.

use std::{path::PathBuf, time::Duration};

use super::super::args::duration;
use crate::drill::load::{Authorities, LoadPlan, Lookup, Manner, NodeAt, Slow, Target};

/// What it does, for people who ask with `--help`.
pub(in crate::cli) const ABOUT: &str = "\
Send requests at a constant rate and report every failure.

Requests leave at their times whatever the answers do, and a latency counts from the time at
which its request was due: a server that stalls is charged for every request that it kept
waiting. Nothing is tried again.

The scheme of a URL says what is spoken:

  http, https   HTTP/1.1
  h2c, h2       HTTP/2: at once, or over TLS (ALPN)
  ws, wss       WebSocket: messages there and back on connections that are held
  tcp           connections; with --message and --expect also bytes

It ends with its duration, on SIGINT or SIGTERM, when a file appears or when standard input
closes, and always prints its report.";

/// The options of `tidegate load`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate load --url https://app.example.com/ --rate 200 --duration 1m
  tidegate load --url web/lb-1=h2://10.0.0.21/ --host app.example.com --ca-file ca.pem
  tidegate load --url wss://app.example.com/ws --keep-alive 100 --held 50 --rate 100
  tidegate load --url tcp://10.0.0.20:6379 --message 'PING\n' --expect PONG
  tidegate load --url https://app.example.com/ --rate 2000 --from client-1 --from client-2
  tidegate load --observe --duration 5m")]
pub struct LoadArgs {
    /// Where to send requests; several are used in turn. A name before it is that of the route in the report
    #[arg(long = "url", value_name = "[ROUTE=]URL", required_unless_present_any = ["plan", "observe"])]
    pub urls: Vec<Target>,
    /// Requests a second, over all URLs
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// How long to send, at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Time limit of one request
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
    /// Most requests under way at once
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_in_flight: usize,
    /// Make one of so many requests a slow one
    #[arg(long, value_name = "N", requires = "slow_path", value_parser = clap::value_parser!(u32).range(1..))]
    pub slow_every: Option<u32>,
    /// The path that slow requests ask for
    #[arg(long, value_name = "PATH", requires = "slow_every")]
    pub slow_path: Option<String>,

    /// Share of requests on connections that are kept, in percent; the others open one each
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Connections")]
    pub keep_alive: u8,
    /// Send nothing more on a kept connection that is older than this
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Connections")]
    pub connection_age: Option<Duration>,
    /// When to look up the name in a URL
    #[arg(long, value_enum, default_value_t, help_heading = "Connections")]
    pub lookup: Lookup,
    /// HTTP/2: most requests under way on one kept connection
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Connections")]
    pub streams: u32,
    /// WebSocket: connections to hold for each URL
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Connections")]
    pub held: u32,

    /// Host header, and the name that TLS asks for, in place of the URL's
    #[arg(long, value_name = "NAME", help_heading = "Protocol")]
    pub host: Option<String>,
    /// Believe the authorities in this file (PEM) and no others; the system's where there is none
    #[arg(long, value_name = "FILE", help_heading = "Protocol")]
    pub ca_file: Option<PathBuf>,
    /// WebSocket, TCP: what to send (\n, \r and \t are understood)
    #[arg(long, value_name = "TEXT", value_parser = escaped, help_heading = "Protocol")]
    pub message: Option<String>,
    /// WebSocket, TCP: what an answer has to hold
    #[arg(long, value_name = "TEXT", value_parser = escaped, help_heading = "Protocol")]
    pub expect: Option<String>,
    /// The node behind an address, where answers do not name theirs
    #[arg(long = "node", value_name = "ADDRESS=NODE", help_heading = "Protocol")]
    pub nodes: Vec<NodeAt>,

    /// Send from this host, over SSH as the configuration says; several share the rate, and their reports are merged
    #[arg(long, value_name = "HOST", conflicts_with_all = ["observe", "plan"], help_heading = "From other hosts")]
    pub from: Vec<String>,
    /// Tidegate's program on those hosts
    #[arg(long, value_name = "FILE", default_value = "tidegate", requires = "from", help_heading = "From other hosts")]
    pub program: String,
    /// Send nothing: tell what the configured load balancers count of everybody's traffic
    #[arg(long, conflicts_with_all = ["urls", "plan"], help_heading = "From other hosts")]
    pub observe: bool,

    /// End when this file appears
    #[arg(long, value_name = "FILE", help_heading = "End and report")]
    pub until_file: Option<PathBuf>,
    /// End when standard input closes
    #[arg(long, help_heading = "End and report")]
    pub until_stdin_closed: bool,
    /// Exit with 1 if any request failed
    #[arg(long, help_heading = "End and report")]
    pub fail_on_error: bool,
    /// Print the whole report as one line of JSON, the last line of stdout
    #[arg(long, help_heading = "End and report")]
    pub json: bool,
    /// Print what came twice a second, each as a line of JSON before the report
    #[arg(long, requires = "json", help_heading = "End and report")]
    pub live: bool,
    /// The whole plan as JSON, in place of the options above
    #[arg(long, value_name = "JSON", hide = true, value_parser = plan, conflicts_with = "urls")]
    pub plan: Option<LoadPlan>,
}

impl LoadArgs {
    /// What to send. An error where a file cannot be read.
    pub(super) fn plan(&self) -> Result<LoadPlan, String> {
        if let Some(plan) = &self.plan {
            return Ok(plan.clone());
        }
        let authorities = self.ca_file.as_deref().map(Authorities::read).transpose()?;
        Ok(LoadPlan {
            targets: self.urls.clone(),
            rate_per_s: self.rate,
            duration: self.duration,
            keep_alive_share: self.keep_alive,
            max_connection_age: self.connection_age,
            lookup: self.lookup,
            slow: self.slow_every.zip(self.slow_path.clone()).map(|(every, path)| Slow { every, path }),
            timeout: self.timeout,
            max_in_flight: self.max_in_flight.max(1),
            manner: Manner {
                host: self.host.clone(),
                authorities,
                streams: self.streams,
                held: self.held,
                message: self.message.clone(),
                expect: self.expect.clone(),
            },
            nodes: self.nodes.iter().cloned().collect(),
        })
    }
}

/// What shells make awkward to write.
fn escaped(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        plain.push(match (next, next == '\\') {
            (_, false) => next,
            _ => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('\\') => '\\',
                other => return Err(format!("'\\{}' means nothing here", other.unwrap_or_default())),
            },
        });
    }
    Ok(plain)
}

fn plan(text: &str) -> Result<LoadPlan, String> {
    serde_json::from_str(text).map_err(|e| format!("no plan: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_meant() {
        assert_eq!(escaped(r"GET /\r\n\\n").as_deref(), Ok("GET /\r\n\\n"));
        assert!(escaped(r"\x").is_err() && escaped("\\").is_err());
    }
}
