//! wrk: four connections, each of which sends its next request when it has its answer.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::report::{Latency, Wrk};
use super::{LIMIT, RUN};
use crate::harness::Child;

/// A run of wrk that goes on, and its script.
pub(super) struct Running {
    child: Child,
    script: Script,
}

/// A file that is removed when dropped.
struct Script(PathBuf);

impl Drop for Script {
    fn drop(&mut self) {
        // What stays behind is a small file among temporary ones.
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) fn start(address: SocketAddr) -> Result<Running> {
    let script = Script(std::env::temp_dir().join(format!("xtask-wrk-{}.lua", std::process::id())));
    fs::write(&script.0, include_str!("wrk.lua")).context("could not write wrk's script")?;
    let mut command = Command::new("wrk");
    command.args(["-t4", "-c4", "--latency", "--timeout", "10s", "-d", &format!("{}s", RUN.as_secs()), "-s"]);
    command.arg(&script.0).arg(format!("http://{address}/"));
    Ok(Running { child: Child::start(&mut command, Stdio::null())?, script })
}

pub(super) fn finish(running: Running) -> Result<Wrk> {
    let Running { child, script } = running;
    let finished = child.finish(LIMIT)?;
    drop(script);
    ensure!(finished.status.success(), "wrk ended with {}: {}", finished.status, finished.stderr);
    read(&finished.stdout).with_context(|| format!("wrk said something else than expected:\n{}", finished.stdout))
}

fn read(said: &str) -> Result<Wrk> {
    let measured = said.lines().find_map(|line| line.strip_prefix("measured ")).context("no measurements")?;
    let numbers: Vec<f64> = measured.split(' ').map(|n| n.parse().context("no number")).collect::<Result<_>>()?;
    let [count, p50, p90, p99, max] = numbers[..] else { anyhow::bail!("not five numbers") };
    let (p50_ms, p90_ms, p99_ms, max_ms) = (p50 / 1000.0, p90 / 1000.0, p99 / 1000.0, max / 1000.0);
    let measured = Latency { requests: count as u64, p50_ms, p90_ms, p99_ms, max_ms };
    let printed = said.lines().find_map(|line| line.trim().strip_prefix("99%")).context("no 99%")?;
    Ok(Wrk { measured, printed_p99_ms: milliseconds(printed.trim())? })
}

/// `1.92s`, `6.08ms`, `950.00us`.
fn milliseconds(text: &str) -> Result<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .with_context(|| format!("{text:?} has no unit"))?;
    Ok(number.parse::<f64>().with_context(|| format!("{text:?} is no time"))? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "  Latency Distribution\n     50%    2.27ms\n     99%    1.92s \n  6719 requests in 6.02s\n\
                    measured 6719 2233 2900 6081 2000489\n";
        let wrk = read(said).expect("measurements");
        assert_eq!((wrk.measured.requests, wrk.measured.p99_ms, wrk.printed_p99_ms), (6719, 6.081, 1920.0));
        assert_eq!(milliseconds("250.00us").ok(), Some(0.25));
        assert!(read("99% 1s").is_err() && milliseconds("12").is_err());
    }
}
