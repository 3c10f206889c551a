//! Load balancers: what each is set to, and when it stopped and began to send requests to a node.
//!
//! HAProxy says itself when a server is drained. NGINX and Envoy say nothing of the kind, so the requests tell: the last one
//! that went to the node, and the first one that did again.

use anyhow::{Context, Result};

use super::{Layer, Moment, Window};
use crate::lab::{ENVOY_ENDPOINTS, Lab, NGINX_SERVERS, Proxy};

/// A kind of load balancer, on all machines that have it.
pub(in crate::routes) struct Balancers(pub(in crate::routes) Proxy);

/// HAProxy's columns that a drain may touch, and must bring back.
const COLUMNS: [&str; 6] = ["srv_name", "srv_addr", "srv_op_state", "srv_admin_state", "srv_uweight", "srv_iweight"];

impl Balancers {
    /// The times of HAProxy's own words about a node that contain one of these.
    fn said(&self, lab: &Lab, node: &str, during: Window, words: &[&str]) -> Result<Moment> {
        let server = format!("Server app/{node} ");
        let mut times = Vec::new();
        for machine in self.0.machines() {
            let said = lab.haproxy_notices(machine)?.into_iter().filter(|notice| {
                notice.text.starts_with(&server)
                    && words.iter().any(|word| notice.text.contains(word))
                    && during.has(notice.at)
            });
            let at = said.map(|notice| notice.at).reduce(f64::max);
            times.push(at.with_context(|| format!("HAProxy on {machine} did not say so"))?);
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

    fn is_haproxy(&self) -> bool {
        matches!(self.0, Proxy::Haproxy | Proxy::Edge)
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
        if self.is_haproxy() {
            return self.said(lab, node, during, &["enters drain state", "for maintenance"]);
        }
        let all = self.requests(lab, node, during)?;
        Moment::of(all.iter().filter_map(|one| one.last()).map(|(_, end)| *end))
    }

    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment> {
        if self.is_haproxy() {
            return self.said(lab, node, during, &["leaving forced drain", "leaving forced maintenance"]);
        }
        let all = self.requests(lab, node, during)?;
        Moment::of(all.iter().filter_map(|one| one.iter().map(|(start, _)| *start).reduce(f64::min)))
    }
}

/// A file word for word, with its owner and permissions, and whatever lies beside it.
fn file(path: &str) -> String {
    format!("stat -c '%n %U:%G %a' {path}; ls -A \"$(dirname {path})\"; cat {path}")
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
