//! What the load balancers logged: to which node each request went, and when it was over.

use anyhow::{Result, bail};

use super::time;
use crate::lab::layout::{Role, hosts};
use crate::lab::route::cloud;
use crate::lab::{Lab, Proxy};

/// A request as a load balancer passed it on.
#[derive(Clone, Debug, PartialEq)]
pub struct Forwarded {
    /// When it began at the latest, in seconds since 1970. HAProxy counts the time in which a kept-alive connection
    /// was idle as the beginning of its next request.
    pub start: f64,
    /// When it was over.
    pub end: f64,
    /// The node; none where no node was there for it.
    pub node: Option<String>,
    /// The status that the client got; 0 or less when it got none.
    pub status: i32,
    /// The path, with the query.
    pub path: String,
}

/// What HAProxy said about one of its servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// When, in seconds since 1970.
    pub at: f64,
    /// Its text, such as `Server app/node-1 enters drain state. …`.
    pub text: String,
}

impl Lab {
    /// The requests that a load balancer passed on, in the order in which they ended.
    pub fn forwarded(&self, proxy: Proxy, machine: &str) -> Result<Vec<Forwarded>> {
        let (path, read): (&str, fn(&str) -> Option<Forwarded>) = match proxy {
            Proxy::Haproxy | Proxy::Edge => ("var/log/haproxy/access.log", haproxy),
            Proxy::Nginx => ("var/log/nginx/access.log", nginx),
            Proxy::Envoy => ("var/log/envoy/access.log", envoy),
            Proxy::Cloud => bail!("the cloud balancer logs no requests"),
        };
        Ok(self.file_of(machine, path)?.lines().filter_map(read).collect())
    }

    /// What the cloud balancer did to its targets: when, and `TARGET STATE WEIGHT`.
    pub fn cloud_changes(&self, machine: &str) -> Result<Vec<(f64, String)>> {
        let line = |line: &str| {
            let (stamp, text) = line.split_once(' ')?;
            Some((time::at_start(stamp, "%Y-%m-%dT%H:%M:%S%.f", 26)?, text.to_owned()))
        };
        Ok(self.file_of(machine, cloud::LOG)?.lines().filter_map(line).collect())
    }

    /// What HAProxy said about its servers.
    pub fn haproxy_notices(&self, machine: &str) -> Result<Vec<Notice>> {
        Ok(self.lb_log(machine)?.lines().filter_map(notice).collect())
    }
}

/// A line without what HAProxy puts before it (`<5>2026-11-21T10:47:38.969032+00:00 `), and that time.
pub(super) fn stamped(line: &str) -> Option<(f64, &str)> {
    let (stamp, text) = line.split_once(' ')?;
    let at = time::at_start(stamp.split_once('>')?.1, "%Y-%m-%dT%H:%M:%S%.f", 26)?;
    Some((at, text))
}

fn notice(line: &str) -> Option<Notice> {
    let (at, text) = stamped(line)?;
    text.starts_with("Server ").then(|| Notice { at, text: text.to_owned() })
}

/// `START CLIENT BACKEND/SERVER STATUS TR/Tw/Tc/Tr/Ta/Tt HOW RETRIES METHOD PATH`
fn haproxy(line: &str) -> Option<Forwarded> {
    let fields: Vec<&str> = stamped(line)?.1.split(' ').collect();
    let [start, _client, server, status, timers, _how, _retries, _method, path] = fields[..] else { return None };
    let start: f64 = start.parse().ok()?;
    let total: f64 = timers.rsplit('/').next()?.trim_start_matches('+').parse().ok()?;
    let node = server.split_once('/')?.1;
    let node = (!node.starts_with('<')).then(|| node.to_owned());
    Some(Forwarded { start, end: start + total / 1000.0, node, status: status.parse().ok()?, path: path.to_owned() })
}

/// `END SECONDS CLIENT SERVER STATUS STATUS-OF-SERVER METHOD PATH`
fn nginx(line: &str) -> Option<Forwarded> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [end, took, _client, server, status, _own, _method, path] = fields[..] else { return None };
    let end: f64 = end.parse().ok()?;
    let took: f64 = took.parse().ok()?;
    Some(Forwarded { start: end - took, end, node: node(server), status: status.parse().ok()?, path: path.to_owned() })
}

/// `START MILLISECONDS CLIENT SERVER STATUS HOW METHOD PATH`
fn envoy(line: &str) -> Option<Forwarded> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [start, took, _client, server, status, _how, _method, path] = fields[..] else { return None };
    let start: f64 = start.parse().ok()?;
    let took: f64 = took.parse().ok()?;
    let end = start + took / 1000.0;
    Some(Forwarded { start, end, node: node(server), status: status.parse().ok()?, path: path.to_owned() })
}

/// The node with this address, which has a port.
fn node(server: &str) -> Option<String> {
    let address = server.rsplit_once(':')?.0;
    hosts(Role::Node).find(|host| host.address.to_string() == address).map(|host| host.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_from_each_log() {
        let all = [
            haproxy(
                "<6>2026-11-21T10:47:38.418126+00:00 1795225010.774 10.77.0.3:56048 app/node-2 200 0/0/0/0/4/6 ---- 0 GET /",
            ),
            nginx("1795225010.780 0.006 10.77.0.3:39748 10.77.0.12:8080 200 200 GET /"),
            envoy("1795225010.774 6 10.77.0.3:35388 10.77.0.12:8080 200 - GET /"),
        ];
        for request in all {
            let request = request.expect("a request");
            assert!((request.start - 1_795_225_010.774).abs() < 0.0005 && request.end > request.start, "{request:?}");
            assert_eq!((request.node.as_deref(), request.status, request.path.as_str()), (Some("node-2"), 200, "/"));
        }
        let nobody = haproxy(
            "<6>2026-11-21T10:47:38.418126+00:00 1795225010.774 10.77.0.3:56048 app/<NOSRV> 503 0/-1/-1/-1/0/0 SC-- 0 GET /",
        );
        assert_eq!(nobody.and_then(|request| request.node), None);
    }

    #[test]
    fn a_notice_has_its_time() {
        let line = "<5>2026-11-21T10:47:38.969032+00:00 Server app/node-1 enters drain state. 2 active servers online.";
        let seen = notice(line).expect("a notice");
        assert!((seen.at - 1_795_258_058.969).abs() < 0.001 && seen.text.starts_with("Server app/node-1 enters"));
        assert_eq!(notice("<6>2026-11-21T10:47:38.418126+00:00 1795258058.417 10.77.0.3:60410 app/node-1 200"), None);
    }
}
