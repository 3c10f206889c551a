//! The process itself, as `/proc` tells it: the names that every Prometheus client library uses.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use super::table;

/// Looks at the process, and reports it. What `/proc` does not tell is not reported.
#[expect(clippy::cast_precision_loss, reason = "bytes and ticks, for display")]
pub fn process() {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::read) {
        let hertz = clock_ticks_per_second();
        table::CPU.reach(&[], stat.ticks / hertz);
        table::THREADS.set(&[], stat.threads as f64);
        table::VIRTUAL.set(&[], stat.virtual_bytes as f64);
        table::MEMORY.set(&[], (stat.resident_pages * page_size() as u64) as f64);
        if let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(booted) {
            table::STARTED.set(&[], boot as f64 + stat.started as f64 / hertz as f64);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        table::OPEN_FDS.set(&[], open.count() as f64);
    }
    if let Some(most) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(most_fds) {
        table::MAX_FDS.set(&[], most);
    }
}

/// What of `/proc/self/stat` is of use.
#[derive(Debug, PartialEq)]
struct Stat {
    ticks: u64,
    threads: u64,
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// The program's name may hold blanks and parentheses, so fields are counted from its end: the first is the third.
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)? + field(15)?,
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn booted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The soft limit; none is as good as infinite.
fn most_fds(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let text = "42 (tide) gate (x)) S 1 42 42 0 -1 4194560 7 0 0 0 150 50 0 0 20 0 9 0 12345 1048576 256 18446744073709551615 0";
        let stat = Stat { ticks: 200, threads: 9, started: 12345, virtual_bytes: 1 << 20, resident_pages: 256 };
        assert_eq!(Stat::read(text), Some(stat));
        assert_eq!(Stat::read("42 (tide"), None);
    }

    #[test]
    fn limits_and_boot() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(most_fds(limits), Some(1024.0));
        assert_eq!(booted("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000));
    }
}
