//! A program whose exit code says whether the service is ready: on the node, the way every other command goes there, or
//! on the coordinator. Arguments are passed one by one; no shell reads them.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{Failure, Kind};
use crate::{
    model::NodeName,
    provider::{
        ProviderError,
        access::{Access, local::LocalAccess},
    },
};

/// How much of what a program said is told.
const SHOWN: usize = 200;

/// The ways on which programs are run.
#[derive(Clone)]
pub struct Programs {
    nodes: Arc<dyn Access>,
    hosts: Arc<BTreeMap<NodeName, String>>,
    here: Arc<dyn Access>,
}

impl Programs {
    /// Programs on the nodes are run over `nodes`, where each is called as `hosts` says, or else by its own name.
    pub fn new(nodes: Arc<dyn Access>, hosts: BTreeMap<NodeName, String>) -> Self {
        Self { nodes, hosts: Arc::new(hosts), here: Arc::new(LocalAccess::new()) }
    }
}

impl Default for Programs {
    /// Programs are run on this machine, whichever node they are for.
    fn default() -> Self {
        let here = Arc::new(LocalAccess::new());
        Self { nodes: here.clone(), hosts: Arc::default(), here }
    }
}

/// A program to run.
#[derive(Clone)]
pub struct Program {
    access: Arc<dyn Access>,
    host: String,
    argv: Arc<[String]>,
    limit: Duration,
}

impl Program {
    /// Runs `argv` on the node (or here) within `limit`.
    pub(super) fn new(programs: &Programs, node: &NodeName, here: bool, argv: &[String], limit: Duration) -> Self {
        let access = if here { &programs.here } else { &programs.nodes };
        let host = programs.hosts.get(node).cloned().unwrap_or_else(|| node.as_str().to_owned());
        Self { access: access.clone(), host, argv: argv.into(), limit }
    }

    pub(super) async fn run(&self) -> Result<(), Failure> {
        let argv: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        let name = argv.first().copied().unwrap_or_default();
        let output = self.access.run(&self.host, &argv, self.limit).await.map_err(|error| match error {
            ProviderError::TimedOut(limit) => Failure::late(limit),
            ProviderError::Unreachable(why) => Failure::new(Kind::Unreachable, why),
            error => Failure::new(Kind::Exec, format!("{name}: {error}")),
        })?;
        let how = match output.code {
            Some(0) => return Ok(()),
            Some(code) => format!("{name} ended with {code}"),
            None => format!("{name} was ended by a signal"),
        };
        let said =
            [&output.stderr, &output.stdout].into_iter().find_map(|text| text.lines().find(|l| !l.trim().is_empty()));
        let said = said.map(|line| format!(": {}", line.trim().chars().take(SHOWN).collect::<String>()));
        Err(Failure::new(Kind::Exec, how + &said.unwrap_or_default()))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("host", &self.host).field("argv", &self.argv).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(argv: &[&str]) -> String {
        let argv: Vec<String> = argv.iter().map(|s| (*s).to_owned()).collect();
        let program = Program::new(&Programs::default(), &"n".into(), true, &argv, Duration::from_millis(500));
        program.run().await.map_or_else(|f| format!("{}: {f}", f.kind), |()| "ready".into())
    }

    #[tokio::test]
    async fn the_exit_code_decides_and_the_first_line_says_why() {
        assert_eq!(run(&["true"]).await, "ready");
        assert_eq!(run(&["sh", "-c", "echo fine; exit 0"]).await, "ready");
        assert_eq!(
            run(&["sh", "-c", "echo out; echo; echo no disk >&2; exit 3"]).await,
            "exec: sh ended with 3: no disk"
        );
        assert_eq!(run(&["sh", "-c", "kill -9 $$"]).await, "exec: sh was ended by a signal");
        assert_eq!(run(&["sleep", "5"]).await, "timeout: no answer within 0.5 s");
        assert!(run(&["/no/such/program"]).await.contains("/no/such/program"));
        // No shell reads what is passed.
        assert_eq!(run(&["test", "$(true)", "=", "$(true)"]).await, "ready");
    }

    #[tokio::test]
    async fn what_is_dropped_is_ended() {
        let file = std::env::temp_dir().join(format!("tidegate-exec-{}", std::process::id()));
        let script = format!("echo $$ > {}; exec sleep 60", file.display());
        let argv = ["sh".to_owned(), "-c".to_owned(), script];
        let program = Program::new(&Programs::default(), &"n".into(), true, &argv, Duration::from_secs(30));
        let pid = {
            let mut running = std::pin::pin!(program.run());
            loop {
                let wait = tokio::time::timeout(Duration::from_millis(20), &mut running).await;
                assert!(wait.is_err(), "it sleeps");
                if let Ok(pid) = std::fs::read_to_string(&file).unwrap_or_default().trim().parse::<u32>() {
                    break pid;
                }
            }
        };
        let gone = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..500 {
            if gone() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::fs::remove_file(&file).expect("it was written");
        assert!(gone(), "it still runs");
    }
}
