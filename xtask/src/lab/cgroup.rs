//! Control groups: what a lab's processes are found by, whatever became of the process that started them.
//!
//! Every process of a lab's machines is born in the lab's control group and cannot leave it. So tear-down asks
//! the kernel which processes are the lab's instead of trusting recorded process ids, and a recycled id is
//! never hit: membership is read again after a handle (pidfd) on the process is held.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The hierarchies that systemd in a machine works in: the named one of version 1, and version 2.
pub(crate) fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("could not read the mounts")?;
    let found: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            let ours = kind == "cgroup2" || (kind == "cgroup" && options.contains("name=systemd"));
            ours.then(|| PathBuf::from(place))
        })
        .collect();
    if found.is_empty() {
        bail!("no control group hierarchy for systemd is mounted (cgroup2, or name=systemd of version 1)");
    }
    Ok(found)
}

/// Makes `group` in every hierarchy.
pub(crate) fn create(group: &str) -> Result<()> {
    for root in hierarchies()? {
        let path = root.join(group);
        fs::create_dir_all(&path).with_context(|| format!("could not make {}", path.display()))?;
    }
    Ok(())
}

/// Shell lines that put the shell itself into `group`, so that all it becomes and starts is in it.
pub(crate) fn enter_script(group: &str) -> Result<String> {
    Ok(hierarchies()?.iter().map(|root| format!("echo $$ > {}/cgroup.procs\n", root.join(group).display())).collect())
}

/// The processes in `group` and below, as ids of this machine.
pub(crate) fn processes(group: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for root in hierarchies().unwrap_or_default() {
        walk(&root.join(group), &mut |folder| {
            let list = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
        });
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Kills every process in `group` and below, and waits until none is left.
pub(crate) fn kill(group: &str) -> Result<()> {
    for _ in 0..200 {
        let processes = processes(group);
        if processes.is_empty() {
            return Ok(());
        }
        for pid in processes {
            signal_if(pid, Signal::KILL, |pid| belongs(pid, group));
        }
        sleep(Duration::from_millis(50));
    }
    bail!("processes of {group} did not end on SIGKILL: {:?}", processes(group))
}

/// Sends a signal to a process, provided that `still` holds for it while a handle on it is held.
pub(crate) fn signal_if(pid: i32, signal: Signal, still: impl Fn(i32) -> bool) {
    let Some(id) = Pid::from_raw(pid) else { return };
    if let Ok(handle) = pidfd_open(id, PidfdFlags::empty())
        && still(pid)
    {
        let _ = pidfd_send_signal(&handle, signal);
    }
}

/// Removes `group` and everything below it in every hierarchy. Groups must be empty of processes.
pub(crate) fn remove(group: &str) -> Result<()> {
    for root in hierarchies()? {
        let path = root.join(group);
        // A killed process stays in its group until it is reaped; give that a moment.
        for _ in 0..100 {
            walk(&path, &mut |folder| {
                let _ = fs::remove_dir(folder);
            });
            if !path.exists() {
                break;
            }
            sleep(Duration::from_millis(20));
        }
        if path.exists() {
            bail!("could not remove the control group {}", path.display());
        }
    }
    Ok(())
}

/// Whether a process is in `group` or below it.
pub(crate) fn belongs(pid: i32, group: &str) -> bool {
    let inside = format!("/{group}");
    fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| {
        text.lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .any(|path| path == inside || path.starts_with(&format!("{inside}/")))
    })
}

/// Visits a folder's subfolders first, then the folder.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
    visit(folder);
}
