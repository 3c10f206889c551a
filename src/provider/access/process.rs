//! One child process with bounded output and bounded time, for every way to a machine.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use super::{MAX_OUTPUT, Output};
use crate::provider::{ProviderError, Result};

/// Runs the command to its end. It gets no input and a process group of its own, so that the terminal's
/// Ctrl-C reaches Tidegate and not the change that is under way; on time-out, or when the caller goes away, it
/// is killed.
pub(super) async fn run(mut command: Command, limit: Duration) -> Result<Output> {
    let name = name(&command);
    let mut child = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let whole = async {
        let (out, err) = tokio::try_join!(bounded(out, &name), bounded(err, &name))?;
        let status = child.wait().await.map_err(|e| unexpected(&name, &e.to_string()))?;
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
    let mut child = start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let status = timeout(limit, child.wait()).await.map_err(|_| ProviderError::TimedOut(limit))?;
    Ok(status.map_err(|e| unexpected(&name, &e.to_string()))?.code())
}

fn start(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|e| ProviderError::Unreachable(format!("cannot start {}: {e}", name(command))))
}

fn name(command: &Command) -> String {
    command.as_std().get_program().to_string_lossy().into_owned()
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
