//! Taking a lab down, from whatever state it is in.
//!
//! Nothing here trusts what an earlier run wrote down: processes are found by their control group and their
//! network namespace, namespaces by their names. So a lab whose `up` was killed half way goes the same way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::layout::{Layout, state_root};
use super::shell::{self, tool};
use super::{cgroup, network, switch};

/// Ends and removes everything of this lab but its lock.
pub(crate) fn clean(layout: &Layout) -> Result<()> {
    // The polite way first: the supervisor cuts every machine and ends itself. What is left dies below.
    let _ = switch::ask(layout, "stop");
    cgroup::kill(&layout.cgroup())?;
    end_residents(layout, &network::ids(layout));
    cgroup::remove(&layout.cgroup())?;
    network::destroy(layout)?;
    let dir = layout.dir();
    if dir.exists() {
        unmount_below(dir)?;
        fs::remove_dir_all(dir).with_context(|| format!("could not remove {}", dir.display()))?;
    }
    Ok(())
}

/// Unmounts what a test that was killed left mounted in the lab's folder, such as a small disk to fill; the newest
/// first, since one may be on another.
fn unmount_below(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("could not read the mounts")?;
    let places = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(dir)) {
        shell::run(&mut tool("umount", &["--lazy", place]))?;
    }
    Ok(())
}

/// Removes the lab's lock and, after the last lab, the folder of all labs and the one that nspawn works in. While there
/// is another lab its machines have a mount on the latter, each in its own mount namespace, and would lose that.
pub(crate) fn forget(layout: &Layout) {
    let _ = fs::remove_file(lock_file(layout));
    if fs::remove_dir(state_root()).is_ok() {
        let _ = fs::remove_dir("/run/systemd/nspawn");
    }
}

/// The file that keeps two runs on the same lab apart.
pub(crate) fn lock_file(layout: &Layout) -> std::path::PathBuf {
    state_root().join(format!("{}.lock", layout.prefix()))
}

/// Ends processes that live in these network namespaces of the lab without belonging to a machine or to the
/// supervisor: SSH masters, load generators, what a failed test left. The caller itself may live there, so it
/// and its parents stay.
pub(crate) fn end_residents(layout: &Layout, ids: &[u64]) {
    let spared = lineage();
    let group = layout.cgroup();
    let lives_here = |pid: i32| {
        !cgroup::belongs(pid, &group)
            && fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|file| ids.contains(&file.ino()))
    };
    for signal in [Signal::TERM, Signal::KILL] {
        let residents: Vec<i32> =
            every_process().into_iter().filter(|pid| !spared.contains(pid) && lives_here(*pid)).collect();
        if residents.is_empty() {
            return;
        }
        for pid in residents {
            cgroup::signal_if(pid, signal, lives_here);
        }
        sleep(Duration::from_millis(100));
    }
}

/// This process and all its parents.
fn lineage() -> Vec<i32> {
    let mut line = vec![];
    let mut pid = i32::try_from(std::process::id()).unwrap_or(0);
    while pid > 0 && !line.contains(&pid) {
        line.push(pid);
        pid = fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .and_then(|status| {
                let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
                parent.trim().parse().ok()
            })
            .unwrap_or(0);
    }
    line
}

fn every_process() -> Vec<i32> {
    let Ok(entries) = Path::new("/proc").read_dir() else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
