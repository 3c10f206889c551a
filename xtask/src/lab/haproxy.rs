//! HAProxy's configuration on the load balancers.
//!
//! The defaults are those of the measured baselines: slow checks, no retries, and no state file, so that a
//! reload forgets what the runtime API was told.

use serde::{Deserialize, Serialize};

use super::layout::{APP_PORT, Host, JETTY_PORT, Role, hosts};

/// What a test may want otherwise in HAProxy's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Haproxy {
    /// Between two health checks, in HAProxy's notation (`5s`).
    pub inter: String,
    /// Failed checks that take a server down.
    pub fall: u32,
    /// Passed checks that bring it up.
    pub rise: u32,
    /// Each server's weight.
    pub weight: u32,
    /// Keep runtime state over a reload (`server-state-file` and what loads it).
    pub state_file: bool,
    /// Clients stay with the server that they got first, by a cookie.
    pub sticky: bool,
    /// Further lines of the `app` backend.
    pub app_extra: String,
    /// Further keywords of every `server` line of the `app` backend.
    pub server_extra: String,
}

impl Default for Haproxy {
    fn default() -> Self {
        Self {
            inter: "5s".to_owned(),
            fall: 2,
            rise: 2,
            weight: 100,
            state_file: false,
            sticky: false,
            app_extra: String::new(),
            server_extra: String::new(),
        }
    }
}

impl Haproxy {
    /// The configuration file of one load balancer, with a second service where Jetty runs.
    pub(crate) fn render(&self, host: &Host, jetty: bool) -> String {
        let address = host.address;
        let (state_global, state_default) = if self.state_file {
            ("    server-state-file /var/lib/haproxy/server-state\n", "    load-server-state-from-file global\n")
        } else {
            ("", "")
        };
        let check = format!("check inter {} fall {} rise {} weight {}", self.inter, self.fall, self.rise, self.weight);
        let servers = |port: u16, extra: &dyn Fn(&Host) -> String| -> String {
            hosts(Role::Node)
                .map(|node| format!("    server {} {}:{port} {check} {}\n", node.name, node.address, extra(node)))
                .collect()
        };
        let app = servers(APP_PORT, &|node| {
            let cookie = if self.sticky { format!("cookie {} ", node.name) } else { String::new() };
            format!("{cookie}{}", self.server_extra)
        });
        let jetty = if jetty { second_service(&servers(JETTY_PORT, &|_| String::new())) } else { String::new() };
        let cookie = if self.sticky { "    cookie NODE insert indirect nocache\n" } else { "" };
        let extra = &self.app_extra;
        format!(
            r#"# Made by `cargo xtask lab`; see xtask/src/lab/haproxy.rs.
global
    log stdout format timed local0
    user haproxy
    group haproxy
    maxconn 8000
    stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners
    stats socket ipv4@{address}:9999 level admin
    stats timeout 1h
    # The first check of every server comes soon after a start, not spread over the interval.
    max-spread-checks 300ms
{state_global}
defaults
    log global
    mode http
    # Epoch with milliseconds, client, backend/server, status, timers (the last one: from begin to end), how it ended, request.
    log-format "%Ts.%ms %ci:%cp %b/%s %ST %TR/%Tw/%Tc/%Tr/%Ta/%Tt %tsc %rc %HM %HU"
    option dontlognull
    retries 0
    no option redispatch
    http-reuse safe
    timeout connect 2s
    timeout client 30m
    timeout server 30m
    timeout http-request 10s
    timeout http-keep-alive 5m
    timeout queue 2s
    timeout check 2s
{state_default}
frontend web
    bind :80
    default_backend app

backend app
    balance roundrobin
    option httpchk GET /ready
    http-check expect status 200
    option forwardfor
{cookie}{extra}{app}
{jetty}"#
        )
    }
}

/// Jetty's part: a port and a backend of its own.
fn second_service(servers: &str) -> String {
    format!(
        "
frontend jetty
    bind :{JETTY_PORT}
    default_backend jetty

backend jetty
    balance roundrobin
    option httpchk GET /ready
    http-check expect status 200
{servers}"
    )
}
