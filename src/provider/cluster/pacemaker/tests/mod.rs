//! Readings recorded on Pacemaker 2.1.5 (`tests/fixtures/pacemaker`; what could not be caught in the act was made with
//! Pacemaker's own `crm_simulate`), and members that answer as a test wants.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::cib::Cib;
use crate::{
    model::{Leave, NodeName, RunId, action::Ownership},
    provider::{
        ProviderError, Result,
        access::{Access, Output, Stream},
    },
};

mod asking;
mod changes;
mod views;

const LIMIT: Duration = Duration::from_secs(5);

/// A recorded reading: exactly what the remote script prints.
fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pacemaker").join(format!("{name}.reading"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Its two halves.
fn halves(reading: &str) -> (&str, &str) {
    reading.rsplit_once("\n==tidegate==\n").expect("a separator")
}

fn cib(reading: &str) -> Cib {
    Cib::parse(halves(reading).0).expect("a CIB")
}

fn owner(run: &str) -> Ownership {
    Ownership { run: RunId::new(run), operator: "alice".into(), reason: "kernel update".into() }
}

/// What a member says, each time that it is asked; the last one stays.
#[derive(Clone, Debug)]
enum Says {
    /// This, with exit code 0.
    Text(String),
    /// This exit code, and this on standard error.
    Exit(i32, &'static str),
    /// Nothing, ever.
    Nothing,
    /// No connection.
    Unreachable,
}

#[derive(Default)]
struct Fake {
    says: Mutex<BTreeMap<String, Vec<Says>>>,
    asked: Mutex<Vec<(String, Vec<String>)>>,
}

impl Fake {
    fn new(says: &[(&str, &[Says])]) -> Arc<Self> {
        let says = says.iter().map(|(host, says)| ((*host).to_owned(), says.to_vec())).collect();
        Arc::new(Self { says: Mutex::new(says), asked: Mutex::default() })
    }

    /// The hosts that were asked, in order.
    fn asked(&self) -> Vec<String> {
        self.calls().into_iter().map(|(host, _)| host).collect()
    }

    fn calls(&self) -> Vec<(String, Vec<String>)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn members() -> Vec<(NodeName, String)> {
    ["1", "2", "3"].map(|n| (NodeName::new(format!("node-{n}")), format!("host-{n}"))).to_vec()
}

#[async_trait]
impl Access for Fake {
    async fn run(&self, host: &str, argv: &[&str], limit: Duration) -> Result<Output> {
        let call = (host.to_owned(), argv.iter().map(|a| (*a).to_owned()).collect());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let says = {
            let mut all = self.says.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = all.get_mut(host).expect("a host of the test");
            if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() }
        };
        match says {
            Says::Text(stdout) => Ok(Output { code: Some(0), stdout, stderr: String::new() }),
            Says::Exit(code, stderr) => {
                Ok(Output { code: Some(code), stdout: String::new(), stderr: stderr.to_owned() })
            }
            Says::Nothing => {
                tokio::time::sleep(limit).await;
                Err(ProviderError::TimedOut(limit))
            }
            Says::Unreachable => Err(ProviderError::Unreachable("connection refused".into())),
        }
    }

    async fn connect_unix(&self, _host: &str, _path: &Path) -> Result<Box<dyn Stream>> {
        Err(ProviderError::Unreachable("no sockets here".into()))
    }

    async fn system_bus(&self, _host: &str) -> Result<zbus::Connection> {
        Err(ProviderError::Unreachable("no bus here".into()))
    }
}
