//! A quiet machine, as far as that can be had: while the benchmark runs, the lab and everything that it measures go
//! before whatever else this machine does (a build, another lab). All ways gain the same.

use std::fs;

use rustix::process::{Pid, setpriority_process};

use crate::lab::Lab;

/// Before everything ordinary, behind what the system itself puts first.
const RAISED: i32 = -15;
/// What everything ordinary has.
const ORDINARY: i32 = 0;

/// The raised priority; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Priority<'a> {
    lab: &'a Lab,
}

impl<'a> Priority<'a> {
    /// Raises the lab's processes and this one, whose children inherit it. Where that is not allowed everything goes
    /// on as it is: the load average in the report tells how much to believe.
    pub(super) fn raise(lab: &'a Lab) -> Self {
        change(lab, ORDINARY, RAISED);
        Self { lab }
    }
}

impl Drop for Priority<'_> {
    fn drop(&mut self) {
        change(self.lab, RAISED, ORDINARY);
    }
}

/// Gives every thread that has the priority `from` the priority `to`, and leaves those that have another one.
fn change(lab: &Lab, from: i32, to: i32) {
    let this = i32::try_from(std::process::id()).ok();
    for process in lab.processes().into_iter().chain(this) {
        for thread in threads(process) {
            if nice(process, thread) == Some(from) {
                // It may be gone by now, and that is as good.
                let _ = Pid::from_raw(thread).map(|thread| setpriority_process(Some(thread), to));
            }
        }
    }
}

fn threads(process: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A thread's nice value: the 19th field of its `stat`, counted after its name, which may hold anything.
fn nice(process: i32, thread: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nice_value_is_read() {
        let mut child = std::process::Command::new("nice").args(["-n", "7", "sleep", "60"]).spawn().expect("it starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        // `nice` sets its own value before it becomes `sleep`.
        let set = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            nice(pid, pid) == Some(7)
        });
        let listed = threads(pid);
        child.kill().and_then(|()| child.wait()).expect("it ends");
        assert!(set);
        assert_eq!(listed, [pid]);
    }
}
