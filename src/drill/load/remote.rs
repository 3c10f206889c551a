//! Load from other hosts: the same program there, started over the access path, and one report of all of them.
//!
//! Each host sends its part of the rate, and tells twice a second what came of it. They end together: with the plan's
//! duration, or when their standard input closes, which also happens when this program dies. A host that cannot be used
//! ends the load of all: less of it than was asked for would be a finding about another question.
//!
//! Times are put right by each host's clock, which is asked for first.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Failure, Live, LoadPlan, LoadReport, Told};
use crate::provider::{
    Clock, SystemClock,
    access::{Access, Following, MAX_OUTPUT},
};

/// Time limit of what only asks.
const ASK: Duration = Duration::from_secs(10);
/// How much longer than its plan says a host may take to report.
const GRACE: Duration = Duration::from_secs(15);
/// Characters of what a program said that are passed on.
const MAX_SAID: usize = 400;

/// The hosts that send load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Senders {
    /// Names that the access path understands.
    pub hosts: Vec<String>,
    /// The program there.
    pub program: String,
}

/// Why there is no whole report, by host.
#[derive(Clone, Debug, thiserror::Error)]
pub struct RemoteError {
    /// What was wrong, for each host where something was.
    pub failed: Vec<(String, String)>,
    /// What the other hosts found until then.
    pub rest: Option<Box<LoadReport>>,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: Vec<String> = self.failed.iter().map(|(host, why)| format!("no load from {host}: {why}")).collect();
        f.write_str(&failed.join("; "))
    }
}

/// A line that a sender says while it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// What came since the line before.
    pub live: Told,
}

/// Sends the plan's load from these hosts, until it is done or `cancel` fires; `live` shows the sum of it. The rate is
/// that of all hosts together, and so is the number of requests under way.
///
/// An error where one host could not be used, or did not report; the others are ended then, and what they found is in it.
pub async fn run(
    access: &Arc<dyn Access>,
    senders: &Senders,
    plan: &LoadPlan,
    cancel: CancellationToken,
    live: Live,
) -> Result<LoadReport, RemoteError> {
    let parts = parts(senders, plan)?;
    let offsets = join_all(senders.hosts.iter().map(|host| clock_offset(access.as_ref(), host))).await;
    let offsets = all(&senders.hosts, offsets)?;
    let arguments: Vec<Vec<String>> = parts.iter().map(|part| arguments(&senders.program, part)).collect();
    let started = senders.hosts.iter().zip(&arguments).map(|(host, arguments)| async move {
        let argv: Vec<&str> = arguments.iter().map(String::as_str).collect();
        timeout(ASK, access.follow(host, &argv))
            .await
            .map_err(|_| "it did not start in time".to_owned())?
            .map_err(|e| e.to_string())
    });
    let started = all(&senders.hosts, join_all(started).await)?;
    let stop = cancel.child_token();
    let limit = plan.duration + plan.timeout + GRACE;
    let heard = senders.hosts.iter().zip(started).map(|(host, output)| {
        let (stop, live) = (stop.clone(), live.clone());
        async move {
            let said = timeout(limit, listen(host, output, &stop, &live)).await;
            let said = said.unwrap_or_else(|_| Err(format!("no report within {:.0} s", limit.as_secs_f64())));
            live.absorb(host, &Told::default());
            // Nobody goes on alone.
            said.inspect_err(|_| stop.cancel())
        }
    });
    let (mut reports, mut failed) = (Vec::new(), Vec::new());
    for ((host, offset), heard) in senders.hosts.iter().zip(offsets).zip(join_all(heard).await) {
        match heard {
            Ok(report) => reports.push(named(report.shifted(offset), host)),
            Err(why) => failed.push((host.clone(), why)),
        }
    }
    let whole = LoadReport::merge(&reports);
    match whole {
        Ok(report) if failed.is_empty() => Ok(LoadReport { interrupted: cancel.is_cancelled(), ..report }),
        Ok(rest) => Err(RemoteError { failed, rest: Some(Box::new(rest)) }),
        Err(why) if failed.is_empty() => {
            Err(RemoteError { failed: vec![("any host".into(), why.to_string())], rest: None })
        }
        Err(_) => Err(RemoteError { failed, rest: None }),
    }
}

/// Whether every host has this very program: one of another version could misread the plan.
///
/// # Errors
/// Every host that cannot send, and why.
pub async fn ready(access: &Arc<dyn Access>, senders: &Senders) -> Result<(), RemoteError> {
    let asked = senders.hosts.iter().map(|host| async {
        let said = access.run(host, &[&senders.program, "--version"], ASK).await.map_err(|e| e.to_string())?;
        let (here, there) = (env!("CARGO_PKG_VERSION"), short(said.stdout.trim()));
        match said.code {
            Some(0) if there.split_whitespace().last() == Some(here) => Ok(()),
            Some(0) => Err(format!("it has {there:?}, and this is {here}")),
            _ => Err(format!("{} cannot be run there: {}", senders.program, short(said.stderr.trim()))),
        }
    });
    all(&senders.hosts, join_all(asked).await).map(drop)
}

/// Each host's part of the plan.
fn parts(senders: &Senders, plan: &LoadPlan) -> Result<Vec<LoadPlan>, RemoteError> {
    let count = u32::try_from(senders.hosts.len()).unwrap_or(u32::MAX);
    if count == 0 || plan.rate_per_s < count {
        let why = format!("{} requests/s cannot be shared out among {count} hosts", plan.rate_per_s);
        return Err(RemoteError { failed: vec![("any host".into(), why)], rest: None });
    }
    let part = |number: u32| LoadPlan {
        rate_per_s: plan.rate_per_s / count + u32::from(number < plan.rate_per_s % count),
        max_in_flight: (plan.max_in_flight / count as usize).max(1),
        ..plan.clone()
    };
    Ok((0..count).map(part).collect())
}

/// The command on a host. What it says of errors comes with its output: that is all that comes back.
fn arguments(program: &str, plan: &LoadPlan) -> Vec<String> {
    let plan = serde_json::to_string(plan).expect("a plan is plain data");
    let words = [
        "sh",
        "-c",
        "exec \"$@\" 2>&1",
        "sh",
        program,
        "load",
        "--json",
        "--live",
        "--until-stdin-closed",
        "--plan",
        &plan,
    ];
    words.map(str::to_owned).to_vec()
}

/// How far a host's clock is ahead of this one's.
async fn clock_offset(access: &dyn Access, host: &str) -> Result<SignedDuration, String> {
    let before = SystemClock.now();
    let said = access.run(host, &["date", "-u", "+%s.%N"], ASK).await.map_err(|e| e.to_string())?;
    let took = SystemClock.now().duration_since(before);
    let read = || {
        let (seconds, nanos) = said.stdout.trim().split_once('.')?;
        Timestamp::new(seconds.parse().ok()?, nanos.parse().ok()?).ok()
    };
    let there = read().ok_or_else(|| format!("its clock says {:?}", short(&said.stdout)))?;
    let offset = there.duration_since(before) - took / 2;
    // What could be the way there and back is no error of the clock.
    Ok(if offset.abs() <= took { SignedDuration::ZERO } else { offset })
}

/// Reads what a host says, to its end, and passes on what it tells meanwhile.
async fn listen(
    host: &str,
    mut output: Box<dyn Following>,
    stop: &CancellationToken,
    live: &Live,
) -> Result<LoadReport, String> {
    let (mut rest, mut last, mut complaint) = (Vec::new(), None, String::new());
    let mut stopped = false;
    loop {
        let mut chunk = [0; 16 << 10];
        let read = tokio::select! {
            () = stop.cancelled(), if !stopped => {
                stopped = true;
                output.end_input();
                continue;
            }
            read = output.read(&mut chunk) => read.map_err(|e| e.to_string())?,
        };
        rest.extend_from_slice(&chunk[..read]);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            match serde_json::from_slice::<Line>(&line) {
                Ok(line) => live.absorb(host, &line.live),
                Err(_) if line.starts_with(b"{") => last = Some(line),
                Err(_) => complaint = String::from_utf8_lossy(&line).trim().to_owned(),
            }
        }
        if rest.len() > MAX_OUTPUT {
            return Err(format!("a line of more than {MAX_OUTPUT} bytes"));
        }
        if read == 0 {
            break;
        }
    }
    let none = || match complaint.as_str() {
        "" => "it ended without a report".to_owned(),
        said => format!("it ended without a report: {}", short(said)),
    };
    serde_json::from_slice(&last.ok_or_else(none)?).map_err(|e| format!("its report is none: {e}"))
}

fn named(report: LoadReport, host: &str) -> LoadReport {
    let of = |failure: Failure| Failure { host: Some(host.to_owned()), ..failure };
    let failures = report.failures.into_iter().map(of).collect();
    LoadReport { hosts: vec![host.to_owned()], failures, ..report }
}

/// All of them, or every error.
fn all<T>(hosts: &[String], results: Vec<Result<T, String>>) -> Result<Vec<T>, RemoteError> {
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for (host, result) in hosts.iter().zip(results) {
        match result {
            Ok(value) => good.push(value),
            Err(why) => failed.push((host.clone(), why)),
        }
    }
    if failed.is_empty() { Ok(good) } else { Err(RemoteError { failed, rest: None }) }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::access::local::LocalAccess;

    fn plan(rate: u32) -> LoadPlan {
        let target = "http://127.0.0.1:1/".parse().expect("a URL");
        LoadPlan { timeout: Duration::from_secs(1), ..LoadPlan::new(vec![target], rate, Duration::from_secs(1)) }
    }

    async fn refused(hosts: &[&str], program: &str, rate: u32) -> String {
        let access: Arc<dyn Access> = Arc::new(LocalAccess::new());
        let senders = Senders { hosts: hosts.iter().map(ToString::to_string).collect(), program: program.into() };
        let error = run(&access, &senders, &plan(rate), CancellationToken::new(), Live::new()).await;
        error.expect_err("no load").to_string()
    }

    #[test]
    fn the_rate_is_shared_out_to_the_last_request() {
        let senders = Senders { hosts: ["a", "b", "c"].map(Into::into).to_vec(), program: "tidegate".into() };
        let parts = parts(&senders, &plan(500)).expect("parts");
        assert_eq!(parts.iter().map(|p| p.rate_per_s).collect::<Vec<_>>(), [167, 167, 166]);
        assert!(parts.iter().all(|p| p.max_in_flight == 170));
    }

    #[tokio::test]
    async fn a_host_that_cannot_be_used_is_told_and_nothing_is_less() {
        let none = refused(&["a", "b"], "/no/such/tidegate", 10).await;
        assert!(
            none.starts_with("no load from a: it ended without a report: ") && none.contains("no load from b: "),
            "{none}"
        );
        assert!(none.contains("/no/such/tidegate"), "{none}");
        assert_eq!(refused(&["a"], "true", 10).await, "no load from a: it ended without a report");
        assert_eq!(
            refused(&["a", "b"], "true", 1).await,
            "no load from any host: 1 requests/s cannot be shared out among 2 hosts"
        );
    }

    #[tokio::test]
    async fn clocks_are_compared() {
        let offset = clock_offset(&LocalAccess::new(), "").await.expect("a clock");
        assert_eq!(offset, SignedDuration::ZERO);
    }
}
