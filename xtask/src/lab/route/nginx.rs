//! NGINX on the load balancers, beside HAProxy.
//!
//! The list of servers is a file of its own, which Tidegate owns in a lab as it would anywhere. Nothing is tried a second
//! time, so that every request that met a node which is gone shows.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::lab::duty::{Duty, File, lines};
use crate::lab::layout::{APP_PORT, Role, hosts};

/// Where NGINX listens on both load balancers.
pub const NGINX_PORT: u16 = 81;

/// The file with the servers of the upstream `app`.
pub const NGINX_SERVERS: &str = "/etc/nginx/tidegate/app.conf";

/// What a test may want otherwise in NGINX's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nginx {
    /// `worker_shutdown_timeout`: when an old worker cuts the connections that it still has; never where empty.
    pub shutdown_timeout: String,
    /// Each server's weight.
    pub weight: u32,
}

impl Default for Nginx {
    fn default() -> Self {
        Self { shutdown_timeout: String::new(), weight: 100 }
    }
}

/// NGINX on a load balancer.
pub(crate) fn duty(nginx: &Nginx, runs: bool) -> Duty {
    let servers = lines(hosts(Role::Node), |node| {
        format!("server {}:{APP_PORT} weight={} max_fails=0;", node.address, nginx.weight)
    });
    Duty {
        unit: "nginx.service",
        runs,
        files: vec![
            File::new("etc/nginx/nginx.conf", nginx.render()),
            File::new(NGINX_SERVERS.trim_start_matches('/'), servers),
        ],
        logs: vec![("var/log/nginx/access.log", "root"), ("var/log/nginx/error.log", "root")],
        memory: "/etc/nginx/tidegate",
    }
}

impl Nginx {
    fn render(&self) -> String {
        let shutdown = match self.shutdown_timeout.as_str() {
            "" => String::new(),
            time => format!("worker_shutdown_timeout {time};\n"),
        };
        format!(
            r#"# Made by `cargo xtask lab`; see xtask/src/lab/route/nginx.rs.
user www-data;
worker_processes 1;
worker_rlimit_nofile 16384;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
{shutdown}
events {{
    worker_connections 4096;
}}

http {{
    # When it ended (epoch with milliseconds), seconds it took, client, server, status, its status, request.
    log_format lab '$msec $request_time $remote_addr:$remote_port $upstream_addr $status $upstream_status $request_method $request_uri';
    access_log /var/log/nginx/access.log lab;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' '';
    }}

    upstream app {{
        include {NGINX_SERVERS};
        keepalive 16;
    }}

    server {{
        listen {NGINX_PORT};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_next_upstream off;
            proxy_connect_timeout 2s;
            proxy_read_timeout 30m;
            proxy_send_timeout 30m;
        }}
    }}
}}
"#
        )
    }
}

impl Lab {
    /// Reloads NGINX on a load balancer: new workers take over, old ones live as long as their connections.
    pub fn reload_nginx(&self, balancer: &str) -> Result<()> {
        self.exec(balancer, &["systemctl", "reload", "nginx.service"]).map(drop)
    }

    /// The servers of a load balancer's NGINX, as its file has them.
    pub fn nginx_servers(&self, balancer: &str) -> Result<String> {
        self.shell(balancer, &format!("cat {NGINX_SERVERS}"))
    }
}
