//! The Pacemaker side: waiting for quorum, the cluster's configuration, and the way back to it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::layout::{APP_PORT, JETTY_PORT, Role, hosts};
use super::shell::{self, Answer};
use super::{Lab, cluster_scripts as scripts};

impl Lab {
    /// Waits until all nodes are online in one partition with quorum.
    pub(crate) fn wait_quorum(&self, limit: Duration) -> Result<()> {
        self.wait("quorum", limit, |lab| {
            let view = lab.cluster()?;
            let online = view.nodes.iter().filter(|node| node.online && !node.pending).count();
            Ok(if view.quorum && online == hosts(Role::Node).count() {
                Answer::Yes
            } else {
                Answer::NotYet(format!("{online} nodes online, quorum {}", view.quorum))
            })
        })
    }

    /// Writes the standard configuration of the cluster in a node that need not be in the cluster yet.
    pub(crate) fn prepare_cluster(&self) -> Result<()> {
        self.wait("node-1 to run programs", Duration::from_secs(30), |lab| lab.booted("node-1"))?;
        self.shell("node-1", scripts::PREPARE).map(drop)
    }

    /// Applies it, and remembers it as what a reset goes back to.
    pub(crate) fn configure_cluster(&self) -> Result<()> {
        self.shell("node-1", scripts::APPLY)?;
        self.remember()
    }

    /// Creates or removes the Jetty service on all nodes, and waits until both load balancers serve it; HAProxy
    /// is restarted for it. A reset keeps it so.
    pub fn set_jetty(&mut self, on: bool) -> Result<()> {
        if on == self.options.jetty {
            return Ok(());
        }
        if on {
            self.add_jetty()?;
        } else {
            // What a test left behind, a standby for instance, must not be remembered as the clean state.
            self.restore_cluster()?;
            self.shell("node-1", scripts::JETTY_OFF)?;
            self.remember()?;
        }
        self.options.jetty = on;
        self.save()?;
        self.fresh_balancers()
    }

    /// The cluster's half of it.
    pub(crate) fn add_jetty(&self) -> Result<()> {
        self.shell("node-1", scripts::JETTY_ON)?;
        let limit = Duration::from_secs(120);
        self.wait("Jetty on all nodes", limit, |lab| lab.all_ready(JETTY_PORT))?;
        self.remember()
    }

    /// Makes the cluster's present configuration the one that a reset goes back to.
    pub fn remember(&self) -> Result<()> {
        let now = self.shell("node-1", "cibadmin --query --scope configuration")?;
        shell::write(&self.layout.file("baseline.xml"), 0o644, &now)
    }

    /// Brings the configuration back to the remembered one and forgets failures and transient attributes.
    ///
    /// Only the difference is applied: replacing the whole would make the cluster elect a coordinator anew.
    pub(crate) fn restore_cluster(&self) -> Result<()> {
        let baseline = self.layout.file("baseline.xml");
        let baseline =
            fs::read_to_string(&baseline).with_context(|| format!("could not read {}", baseline.display()))?;
        let mut command = self.command_in("node-1", "sh")?;
        command.args(["-euc", scripts::RESTORE]);
        shell::feed(&mut command, &baseline).map(drop)
    }

    /// Whether every node answers 200 on `/ready` at this port.
    pub(crate) fn all_ready(&self, port: u16) -> Result<Answer> {
        for node in hosts(Role::Node) {
            let url = format!("http://{}:{port}/ready", node.address);
            let curl = ["curl", "-s", "-o", "/dev/null", "-m", "2", "-w", "%{http_code}", &url];
            let code = self.output("control", &curl)?.stdout;
            if code != b"200" {
                let code = String::from_utf8_lossy(&code).into_owned();
                return Ok(Answer::NotYet(format!("{url} answers {code}")));
            }
        }
        Ok(Answer::Yes)
    }

    /// Waits until the application runs on all nodes, and says so itself.
    pub fn wait_app(&self, limit: Duration) -> Result<()> {
        let count = hosts(Role::Node).count();
        self.wait("the application on all nodes", limit, |lab| {
            let view = lab.cluster()?;
            let (available, started) = (view.available(), view.started("app_service"));
            if !view.quorum || available < count || started < count {
                return Ok(Answer::NotYet(format!(
                    "{available} of {count} nodes available, {started} instances of app_service started"
                )));
            }
            lab.all_ready(APP_PORT)
        })?;
        if self.options.jetty {
            self.wait("Jetty on all nodes", limit, |lab| lab.all_ready(JETTY_PORT))?;
        }
        Ok(())
    }
}
