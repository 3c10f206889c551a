//! Pacemaker's own tools on a CIB in a file: the real parser, schema, patches and scheduler, without a cluster.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tidegate::{
    model::{ClusterView, Leave, NodeName, RunId},
    provider::{
        ClusterControl, ProviderError, Result,
        access::{Access, Output, Stream},
        cluster::pacemaker::Pacemaker,
    },
    run::proof::StandbyPermit,
};
use tokio::process::Command;

use crate::{cluster, process};

/// What somebody else does: the program and its arguments.
pub(super) type Line = &'static [&'static str];

/// A CIB in a file, and what somebody else does to it right before the next patches.
pub(super) struct Tools {
    folder: tempfile::TempDir,
    meanwhile: Mutex<VecDeque<Line>>,
}

impl Tools {
    /// The recorded CIB of a healthy cluster; `None`, loudly, where Pacemaker's tools are not installed.
    pub(super) fn with(name: &str) -> Option<Arc<Self>> {
        for tool in ["/usr/sbin/cibadmin", "/usr/sbin/crm_simulate", "/usr/sbin/crm_attribute"] {
            process::program(tool)?;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let reading = recorded(name);
        let (cib, _) = reading.rsplit_once("\n==tidegate==\n").expect("a separator");
        std::fs::write(folder.path().join("cib.xml"), cib).expect("a file");
        Some(Arc::new(Self { folder, meanwhile: Mutex::default() }))
    }

    pub(super) fn cib(&self) -> PathBuf {
        self.folder.path().join("cib.xml")
    }

    pub(super) async fn call(&self, line: &[&str]) -> Output {
        let output = Command::new(line[0])
            .args(&line[1..])
            .env("CIB_file", self.cib())
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .output()
            .await
            .expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    pub(super) async fn nodes(&self) -> String {
        self.call(&["cibadmin", "--query", "--scope", "nodes"]).await.stdout
    }

    pub(super) fn meanwhile(&self, line: Line) {
        self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).push_back(line);
    }

    pub(super) fn pacemaker(self: &Arc<Self>) -> Pacemaker {
        driving(Arc::<Self>::clone(self))
    }
}

#[async_trait]
impl Access for Tools {
    async fn run(&self, _host: &str, argv: &[&str], _limit: Duration) -> Result<Output> {
        if argv.iter().any(|a| a.contains("--patch")) {
            let edit = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(edit) = edit {
                assert_eq!(self.call(edit).await.code, Some(0), "{edit:?}");
            }
        }
        Ok(self.call(argv).await)
    }

    async fn connect_unix(&self, _host: &str, _path: &Path) -> Result<Box<dyn Stream>> {
        Err(ProviderError::Unreachable("no sockets here".into()))
    }

    async fn system_bus(&self, _host: &str) -> Result<zbus::Connection> {
        Err(ProviderError::Unreachable("no bus here".into()))
    }
}

/// A member that always says what was recorded.
struct Replay(String);

#[async_trait]
impl Access for Replay {
    async fn run(&self, _host: &str, _argv: &[&str], _limit: Duration) -> Result<Output> {
        Ok(Output { code: Some(0), stdout: self.0.clone(), stderr: String::new() })
    }

    async fn connect_unix(&self, _host: &str, _path: &Path) -> Result<Box<dyn Stream>> {
        Err(ProviderError::Unreachable("no sockets here".into()))
    }

    async fn system_bus(&self, _host: &str) -> Result<zbus::Connection> {
        Err(ProviderError::Unreachable("no bus here".into()))
    }
}

fn driving(access: Arc<dyn Access>) -> Pacemaker {
    Pacemaker::new(access, vec![("node-1".into(), "node-1".into())], Duration::from_secs(10))
}

fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pacemaker").join(format!("{name}.reading"));
    std::fs::read_to_string(path).expect("a recorded reading")
}

fn node() -> NodeName {
    NodeName::new("node-2")
}

async fn drain(cluster: &Pacemaker) -> Result<()> {
    cluster.standby(StandbyPermit::for_tests(node()), &cluster::owner("drain-1"), &Leave::Standby).await
}

async fn restore(cluster: &Pacemaker, attribute: Option<&str>) -> Result<()> {
    cluster.unstandby(&node(), &RunId::new("drain-1"), &Leave::Standby, attribute).await
}

const OFF: Line = &["crm_attribute", "-N", "node-2", "-n", "standby", "-v", "off"];
const RACK: Line = &["crm_attribute", "-N", "node-2", "-n", "rack", "-v", "b"];

#[tokio::test]
async fn pacemaker_keeps_the_contract() {
    let starts: [&[Line]; 3] = [&[], &[OFF], &[RACK, OFF]];
    for start in starts {
        let Some(tools) = Tools::with("clean") else { return };
        for line in start {
            assert_eq!(tools.call(line).await.code, Some(0));
        }
        let before = tools.nodes().await;
        cluster::keeps_the_contract(&tools.pacemaker(), &node()).await;
        assert_eq!(tools.nodes().await, before, "not put back exactly, after {start:?}");
    }
}

#[tokio::test]
async fn an_edit_in_between_is_kept() {
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    for observed in [true, false] {
        if observed {
            cluster.observe().await.expect("a view");
        }
        tools.meanwhile(RACK);
        tools.meanwhile(&["crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "true"]);
        drain(&cluster).await.expect("standby");
        tools.meanwhile(OFF);
        restore(&cluster, None).await.expect("unstandby");
        let nodes = tools.nodes().await;
        assert!(nodes.contains(r#"name="rack" value="b""#) && !nodes.contains("standby"), "{nodes}");
        assert!(cluster.observe().await.expect("a view").maintenance_mode);
    }
}

#[tokio::test]
async fn an_operators_standby_in_between_stays_the_operators() {
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    cluster.observe().await.expect("a view");
    tools.meanwhile(&["crm_attribute", "-N", "node-2", "-n", "standby", "-v", "on"]);
    let refused = drain(&cluster).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(w)) if w.contains("not by Tidegate")), "{refused:?}");
    let nodes = tools.nodes().await;
    assert!(nodes.contains(r#"name="standby" value="on""#) && !nodes.contains("tidegate"), "{nodes}");
}

#[tokio::test]
async fn another_runs_mark_in_between_stays_the_others() {
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    drain(&cluster).await.expect("standby");
    cluster.observe().await.expect("a view");
    tools.meanwhile(&["crm_attribute", "-N", "node-2", "-n", "tidegate-run", "-v", "drain-2"]);
    let refused = restore(&cluster, None).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(w)) if w.contains("held by drain-2")), "{refused:?}");
    assert!(tools.nodes().await.contains(r#"name="standby" value="on""#));
}

#[tokio::test]
async fn any_text_survives_the_way_into_the_cib_and_back() {
    let Some(tools) = Tools::with("clean") else { return };
    let cluster = tools.pacemaker();
    let mut owner = cluster::owner("drain-1");
    owner.reason = r#"$(reboot) `id` "a" 'b' <c> &amp; \d %s; é"#.into();
    cluster.standby(StandbyPermit::for_tests(node()), &owner, &Leave::Standby).await.expect("standby");
    let held = cluster.observe().await.expect("a view").nodes[&node()].owner.clone().expect("the mark");
    assert_eq!(held.reason, r#"$(reboot) `id` "a" 'b' <c> &amp; \d %s; ?"#);
}

#[tokio::test]
async fn the_installed_scheduler_says_what_was_recorded() {
    for name in [
        "clean",
        "standby",
        "stopping",
        "starting",
        "failed",
        "blocked",
        "unclean",
        "joining",
        "no-quorum",
        "maintenance",
    ] {
        let Some(tools) = Tools::with(name) else { return };
        let sorted = |mut view: ClusterView| {
            view.instances.sort_by_key(|i| (i.resource.clone(), i.node.clone()));
            view
        };
        let recorded = driving(Arc::new(Replay(recorded(name)))).observe().await.expect("a view");
        let installed = tools.pacemaker().observe().await.expect("a view");
        assert_eq!(sorted(installed), sorted(recorded), "{name}");
    }
}
