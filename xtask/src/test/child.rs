//! Running a check as a program of its own: its output goes on as it comes, and it ends, by itself or by its limit.

use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Tally, tally::Reader};

/// How long output may stay open after its process: something it left running could hold it for ever.
const TAIL: Duration = Duration::from_secs(2);
/// Between two looks at a process that says nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// A `cargo` command in the repository: the same cargo that runs this, and the locked dependencies.
pub(super) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::cargo::cargo();
    command.current_dir(root).args(arguments).env("CARGO_TERM_PROGRESS_WHEN", "never");
    command
}

/// How a child ended, and the tests that its output told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) tests: Tally,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// With exit code 0.
    Well,
    /// With another one, or by a signal.
    Badly,
    /// By us: it took longer than this.
    Late(Duration),
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("it ended well"),
            Self::Badly => f.write_str("it failed"),
            Self::Late(limit) => write!(f, "not over after {} s: it was ended", limit.as_secs()),
        }
    }
}

/// Runs it to its end, at most for `limit`; what it says goes on to stdout as it comes.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Ended> {
    run_into(command, limit, &mut io::stdout())
}

/// The same, into `out`.
pub(super) fn run_into(command: &mut Command, limit: Duration, out: &mut impl Write) -> Result<Ended> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {command:?}"))?;
    let stdout = child.stdout.take().context("a child without output")?;
    let (lines, received) = mpsc::sync_channel(1024);
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n') {
            let Ok(line) = line else { return };
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + limit;
    let mut reader = Reader::default();
    let mut over: Option<Instant> = None;
    let how = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            end_all(&mut child);
            break How::Late(limit);
        }
        let said = received.recv_timeout(PAUSE.min(left));
        if let Ok(line) = said {
            reader.read(&line);
            // Nobody reads on: the checks are still worth their exit code.
            let _ = writeln!(out, "{line}");
            continue;
        }
        if let Some(status) = child.try_wait().context("could not wait for a child")? {
            let silent = said == Err(RecvTimeoutError::Disconnected);
            if silent || over.get_or_insert_with(Instant::now).elapsed() >= TAIL {
                break if status.success() { How::Well } else { How::Badly };
            }
        } else if said == Err(RecvTimeoutError::Disconnected) {
            // It has closed its output, and goes on.
            thread::sleep(PAUSE);
        }
    };
    Ok(Ended { how, tests: reader.tally() })
}

/// Ends a child and everything that it started, children first found by their parent.
///
/// All of them are stopped before one is killed: a family that is listed while it runs may have a new member by the time
/// that the list is worked off, and the child of a dead parent can no longer be found.
fn end_all(child: &mut Child) {
    let Ok(first) = i32::try_from(child.id()) else { return };
    let mut stopped: Vec<i32> = Vec::new();
    loop {
        let new: Vec<i32> = family(first).into_iter().filter(|pid| !stopped.contains(pid)).collect();
        if new.is_empty() {
            break;
        }
        signal(&new, Signal::STOP);
        stopped.extend(new);
    }
    signal(&stopped, Signal::KILL);
    let _ = child.wait();
}

/// A process and all that descend from it.
fn family(first: i32) -> Vec<i32> {
    let parents = parents();
    let mut family = vec![first];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, p)| **p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids.iter().copied().filter_map(Pid::from_raw) {
        // Gone already is as good.
        let _ = kill_process(pid, signal);
    }
}

/// Every process with its parent.
fn parents() -> HashMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // `pid (name) state parent …`; the name may hold spaces and brackets.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_counted_and_the_exit_code_kept() {
        let script = "echo 'test result: FAILED. 2 passed; 1 failed; 0 ignored'; exit 101";
        // Not to stdout: whoever runs this test counts what it says.
        let mut out = Vec::new();
        let ended = run_into(&mut sh(script), Duration::from_secs(10), &mut out).expect("it ran");
        assert_eq!(ended, Ended { how: How::Badly, tests: Tally { passed: 2, failed: 1, ignored: 0 } });
        assert_eq!(out, b"test result: FAILED. 2 passed; 1 failed; 0 ignored\n");
    }

    #[test]
    fn a_child_that_hangs_is_ended_with_its_own_children() {
        let marker = format!("xtask-{}", std::process::id());
        let script = format!("echo 'test a ... ok'; sh -c 'sleep 60; : {marker}' & wait");
        let (started, limit) = (Instant::now(), Duration::from_millis(300));
        let ended = run_into(&mut sh(&script), limit, &mut io::sink()).expect("it ran");
        assert_eq!(ended, Ended { how: How::Late(limit), tests: Tally { passed: 1, failed: 0, ignored: 0 } });
        assert!(started.elapsed() < Duration::from_secs(10));
        // A killed process is seen until the kernel has taken it apart.
        while started.elapsed() < Duration::from_secs(10) && alive(&marker) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!alive(&marker), "a grandchild outlived its limit");
    }

    #[test]
    fn one_that_says_something_all_the_time_is_late_too() {
        let limit = Duration::from_millis(300);
        let ended = run_into(&mut sh("while :; do echo more; done"), limit, &mut io::sink()).expect("it ran");
        assert_eq!(ended.how, How::Late(limit));
    }

    #[test]
    fn what_a_child_leaves_running_is_not_waited_for() {
        let started = Instant::now();
        let mut out = Vec::new();
        let ended = run_into(&mut sh("sleep 30 & echo out"), Duration::from_secs(20), &mut out).expect("it ran");
        assert_eq!((ended.how, out.as_slice()), (How::Well, b"out\n".as_slice()));
        assert!(started.elapsed() < Duration::from_secs(15));
    }

    /// Whether a process other than this one has it in its command line.
    fn alive(marker: &str) -> bool {
        fs::read_dir("/proc").expect("proc").flatten().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            entry.file_name() != *std::process::id().to_string() && String::from_utf8_lossy(&line).contains(marker)
        })
    }
}
