//! Load balancers: what each is set to, and when it stopped and began to send requests to a node.
//!
//! HAProxy and the cloud balancer say themselves when a node is drained. NGINX and Envoy say nothing of the kind, so the
//! requests tell: the last one that went to the node, and the first one that did again.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Layer, Moment, Window};
use crate::lab::{ENVOY_ENDPOINTS, Lab, NGINX_SERVERS, Proxy};

/// A kind of load balancer, on all machines that have it.
pub(in crate::routes) struct Balancers(pub(in crate::routes) Proxy);

/// HAProxy's columns that a drain may touch, and must bring back.
const COLUMNS: [&str; 6] = ["srv_name", "srv_addr", "srv_op_state", "srv_admin_state", "srv_uweight", "srv_iweight"];

impl Balancers {
    /// The times of a balancer's own words about a node that contain one of these.
    fn said(&self, lab: &Lab, node: &str, during: Window, words: &[&str]) -> Result<Moment> {
        let about = if self.0 == Proxy::Cloud { format!("{node} ") } else { format!("Server app/{node} ") };
        let mut times = Vec::new();
        for machine in self.0.machines() {
            let all = match self.0 {
                Proxy::Cloud => lab.cloud_changes(machine)?,
                _ => lab.haproxy_notices(machine)?.into_iter().map(|notice| (notice.at, notice.text)).collect(),
            };
            let fits = |text: &str| text.starts_with(&about) && words.iter().any(|word| text.contains(word));
            let here: Vec<f64> =
                all.into_iter().filter(|(at, text)| during.has(*at) && fits(text)).map(|(at, _)| at).collect();
            ensure!(!here.is_empty(), "{:?} on {machine} did not say so", self.0);
            times.extend(here);
        }
        Moment::of(times)
    }

    /// The beginning and end of the requests to a node, on each machine.
    fn requests(&self, lab: &Lab, node: &str, during: Window) -> Result<Vec<Vec<(f64, f64)>>> {
        let on = |machine: &str| -> Result<Vec<(f64, f64)>> {
            let all = lab.forwarded(self.0, machine)?.into_iter();
            let there = all.filter(|request| request.node.as_deref() == Some(node) && during.has(request.end));
            Ok(there.map(|request| (request.start, request.end)).collect())
        };
        self.0.machines().into_iter().map(on).collect()
    }

    /// Whether it says itself what it does to a node.
    fn speaks(&self) -> bool {
        matches!(self.0, Proxy::Haproxy | Proxy::Edge | Proxy::Cloud)
    }

    /// By which of its words it is known that it let a node go, and that it took it back.
    fn words(&self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.0 {
            Proxy::Cloud => (&[" draining ", " disabled "], &[" active "]),
            _ => {
                (&["enters drain state", "for maintenance"], &["is UP (leaving forced", "is UP/READY (leaving forced"])
            }
        }
    }
}

impl Layer for Balancers {
    fn name(&self) -> String {
        format!("{:?}", self.0)
    }

    fn picture(&self, lab: &Lab) -> Result<String> {
        let mut text = String::new();
        for machine in self.0.machines() {
            text += &format!("{machine}:\n");
            text += &match self.0 {
                Proxy::Haproxy | Proxy::Edge => columns(&lab.haproxy(machine, "show servers state app")?),
                Proxy::Cloud => targets(&lab.cloud_pool(machine)?),
                Proxy::Nginx => lab.shell(machine, &file(NGINX_SERVERS))?,
                Proxy::Envoy => {
                    let health =
                        "curl -sf --max-time 5 127.0.0.1:9901/clusters | grep -E '::(health_flags|weight)::' | sort";
                    lab.shell(machine, &format!("{}; {health}", file(ENVOY_ENDPOINTS)))?
                }
            };
            text.push('\n');
        }
        Ok(text)
    }

    fn left(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        if self.speaks() {
            return self.said(
                lab,
                node,
                during,
                &["enters drain state", "for maintenance", " draining ", " disabled "],
            );
        }
        let all = self.requests(lab, node, during)?;
        Moment::of(all.iter().filter_map(|one| one.last()).map(|(_, end)| *end))
    }

    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        if self.speaks() {
            return self.said(lab, node, during, self.words().1);
        }
        let all = self.requests(lab, node, during)?;
        Moment::of(all.iter().filter_map(|one| one.iter().map(|(start, _)| *start).reduce(f64::min)))
    }
}

/// A file word for word, with its owner and permissions, and what lies beside it. What Tidegate keeps there for itself is
/// hidden, so no program takes it for configuration.
fn file(path: &str) -> String {
    format!("stat -c '%n %U:%G %a' {path}; ls \"$(dirname {path})\"; cat {path}")
}

/// State and weight of each target; revisions and counters go on.
fn targets(pool: &Value) -> String {
    let targets = pool.get("targets").and_then(Value::as_object).into_iter().flatten();
    targets.map(|(name, target)| format!("{name} {} {}\n", target["state"], target["weight"])).collect()
}

/// Those columns of `show servers state` that matter.
fn columns(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(' ').collect();
    let rows = lines.filter(|line| !line.is_empty()).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let field = |name: &&str| names.iter().position(|other| other == name).and_then(|at| fields.get(at)).copied();
        COLUMNS.iter().map(|name| format!("{name}={} ", field(name).unwrap_or("?"))).collect::<String>() + "\n"
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_columns_that_matter_are_picked() {
        let text = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n\
                    3 app 1 node-1 10.77.0.11 2 8 37 100\n\n";
        let row =
            "srv_name=node-1 srv_addr=10.77.0.11 srv_op_state=2 srv_admin_state=8 srv_uweight=37 srv_iweight=100 \n";
        assert_eq!(super::columns(text), row);
    }
}
