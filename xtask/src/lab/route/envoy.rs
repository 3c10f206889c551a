//! Envoy on the load balancers, beside HAProxy: endpoints from a watched file, an admin interface on loopback.
//!
//! The endpoints are in a file of their own, which Tidegate owns. Envoy sees a new one when it is moved into the watched
//! folder; a file that is written in place it may read half. Health checks of its own come on top of what the file says.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::lab::duty::{Duty, File};
use crate::lab::layout::{APP_PORT, Host, Role, hosts};

/// Where Envoy listens on both load balancers.
pub const ENVOY_PORT: u16 = 82;
/// Its admin interface, on the load balancer's loopback.
pub const ENVOY_ADMIN_PORT: u16 = 9901;
/// The file with the endpoints of the cluster `app`.
pub const ENVOY_ENDPOINTS: &str = "/etc/envoy/eds/app.json";

/// Where the binary is put in the machines.
pub(crate) const BINARY: &str = "/usr/local/bin/envoy";

/// What a test may want otherwise in Envoy's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envoy {
    /// Between two health checks.
    pub inter: String,
    /// Each endpoint's weight.
    pub weight: u32,
    /// The panic threshold in percent; Envoy's own default where none.
    pub panic_threshold: Option<u8>,
}

impl Default for Envoy {
    fn default() -> Self {
        Self { inter: "1s".to_owned(), weight: 100, panic_threshold: None }
    }
}

/// Envoy on a load balancer.
pub(crate) fn duty(host: &Host, envoy: &Envoy, runs: bool) -> Duty {
    Duty {
        unit: "envoy.service",
        runs,
        files: vec![
            File::new("etc/systemd/system/envoy.service", include_str!("../../../files/envoy.service")),
            File::new("etc/envoy/envoy.yaml", envoy.render(host)),
            File::new(ENVOY_ENDPOINTS.trim_start_matches('/'), envoy.endpoints()),
        ],
        logs: vec![("var/log/envoy/access.log", "root")],
        memory: "/etc/envoy/eds",
    }
}

impl Envoy {
    fn endpoints(&self) -> String {
        let endpoint = |node: &Host| {
            serde_json::json!({
                "endpoint": { "address": { "socket_address": { "address": node.address, "port_value": APP_PORT } } },
                "health_status": "HEALTHY",
                "load_balancing_weight": self.weight,
            })
        };
        let all: Vec<_> = hosts(Role::Node).map(endpoint).collect();
        let response = serde_json::json!({
            "version_info": "1",
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": "app",
                "endpoints": [{ "lb_endpoints": all }],
            }],
        });
        format!("{response:#}\n")
    }

    fn render(&self, host: &Host) -> String {
        let panic = match self.panic_threshold {
            None => String::new(),
            Some(percent) => format!("    common_lb_config: {{ healthy_panic_threshold: {{ value: {percent} }} }}\n"),
        };
        format!(
            include_str!("../../../files/envoy.yaml"),
            name = host.name,
            admin = ENVOY_ADMIN_PORT,
            port = ENVOY_PORT,
            endpoints = ENVOY_ENDPOINTS,
            inter = self.inter,
            panic = panic,
        )
    }
}

impl Lab {
    /// Starts a load balancer's Envoy anew: it has no reload, and forgets everything that is in no file.
    pub fn restart_envoy(&self, balancer: &str) -> Result<()> {
        self.exec(balancer, &["systemctl", "restart", "envoy.service"]).map(drop)
    }

    /// Asks a load balancer's Envoy, on its admin interface (`/clusters?format=json`).
    pub fn envoy_admin(&self, balancer: &str, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{ENVOY_ADMIN_PORT}{path}");
        self.shell(balancer, &format!("curl -sf --max-time 5 '{url}'"))
    }
}
