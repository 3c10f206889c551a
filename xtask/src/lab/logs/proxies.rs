//! What the load balancers logged: to which node each request went, and when it was over.

use anyhow::Result;

use crate::lab::layout::{Role, hosts};
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

/// A line of HAProxy's about a server. It carries no time of its own, so it happened between the lines around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The end of the request that was logged before it.
    pub after: f64,
    /// The end of the request that was logged after it; infinite where there was none.
    pub before: f64,
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
        };
        Ok(self.file_of(machine, path)?.lines().filter_map(read).collect())
    }

    /// What HAProxy said about its servers.
    pub fn haproxy_notices(&self, machine: &str) -> Result<Vec<Notice>> {
        Ok(notices(&self.file_of(machine, "var/log/haproxy/access.log")?))
    }
}

fn notices(log: &str) -> Vec<Notice> {
    let (mut found, mut open, mut last) = (Vec::<Notice>::new(), 0, 0.0);
    for line in log.lines() {
        if let Some(request) = haproxy(line) {
            last = request.end;
            found.iter_mut().skip(open).for_each(|notice| notice.before = last);
            open = found.len();
        } else if line.starts_with("Server ") {
            found.push(Notice { after: last, before: f64::INFINITY, text: line.to_owned() });
        }
    }
    found
}

/// `START CLIENT BACKEND/SERVER STATUS TR/Tw/Tc/Tr/Ta/Tt HOW RETRIES METHOD PATH`
fn haproxy(line: &str) -> Option<Forwarded> {
    let fields: Vec<&str> = line.split(' ').collect();
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
            haproxy("1795225010.774 10.77.0.3:56048 app/node-2 200 0/0/0/0/4/6 ---- 0 GET /"),
            nginx("1795225010.780 0.006 10.77.0.3:39748 10.77.0.12:8080 200 200 GET /"),
            envoy("1795225010.774 6 10.77.0.3:35388 10.77.0.12:8080 200 - GET /"),
        ];
        for request in all {
            let request = request.expect("a request");
            assert!((request.start - 1_795_225_010.774).abs() < 0.0005 && request.end > request.start, "{request:?}");
            assert_eq!((request.node.as_deref(), request.status, request.path.as_str()), (Some("node-2"), 200, "/"));
        }
        let nobody = haproxy("1795225010.774 10.77.0.3:56048 app/<NOSRV> 503 0/-1/-1/-1/0/0 SC-- 0 GET /");
        assert_eq!(nobody.and_then(|request| request.node), None);
    }

    #[test]
    fn a_notice_lies_between_the_requests_around_it() {
        let log = "1795225010.000 c:1 app/node-2 200 0/0/0/0/4/10 ---- 0 GET /\n\
                   Server app/node-1 enters drain state. 2 active and 0 backup servers online.\n\
                   Server app/node-1 remains in forced drain mode.\n\
                   1795225011.000 c:1 app/node-2 200 0/0/0/0/4/10 ---- 0 GET /\n\
                   Server app/node-1 is UP (leaving forced drain).\n";
        let notices = notices(log);
        let times: Vec<(f64, f64)> = notices.iter().map(|notice| (notice.after, notice.before)).collect();
        let (first, second) = (1_795_225_010.01, 1_795_225_011.01);
        assert_eq!(times, [(first, second), (first, second), (second, f64::INFINITY)]);
    }
}
