//! A process with a time limit, whose output is collected while it runs.

use std::io::Read;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process that was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// How long output may stay open after its process: something it left running could hold it forever.
const TAIL: Duration = Duration::from_secs(2);
/// Between two looks at a process: what a measured time is uncertain by.
const PAUSE: Duration = Duration::from_millis(5);

/// A running process; it is killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    shown: String,
    started: Instant,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// What became of a process.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Child {
    /// Starts a command with this stdin.
    pub fn start(command: &mut Command, stdin: Stdio) -> Result<Self> {
        let shown = format!("{command:?}").replace('"', "");
        let started = Instant::now();
        let mut process = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not run {shown}"))?;
        let stdout = collect(process.stdout.take());
        let stderr = collect(process.stderr.take());
        Ok(Self { process, shown, started, stdout, stderr })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its stdin, once, when that was a pipe.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Waits for its end; after `limit` it is asked to end, then killed, and that is an error.
    pub fn finish(mut self, limit: Duration) -> Result<Finished> {
        let Some((status, took)) = self.wait(limit)? else {
            let how = if self.end()? { "it was ended" } else { "it was killed" };
            let said = text(&self.stderr);
            bail!("{} was not over after {limit:.1?}: {how}. It said: {}", self.shown, said.trim());
        };
        Ok(Finished { status, stdout: text(&self.stdout), stderr: text(&self.stderr), took })
    }

    /// Ends a process that works until it is told to stop, and hands back all of its stderr.
    pub fn stop(mut self) -> Result<String> {
        self.end()?;
        Ok(text(&self.stderr))
    }

    /// Kills it with SIGKILL, as a crash would.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill().with_context(|| format!("could not kill {}", self.shown))?;
        self.process.wait().with_context(|| format!("could not wait for {}", self.shown)).map(drop)
    }

    /// Asks it to end, then kills it. Says whether asking was enough.
    fn end(&mut self) -> Result<bool> {
        // Asked first: a process that ends by itself takes along what it started.
        if let Ok(pid) = i32::try_from(self.process.id()) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::TERM));
        }
        let ended = self.wait(GRACE)?.is_some();
        if !ended {
            self.process.kill().with_context(|| format!("could not kill {}", self.shown))?;
            self.process.wait().with_context(|| format!("could not wait for {}", self.shown))?;
        }
        Ok(ended)
    }

    fn wait(&mut self, limit: Duration) -> Result<Option<(ExitStatus, Duration)>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.process.try_wait().with_context(|| format!("could not wait for {}", self.shown))?;
            if let Some(status) = status {
                return Ok(Some((status, self.started.elapsed())));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(PAUSE);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both do nothing where its end was already waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    if let Some(mut stream) = stream {
        thread::spawn(move || {
            let mut block = [0; 8192];
            let mut bytes = Vec::new();
            while let Ok(count @ 1..) = stream.read(&mut block) {
                bytes.extend_from_slice(block.get(..count).unwrap_or_default());
            }
            // Nobody may be left to read it.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    receiver
}

fn text(stream: &Receiver<String>) -> String {
    stream.recv_timeout(TAIL).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Child {
        Child::start(Command::new("sh").args(["-c", script]), Stdio::piped()).expect("it starts")
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let finished = sh("echo out; echo err >&2; exit 7").finish(Duration::from_secs(10)).expect("it ran");
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.status.code(), Some(7));
    }

    #[test]
    fn a_hanging_child_is_ended_and_its_words_are_in_the_error() {
        let started = Instant::now();
        let error = sh("echo stuck >&2; exec sleep 60").finish(Duration::from_millis(200)).expect_err("it hangs");
        assert!(error.to_string().contains("it was ended. It said: stuck"), "{error}");
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = sh("exec sleep 60");
        let pid = child.process.id();
        drop(child);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
