//! This machine: commands, sockets and the system bus without any detour. `host` is ignored, so this is for a
//! coordinator that is itself the member that it asks.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use tokio::{
    net::{TcpStream, UnixStream},
    process::Command,
    sync::Mutex,
};

use super::{Access, Following, Output, Stream, process};
use crate::provider::{ProviderError, Result};

/// Direct access to this machine.
#[derive(Debug, Default)]
pub struct LocalAccess {
    bus: Mutex<Option<zbus::Connection>>,
}

impl LocalAccess {
    /// Nothing is opened before it is needed.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Access for LocalAccess {
    async fn run(&self, _host: &str, argv: &[&str], limit: Duration) -> Result<Output> {
        process::run(command(argv)?, limit).await
    }

    async fn feed(&self, _host: &str, argv: &[&str], input: &[u8], limit: Duration) -> Result<Output> {
        process::feed(command(argv)?, input, limit).await
    }

    async fn follow(&self, _host: &str, argv: &[&str]) -> Result<Box<dyn Following>> {
        Ok(Box::new(process::follow(command(argv)?)?))
    }

    async fn connect_unix(&self, _host: &str, path: &Path) -> Result<Box<dyn Stream>> {
        let stream = UnixStream::connect(path).await;
        Ok(Box::new(stream.map_err(|e| ProviderError::Unreachable(format!("{}: {e}", path.display())))?))
    }

    async fn connect_tcp(&self, _host: &str, address: &str) -> Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await;
        Ok(Box::new(stream.map_err(|e| ProviderError::Unreachable(format!("{address}: {e}")))?))
    }

    async fn system_bus(&self, _host: &str) -> Result<zbus::Connection> {
        let mut bus = self.bus.lock().await;
        if let Some(bus) = bus.as_ref().filter(|bus| !bus.is_closed()) {
            return Ok(bus.clone());
        }
        let opened = zbus::Connection::system().await;
        let opened = opened.map_err(|e| ProviderError::Unreachable(format!("the system bus: {e}")))?;
        Ok(bus.insert(opened).clone())
    }
}

fn command(argv: &[&str]) -> Result<Command> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(ProviderError::Refused("a command without a program".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn arguments_arrive_as_they_are() {
        let odd = "a b;'\"$HOME\\\n*";
        let said = LocalAccess::new().run("", &["printf", "%s", odd], SHORT).await.expect("output");
        assert_eq!(said, Output { code: Some(0), stdout: odd.into(), stderr: String::new() });
    }

    #[tokio::test]
    async fn an_exit_code_is_an_answer_and_a_missing_program_is_none() {
        let local = LocalAccess::new();
        let said = local.run("", &["sh", "-c", "echo no >&2; exit 3"], SHORT).await.expect("output");
        assert_eq!((said.code, said.stderr.as_str()), (Some(3), "no\n"));
        let missing = local.run("", &["/nonexistent/program"], SHORT).await;
        assert!(matches!(missing, Err(ProviderError::Unreachable(_))), "{missing:?}");
    }

    #[tokio::test]
    async fn input_arrives_whole_and_may_be_left_unread() {
        let local = LocalAccess::new();
        // More than a pipe holds, in both directions at once.
        let much = "0123456789abcdef".repeat(1 << 16);
        let said = local.feed("", &["cat"], much.as_bytes(), SHORT).await.expect("output");
        assert!(said.stdout == much, "{} bytes of {}", said.stdout.len(), much.len());
        let said = local.feed("", &["sh", "-c", "exit 3"], much.as_bytes(), SHORT).await.expect("output");
        assert_eq!(said.code, Some(3));
        let said = local.run("", &["cat"], SHORT).await.expect("no input at all");
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""));
    }

    #[tokio::test]
    async fn a_time_limit_kills_the_child_and_its_children() {
        let pid_file = tempfile::NamedTempFile::new().expect("a file");
        // Not the shell itself, but what it has started.
        let script = format!("sleep 60 & echo $! > {}; wait", pid_file.path().display());
        let limit = Duration::from_millis(300);
        let late = LocalAccess::new().run("", &["sh", "-c", &script], limit).await;
        assert_eq!(late, Err(ProviderError::TimedOut(limit)));
        let pid = std::fs::read_to_string(pid_file.path()).expect("a pid");
        let state = format!("/proc/{}/stat", pid.trim());
        for _ in 0..50 {
            // Gone, or dead and only waiting to be reaped.
            match std::fs::read_to_string(&state) {
                Ok(stat) if !stat.contains(") Z ") => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return,
            }
        }
        panic!("process {pid} still runs");
    }

    #[tokio::test]
    async fn output_without_end_is_an_error() {
        let endless = LocalAccess::new().run("", &["yes"], Duration::from_secs(20)).await;
        assert!(matches!(endless, Err(ProviderError::Unexpected(why)) if why.contains("bytes of output")));
    }

    #[tokio::test]
    async fn a_missing_socket_is_unreachable() {
        let missing = LocalAccess::new().connect_unix("", Path::new("/nonexistent.sock")).await;
        assert!(matches!(missing.map(|_| ()), Err(ProviderError::Unreachable(_))));
    }
}
