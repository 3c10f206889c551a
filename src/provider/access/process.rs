//! One child process with bounded output and bounded time, for every way to a machine.

use std::{
    io,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{Following, MAX_OUTPUT, Output};
use crate::provider::{ProviderError, Result};

/// Runs the command to its end. It gets no input and a process group of its own, so that the terminal's
/// Ctrl-C reaches Tidegate and not the change that is under way; on time-out, or when the caller goes away, the whole
/// group is killed: what a script has started would go on without it.
pub(super) async fn run(mut command: Command, limit: Duration) -> Result<Output> {
    command.stdin(Stdio::null());
    finish(command, &[], limit).await
}

/// The same with this on its standard input.
pub(super) async fn feed(mut command: Command, input: &[u8], limit: Duration) -> Result<Output> {
    command.stdin(Stdio::piped());
    finish(command, input, limit).await
}

async fn finish(mut command: Command, input: &[u8], limit: Duration) -> Result<Output> {
    let name = name(&command);
    let mut child = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut group = Group::of(&child);
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let whole = async {
        // Side by side: a program that answers before it has read everything would block, and so would we.
        let ((), out, err) = tokio::try_join!(written(stdin, input, &name), bounded(out, &name), bounded(err, &name))?;
        let status = child.wait().await.map_err(|e| unexpected(&name, &e.to_string()))?;
        group.over();
        let stdout = String::from_utf8(out).map_err(|_| unexpected(&name, "its output is no UTF-8"))?;
        let stderr = String::from_utf8_lossy(&err).into_owned();
        Ok(Output { code: status.code(), stdout, stderr })
    };
    timeout(limit, whole).await.map_err(|_| ProviderError::TimedOut(limit))?
}

/// The same for a command that leaves something behind in the background, which would hold the pipes open: its exit
/// code, and no output.
pub(super) async fn run_silent(mut command: Command, limit: Duration) -> Result<Option<i32>> {
    let name = name(&command);
    let mut child = start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?;
    let status = timeout(limit, child.wait()).await.map_err(|_| ProviderError::TimedOut(limit))?;
    Ok(status.map_err(|e| unexpected(&name, &e.to_string()))?.code())
}

/// Starts a command that goes on. Its input stays open, and its group lives, for as long as the output is held.
pub(super) fn follow(mut command: Command) -> Result<Followed> {
    let name = name(&command);
    let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let group = Group::of(&child);
    let output = child.stdout.take().ok_or_else(|| unexpected(&name, "it has no output"))?;
    Ok(Followed { output, input: child.stdin.take(), _group: group, _child: child })
}

/// A command that goes on; it ends with this.
pub(super) struct Followed {
    output: ChildStdout,
    input: Option<ChildStdin>,
    _group: Group,
    _child: Child,
}

impl Following for Followed {
    fn end_input(&mut self) {
        self.input = None;
    }
}

impl AsyncRead for Followed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

/// The process group of a child, killed with this unless the child's end was seen: from then on the number can be
/// somebody else's.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // An error says that nobody is left.
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

fn start(command: &mut Command) -> Result<Child> {
    command.process_group(0).kill_on_drop(true);
    command.spawn().map_err(|e| ProviderError::Unreachable(format!("cannot start {}: {e}", name(command))))
}

fn name(command: &Command) -> String {
    command.as_std().get_program().to_string_lossy().into_owned()
}

/// A program that ends, or closes its input, before the end of it has its reasons: its exit code tells them.
async fn written(pipe: Option<ChildStdin>, input: &[u8], name: &str) -> Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    match pipe.write_all(input).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unexpected(name, &error.to_string())),
        _ => Ok(()),
    }
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>, name: &str) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(pipe) = pipe {
        let most = u64::try_from(MAX_OUTPUT).unwrap_or(u64::MAX).saturating_add(1);
        pipe.take(most).read_to_end(&mut kept).await.map_err(|e| unexpected(name, &e.to_string()))?;
    }
    if kept.len() > MAX_OUTPUT {
        return Err(unexpected(name, &format!("more than {MAX_OUTPUT} bytes of output")));
    }
    Ok(kept)
}

fn unexpected(name: &str, why: &str) -> ProviderError {
    ProviderError::Unexpected(format!("{name}: {why}"))
}
