//! The Pacemaker side: waiting for quorum, the cluster's configuration, and a look at what runs where.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Lab;
use super::layout::{Role, hosts};
use super::shell::Answer;

/// The standard configuration, built in a file and pushed in one go: one change, one reaction of the cluster.
const CONFIGURE: &str = r#"
file=/root/lab-cib.xml
cibadmin --query > $file
pcs -f $file property set stonith-enabled=true no-quorum-policy=stop cluster-recheck-interval=5min stonith-timeout=60s
pcs -f $file stonith create power fence_lab pcmk_host_list="node-1 node-2 node-3" op monitor interval=300s
pcs -f $file resource create app_service systemd:app op monitor interval=30s start timeout=30s stop timeout=30s
pcs -f $file resource clone app_service meta clone-max=3 clone-node-max=1 interleave=true
cibadmin --replace --scope configuration --xml-file $file
"#;

/// Jetty on every node, as a second service.
const JETTY_ON: &str = r#"
pcs resource create jetty_service systemd:jetty9 op monitor interval=30s start timeout=120s stop timeout=60s
pcs resource clone jetty_service meta clone-max=3 clone-node-max=1 interleave=true
"#;

impl Lab {
    /// Waits until all nodes are online in one partition with quorum, as seen by the first node.
    pub(crate) fn wait_quorum(&self, limit: Duration) -> Result<()> {
        self.wait("quorum", limit, |lab| {
            let text = lab.crm_mon()?;
            let online = text.matches("online=\"true\"").count();
            if text.contains("with_quorum=\"true\"") && online == hosts(Role::Node).count() {
                return Ok(Answer::Yes);
            }
            Ok(Answer::NotYet(format!("{online} nodes online")))
        })
    }

    /// Applies the standard configuration of the cluster.
    pub(crate) fn configure_cluster(&self) -> Result<()> {
        self.shell("node-1", CONFIGURE).map(drop)
    }

    /// Creates or removes the Jetty service on all nodes; waits until it answers.
    pub fn set_jetty(&self, on: bool) -> Result<()> {
        if on {
            self.shell("node-1", JETTY_ON)?;
            let limit = Duration::from_secs(120);
            return self.wait("Jetty on all nodes", limit, |lab| {
                lab.all_ready(super::JETTY_PORT)
            });
        }
        self.shell("node-1", "pcs resource delete jetty_service")
            .map(drop)
    }

    /// The cluster's state as `crm_mon` tells it in XML, from the first node that answers.
    pub fn crm_mon(&self) -> Result<String> {
        let mut last = None;
        for node in hosts(Role::Node) {
            match self.output(node.name, &["crm_mon", "--one-shot", "--output-as=xml"]) {
                Ok(output) if output.status.success() => {
                    return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
                }
                Ok(output) => {
                    last = Some(String::from_utf8_lossy(&output.stderr).trim().to_owned())
                }
                Err(error) => last = Some(format!("{error:#}")),
            }
        }
        bail!("no node answers crm_mon: {}", last.unwrap_or_default())
    }

    /// Whether every node answers 200 on `/ready` at this port.
    pub(crate) fn all_ready(&self, port: u16) -> Result<Answer> {
        for node in hosts(Role::Node) {
            let url = format!("http://{}:{port}/ready", node.address);
            let curl = [
                "curl",
                "-s",
                "-o",
                "/dev/null",
                "-m",
                "2",
                "-w",
                "%{http_code}",
                &url,
            ];
            let code = self.output("control", &curl)?.stdout;
            if code != b"200" {
                let code = String::from_utf8_lossy(&code).into_owned();
                return Ok(Answer::NotYet(format!("{url} answers {code}")));
            }
        }
        Ok(Answer::Yes)
    }

    /// Whether both load balancers see every server of a backend up, by a check of their own.
    pub(crate) fn balancers_up(&self, backend: &str) -> Result<Answer> {
        for balancer in hosts(Role::Balancer) {
            for server in self
                .servers(balancer.name)?
                .iter()
                .filter(|server| server.backend == backend)
            {
                if server.status != "UP" || server.check != "L7OK" {
                    let (name, node) = (balancer.name, &server.name);
                    return Ok(Answer::NotYet(format!(
                        "{name} has {backend}/{node} {} ({})",
                        server.status, server.check
                    )));
                }
            }
        }
        Ok(Answer::Yes)
    }

    /// Waits until the application runs on all nodes and both load balancers see it.
    pub(crate) fn wait_settled(&self, limit: Duration) -> Result<()> {
        self.wait("the application on all nodes", limit, |lab| {
            let text = lab.crm_mon()?;
            let started = text
                .lines()
                .filter(|line| {
                    line.contains("id=\"app_service\"") && line.contains("role=\"Started\"")
                })
                .filter(|line| !line.contains("pending="))
                .count();
            if started < hosts(Role::Node).count() {
                return Ok(Answer::NotYet(format!(
                    "{started} instances of app_service started"
                )));
            }
            lab.all_ready(super::APP_PORT)
        })?;
        self.wait("both HAProxy", limit, |lab| lab.balancers_up("app"))
    }
}
