//! The servers' own logs, read for proof: what reached whom, when, and how it ended.

use std::fs;

use anyhow::{Context, Result};

use super::Lab;

mod cluster;
mod names;
mod paths;
mod proxies;
mod time;

pub use names::{Query, ZoneUpdate};
pub use paths::PathChange;
pub use proxies::{Forwarded, Notice};

/// A request as a node's application saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct AppRequest {
    /// When it had been read, in seconds since 1970.
    pub start: f64,
    /// Its path, with the query.
    pub path: String,
    /// The status of the answer; 0 when the connection was cut before the answer was complete.
    pub status: u16,
    /// When the answer was complete, or the connection cut.
    pub end: f64,
    /// Who sent it (`address:port`): a load balancer, or a client that went around them.
    pub client: String,
}

/// A request as a load balancer saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct LbRequest {
    /// When it was accepted, in seconds since 1970.
    pub start: f64,
    /// Backend and server (`app/node-1`, or `app/<NOSRV>`).
    pub server: String,
    /// The status that the client got; 0 or less when it got none.
    pub status: i32,
    /// HAProxy's four letters on how it ended (`----` is well).
    pub ended: String,
    /// The path, with the query.
    pub path: String,
}

impl Lab {
    /// The requests that a node's application has logged, oldest end first.
    pub fn app_requests(&self, node: &str) -> Result<Vec<AppRequest>> {
        Ok(self.app_log(node)?.lines().filter_map(app_request).collect())
    }

    /// The requests that a load balancer has logged.
    pub fn lb_requests(&self, balancer: &str) -> Result<Vec<LbRequest>> {
        Ok(self.lb_log(balancer)?.lines().filter_map(lb_request).collect())
    }

    /// When the application on a node was last told to stop, in seconds since 1970.
    pub fn app_stopped(&self, node: &str) -> Result<Option<f64>> {
        let log = self.app_log(node)?;
        let line = log.lines().rev().find(|line| line.contains(" stopping "));
        Ok(line.and_then(|line| line.split(' ').nth(1)?.parse().ok()))
    }

    /// When the application on a node was last started, in seconds since 1970.
    pub fn app_started(&self, node: &str) -> Result<Option<f64>> {
        let log = self.app_log(node)?;
        let line = log.lines().rev().find(|line| line.contains(" started "));
        Ok(line.and_then(|line| line.split(' ').nth(1)?.parse().ok()))
    }

    /// The application's log on a node, as it is.
    pub fn app_log(&self, node: &str) -> Result<String> {
        self.file_of(node, "var/log/app/access.log")
    }

    /// HAProxy's log on a load balancer, as it is.
    pub fn lb_log(&self, balancer: &str) -> Result<String> {
        self.file_of(balancer, "var/log/haproxy/access.log")
    }

    /// A file of a machine as it is on its disk, also while the machine is off. Only files that the machine
    /// itself has written (such as logs) are found.
    pub fn file_of(&self, machine: &str, path: &str) -> Result<String> {
        let file = self.layout.upper(machine).join(path.trim_start_matches('/'));
        fs::read_to_string(&file).with_context(|| format!("could not read {path} of {machine}"))
    }
}

fn app_request(line: &str) -> Option<AppRequest> {
    let mut fields = line.split(' ');
    Some(AppRequest {
        start: fields.next()?.parse().ok()?,
        path: fields.next()?.to_owned(),
        status: fields.next()?.parse().ok()?,
        end: fields.next()?.parse().ok()?,
        client: fields.next()?.to_owned(),
    })
}

fn lb_request(line: &str) -> Option<LbRequest> {
    let fields: Vec<&str> = proxies::stamped(line)?.1.split(' ').collect();
    let [start, _client, server, status, _timers, ended, _retries, _method, path] = fields[..] else {
        return None;
    };
    Some(LbRequest {
        start: start.parse().ok()?,
        server: server.to_owned(),
        status: status.parse().ok()?,
        ended: ended.to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{app_request, lb_request};

    #[test]
    fn lines_of_both_logs_are_read_and_others_passed_over() {
        let request = app_request("1795225010.775551 /slow?ms=5 000 1795225010.780000 10.77.0.21:53088 client-gone");
        let request = request.expect("a request");
        assert_eq!((request.path.as_str(), request.status), ("/slow?ms=5", 0));
        assert_eq!(app_request("# 1795225010.775551 started pid 138 port 8080"), None);

        let request = lb_request(
            "<6>2026-11-21T10:47:38.418126+00:00 1795225010.774 10.77.0.3:56048 app/node-1 200 0/0/0/0/0 ---- 0 GET /",
        );
        let request = request.expect("a request");
        assert_eq!((request.server.as_str(), request.status), ("app/node-1", 200));
        assert_eq!(
            lb_request("<5>2026-11-21T10:47:38.418126+00:00 Server app/node-1 is UP, reason: Layer7 check passed"),
            None
        );
    }
}
