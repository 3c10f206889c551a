//! What can go wrong in a lab, on command. `Lab::reset` undoes all of it.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use rustix::process::Signal;

use super::layout::{find, present};
use super::shell::{feed, tool};
use super::{Lab, cgroup, network, switch};

/// The packet filter that [`Lab::block`] fills: a set of addresses that a host can no longer send to.
const FILTER: &str = "add table inet lab\n\
     add set inet lab unreachable { type ipv4_addr; }\n\
     add chain inet lab output { type filter hook output priority 0; }\n\
     flush chain inet lab output\n\
     add rule inet lab output ip daddr @unreachable drop\n";

impl Lab {
    /// Cuts a machine's power: it is dead on return, and its peers got no word of it.
    pub fn power_off(&self, machine: &str) -> Result<()> {
        switch::ask(&self.layout, &format!("off {machine}")).map(drop)
    }

    /// Gives a machine power; returns when it has begun to boot.
    pub fn power_on(&self, machine: &str) -> Result<()> {
        switch::ask(&self.layout, &format!("on {machine}")).map(drop)
    }

    /// Pulls a host's network cable: both ends see no carrier.
    pub fn link_down(&self, host: &str) -> Result<()> {
        network::plug(&self.layout, find(host)?.name, "down")
    }

    /// Plugs it in again.
    pub fn link_up(&self, host: &str) -> Result<()> {
        network::plug(&self.layout, find(host)?.name, "up")
    }

    /// Drops every packet that `from` sends to `to`: one way only; block both ways for a partition.
    pub fn block(&self, from: &str, to: &str) -> Result<()> {
        let element = format!("add element inet lab unreachable {{ {} }}\n", find(to)?.address);
        self.nft(from, &format!("{FILTER}{element}"))
    }

    /// Ends what [`Lab::block`] began.
    pub fn unblock(&self, from: &str, to: &str) -> Result<()> {
        self.nft(from, &format!("delete element inet lab unreachable {{ {} }}\n", find(to)?.address))
    }

    /// Removes every packet filter from every host's namespace.
    pub fn unblock_all(&self) -> Result<()> {
        present(self.options.routes).try_for_each(|host| self.nft(host.name, "flush ruleset\n"))?;
        // The router's own work is done by its packet filter.
        if self.options.routes { self.keep_flows() } else { Ok(()) }
    }

    /// Kills every process of a unit with SIGKILL, as a crash would.
    pub fn kill_unit(&self, machine: &str, unit: &str) -> Result<()> {
        self.exec(machine, &["systemctl", "kill", "--signal=KILL", unit]).map(drop)
    }

    /// Stops every process of a unit (SIGSTOP): it is there, and does nothing.
    pub fn pause_unit(&self, machine: &str, unit: &str) -> Result<()> {
        self.exec(machine, &["systemctl", "kill", "--signal=STOP", unit]).map(drop)
    }

    /// Lets a paused unit go on.
    pub fn resume_unit(&self, machine: &str, unit: &str) -> Result<()> {
        self.exec(machine, &["systemctl", "kill", "--signal=CONT", unit]).map(drop)
    }

    /// Stops every process of a machine, PID 1 too: a hung system whose kernel still answers pings.
    pub fn pause(&self, machine: &str) -> Result<()> {
        self.signal_all(machine, Signal::STOP)
    }

    /// Lets a paused machine go on.
    pub fn resume(&self, machine: &str) -> Result<()> {
        self.signal_all(machine, Signal::CONT)
    }

    /// Stops HAProxy on a load balancer, connections and all.
    pub fn stop_lb(&self, balancer: &str) -> Result<()> {
        self.exec(balancer, &["systemctl", "stop", "haproxy.service"]).map(drop)
    }

    /// Starts HAProxy on a load balancer.
    pub fn start_lb(&self, balancer: &str) -> Result<()> {
        self.exec(balancer, &["systemctl", "start", "haproxy.service"]).map(drop)
    }

    /// Reloads HAProxy: a new process takes over, the old one lives as long as its connections.
    pub fn reload_lb(&self, balancer: &str) -> Result<()> {
        self.exec(balancer, &["systemctl", "reload", "haproxy.service"]).map(drop)
    }

    /// Sets a switch of a node's application (`not-ready`, `fail`, `hang`, `ready-delay`, `stop-delay`), with
    /// what the switch's file holds: seconds, or nothing.
    pub fn set_switch(&self, node: &str, switch: &str, content: &str) -> Result<()> {
        let script = "printf %s \"$2\" > \"/run/app/$1\"";
        self.exec(node, &["sh", "-c", script, "sh", switch, content]).map(drop)
    }

    /// Takes a switch of a node's application away.
    pub fn clear_switch(&self, node: &str, switch: &str) -> Result<()> {
        self.exec(node, &["rm", "-f", &format!("/run/app/{switch}")]).map(drop)
    }

    pub(crate) fn nft(&self, host: &str, script: &str) -> Result<()> {
        let netns = self.layout.netns_file(find(host)?.name);
        let enter = format!("--net={}", netns.display());
        feed(&mut tool("nsenter", &[&enter, "--", "nft", "-f", "-"]), script).map(drop)
    }

    /// Signals every process inside a machine, but not nspawn around it, which is in this machine's namespace.
    fn signal_all(&self, machine: &str, signal: Signal) -> Result<()> {
        let outside = pid_namespace("self");
        let group = format!("{}/{}", self.layout.cgroup(), find(machine)?.name);
        let inside = |pid: i32| pid_namespace(&pid.to_string()).is_some_and(|own| Some(own) != outside);
        for pid in cgroup::processes(&group) {
            cgroup::signal_if(pid, signal, |pid| cgroup::belongs(pid, &group) && inside(pid));
        }
        Ok(())
    }
}

fn pid_namespace(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/pid")).ok()
}
