//! The lab tested by itself: what it does on command, that a reset undoes it, and that nothing is left of it.
//!
//! Needs root and Debian, so it runs on request only:
//! `cargo test -p xtask --test lab -- --ignored --test-threads=1`.

mod faults;
mod routes;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::lab::Lab;

/// A name that no other run of these tests has, and that fits into a lab's ten characters.
pub(crate) fn prefix() -> String {
    format!("t{}", std::process::id())
}

/// Takes the lab down however the test ends.
pub(crate) struct Removed;

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = Lab::down(&prefix()) {
            eprintln!("the lab {} could not be removed: {error:#}", prefix());
        }
    }
}

pub(crate) fn code(lab: &Lab, from: &str, url: &str) -> Result<String> {
    let curl = ["curl", "-s", "-o", "/dev/null", "-m", "1", "-w", "%{http_code}", url];
    Ok(String::from_utf8_lossy(&lab.output(from, &curl)?.stdout).into_owned())
}

/// Polls until `look` is true; fails after `seconds`.
pub(crate) fn within(seconds: u64, what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        if look().unwrap_or(false) {
            eprintln!("  {what}: {:.1?}", started.elapsed());
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    anyhow::bail!("{what}: not within {seconds} s")
}

/// No mount, namespace, control group, folder or process of the lab.
pub(crate) fn nothing_left() -> Result<()> {
    let prefix = prefix();
    let prefix = prefix.as_str();
    let mounts = fs::read_to_string("/proc/mounts")?;
    ensure!(!mounts.contains(prefix), "mounts are left:\n{mounts}");
    for folder in
        ["/run/netns", "/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/var/lib/tidegate-lab"]
    {
        let Ok(entries) = Path::new(folder).read_dir() else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            ensure!(!name.to_string_lossy().contains(prefix), "{folder}/{} is left", name.display());
        }
    }
    for entry in Path::new("/proc").read_dir()?.flatten() {
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let this = entry.file_name().to_string_lossy() == std::process::id().to_string();
        ensure!(this || !line.contains(prefix), "a process is left: {line}");
    }
    Ok(())
}
