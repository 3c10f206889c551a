//! What a process has used, as the kernel counts it.

use std::fmt;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What was used between two looks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Probes that the servers answered.
    pub probes: u64,
    /// Seconds between the looks.
    pub seconds: f64,
    /// Processor time, user and system, in seconds.
    pub cpu_s: f64,
    /// Resident memory at the second look, in MiB.
    pub rss_mb: f64,
}

impl Usage {
    /// Microseconds of processor time for each probe.
    pub(super) fn us(&self) -> f64 {
        self.cpu_s * 1e6 / self.probes.max(1) as f64
    }

    /// Probes a second.
    pub(super) fn rate(&self) -> f64 {
        self.probes as f64 / self.seconds
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.1} µs a probe, {:.0} probes/s, {:.1} MiB", self.us(), self.rate(), self.rss_mb)
    }
}

/// One look at a process.
pub(super) struct Look {
    at: Instant,
    probes: u64,
    cpu_s: f64,
    rss_mb: f64,
}

impl Look {
    pub(super) fn since(&self, before: &Self) -> Usage {
        Usage {
            probes: self.probes - before.probes,
            seconds: (self.at - before.at).as_secs_f64(),
            cpu_s: self.cpu_s - before.cpu_s,
            rss_mb: self.rss_mb,
        }
    }
}

/// Looks at a process when the servers have answered so many probes.
pub(super) fn look(pid: u32, probes: u64) -> Result<Look> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).context("it is gone");
    let (stat, status) = (read("stat")?, read("status")?);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Ok(Look {
        at: Instant::now(),
        probes,
        cpu_s: cpu_ticks(&stat).context("no processor time in stat")? as f64 / ticks,
        rss_mb: rss_kb(&status).context("no resident memory in status")? as f64 / 1024.0,
    })
}

/// User and system time: the 14th and 15th field, counted after the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn rss_kb(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_read_behind_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(100));
        assert_eq!(rss_kb("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2048));
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let (before, after) = (look(std::process::id(), 1).expect("a look"), look(std::process::id(), 3).expect("one"));
        let usage = after.since(&before);
        assert!(usage.probes == 2 && usage.cpu_s >= 0.0 && usage.rss_mb > 1.0, "{usage:?}");
    }
}
