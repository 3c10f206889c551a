//! Back to a clean start between two tests, in seconds instead of a new lab.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::layout::{Role, hosts, machines, present};
use super::shell::{self, Answer};
use super::{Haproxy, Lab, network, switch, teardown};

/// In a node: no switch of the application is set, its log is empty, and what should run does. Jetty is the cluster's to
/// start, never the boot's.
const NODE: &str = r#"
find /run/app -mindepth 1 -delete 2> /dev/null || true
systemctl reset-failed
systemctl disable --quiet jetty9.service
systemctl start ssh.service corosync.service pacemaker.service app-sidecar.service
: > /var/log/app/access.log
"#;

/// In a load balancer: a fresh process with the configuration on stdin, and an empty log.
const BALANCER: &str = r#"
cat > /etc/haproxy/haproxy.cfg
rm -f /var/lib/haproxy/server-state
systemctl reset-failed
systemctl start ssh.service
systemctl stop haproxy.service
: > /var/log/haproxy/access.log
systemctl start haproxy.service
"#;

impl Lab {
    /// Brings the lab to its clean starting state: every machine on and connected, no packet filter, nothing
    /// paused, the cluster configured as at the start with the application on all nodes, the application's
    /// switches off, logs empty, HAProxy fresh with its default configuration and all servers up, no process in
    /// `control` and `client` but the caller's, and no journal of Tidegate in the lab's folder.
    ///
    /// Takes a few seconds, more when nodes were off. Doing it twice changes nothing.
    pub fn reset(&self) -> Result<()> {
        self.sweep()?;
        for machine in switch::machines(&self.layout)?.iter().filter(|machine| !machine.on) {
            self.power_on(&machine.name)?;
        }
        for host in present(self.options.routes) {
            network::plug(&self.layout, host.name, "up")?;
        }
        for host in machines(self.options.routes) {
            self.resume(host.name)?;
        }
        self.unblock_all()?;
        let limit = Duration::from_secs(90);
        for host in machines(self.options.routes) {
            self.wait(&format!("the system of {}", host.name), limit, |lab| lab.booted(host.name))?;
        }
        for node in hosts(Role::Node) {
            self.shell(node.name, NODE)?;
        }
        self.wait_quorum(limit)?;
        self.restore_cluster()?;
        self.wait("resources of a test to be gone", limit, Self::without_orphans)?;
        self.reprobe_if_misled()?;
        self.wait_app(limit)?;
        self.fresh_balancers()?;
        if self.options.routes { self.fresh_routes() } else { Ok(()) }
    }

    /// What an earlier test left on this machine: processes in the lab's namespaces, Tidegate's journal.
    fn sweep(&self) -> Result<()> {
        let ids: Vec<u64> = hosts(Role::Namespace).filter_map(|host| network::id(&self.layout, host.name)).collect();
        teardown::end_residents(&self.layout, &ids);
        for entry in fs::read_dir(self.dir())?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("journal.db") {
                fs::remove_file(entry.path()).context("could not remove Tidegate's journal")?;
            }
        }
        Ok(())
    }

    /// Whether nothing runs any more that is not in the configuration: until then the cluster is not at rest, and the next
    /// test's drain would be held for it.
    fn without_orphans(&self) -> Result<Answer> {
        let said = self.output("node-1", &["crm_mon", "--one-shot", "--output-as=xml"])?;
        let text = String::from_utf8_lossy(&said.stdout);
        let orphans = text.lines().filter(|line| line.contains(" orphaned=\"true\""));
        let names: Vec<&str> = orphans.filter_map(|line| line.split(" id=\"").nth(1)?.split('"').next()).collect();
        Ok(match (said.status.success(), names.is_empty()) {
            (true, true) => Answer::Yes,
            (true, false) => Answer::NotYet(format!("still there: {}", names.join(", "))),
            (false, _) => Answer::NotYet(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        })
    }

    /// Makes the cluster look for itself where it believes in an application that is dead: its own monitor
    /// would find out only after its interval of 30 s.
    ///
    /// A controller that has only just joined can lose the request, and the tool then waits a minute for an answer
    /// that never comes; so each request has a few seconds, and one without an answer is made again.
    fn reprobe_if_misled(&self) -> Result<()> {
        for instance in self.cluster()?.instances {
            let dead = instance.resource == "app_service"
                && instance.settled
                && !self
                    .output(&instance.node, &["systemctl", "--quiet", "is-active", "app.service"])?
                    .status
                    .success();
            if dead {
                let node = instance.node.as_str();
                let refresh =
                    ["timeout", "10", "crm_resource", "--refresh", "--resource", "app_service", "--node", node];
                self.wait(&format!("a new look at the application on {node}"), Duration::from_secs(60), |lab| {
                    let output = lab.output("node-1", &refresh)?;
                    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    Ok(if output.status.success() { Answer::Yes } else { Answer::NotYet(said) })
                })?;
            }
        }
        Ok(())
    }

    /// Starts HAProxy anew on both load balancers, with the lab's configuration, and waits until it has
    /// checked every server.
    pub fn fresh_balancers(&self) -> Result<()> {
        self.balance(&self.options.haproxy)
    }

    /// Starts HAProxy anew with another configuration, until the next reset.
    pub fn balance(&self, haproxy: &Haproxy) -> Result<()> {
        for balancer in hosts(Role::Balancer) {
            let mut command = self.command_in(balancer.name, "sh")?;
            command.args(["-euc", BALANCER]);
            shell::feed(&mut command, &haproxy.render(balancer, self.options.jetty))?;
        }
        let limit = Duration::from_secs(60);
        self.wait("both HAProxy", limit, Self::balancers_up)
    }

    /// Whether a machine's system is up as far as it will come.
    pub(crate) fn booted(&self, machine: &str) -> Result<Answer> {
        let output = self.output(machine, &["systemctl", "is-system-running"])?;
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(match state.as_str() {
            "running" | "degraded" => Answer::Yes,
            _ => Answer::NotYet(state),
        })
    }
}
