//! Tidegate's configuration for the lab. Tests write variants of it.

use std::path::PathBuf;

use anyhow::Result;

use super::layout::{APP_PORT, Role, find, hosts};
use super::{Lab, Proxy, shell};

mod routes;

pub use routes::{Entrance, RouteText};

/// Jetty as a second service: more text for a configuration, where [`Lab::set_jetty`] has turned it on.
pub const JETTY: &str = r#"
[[service]]
name = "jetty"
unit = "jetty9.service"
clone = { resource = "jetty_service", monitor-interval = "30s", clone-max = 3, clone-node-max = 1 }
min-ready = 2
ready = { protocol = "http", port = 8081, path = "/ready", status = 200, timeout = "2s", interval = "500ms", unhealthy = 2, healthy = 2 }
connections = { settle = "300ms", deadline = "1m", on-deadline = "hold" }
"#;

/// How clients reach it: by the same load balancers as the application.
const JETTY_ENTRANCE: &str = r#"
[[entrypoint]]
name = "jetty"
service = "jetty"
address = "10.77.0.21"
protocol = "http"

[[entrypoint.route]]
via = "haproxy"
backend = "jetty"
server = "{node}"
instances = [
  { name = "lb-1", socket = "ssh://lb-1/run/haproxy/admin.sock", source = ["10.77.0.21"] },
  { name = "lb-2", socket = "ssh://lb-2/run/haproxy/admin.sock", source = ["10.77.0.22"] },
]
"#;

/// Jetty beside the application, behind the same load balancers.
pub fn jetty_beside() -> String {
    format!("{JETTY}{JETTY_ENTRANCE}")
}

/// What a test may want otherwise in Tidegate's configuration; the defaults suit quick tests.
#[derive(Clone, Debug)]
pub struct TidegateConfig {
    /// Nodes of the application that must stay ready.
    pub min_ready: u32,
    /// How long connections must be gone before they count as gone.
    pub settle: String,
    /// How long to wait for them.
    pub deadline: String,
    /// What then: `hold`, `close` or `abort`.
    pub on_deadline: String,
    /// The age from which a connection is cut before that; none where empty.
    pub max_age: String,
    /// Between two probes of `/ready`.
    pub probe_interval: String,
    /// Steps of a node's way back into routing.
    pub ramp: Vec<String>,
    /// Time on each step.
    pub dwell: String,
    /// Whether it is for a member itself, which is then asked without SSH.
    pub local: bool,
    /// The journal's file; by default `journal.db` in the lab's folder.
    pub journal: Option<PathBuf>,
    /// How clients come in, and by which routes; by default through both HAProxy.
    pub entrance: Option<(Entrance, Vec<RouteText>)>,
    /// More lines inside the `[[service]]` table.
    pub service_extra: String,
    /// More lines inside the last `[[entrypoint.route]]` table.
    pub route_extra: String,
    /// More text at the end of the file.
    pub extra: String,
}

impl Default for TidegateConfig {
    fn default() -> Self {
        Self {
            min_ready: 2,
            settle: "200ms".to_owned(),
            deadline: "10m".to_owned(),
            on_deadline: "hold".to_owned(),
            max_age: String::new(),
            probe_interval: "200ms".to_owned(),
            ramp: vec!["50%".to_owned(), "100%".to_owned()],
            dwell: "200ms".to_owned(),
            local: false,
            journal: None,
            entrance: None,
            service_extra: String::new(),
            route_extra: String::new(),
            extra: String::new(),
        }
    }
}

impl Lab {
    /// Writes a configuration of Tidegate into the lab's folder under this name, and hands back its path.
    pub fn write_config(&self, name: &str, config: &TidegateConfig) -> Result<PathBuf> {
        let path = self.layout.file(name);
        shell::write(&path, 0o644, &self.render(config)?)?;
        Ok(path)
    }

    fn render(&self, config: &TidegateConfig) -> Result<String> {
        let default_journal = self.layout.file("journal.db");
        let journal = config.journal.as_ref().unwrap_or(&default_journal).display();
        let access = match config.local {
            true => "\"local\"".to_owned(),
            false => {
                format!("{{ via = \"ssh\", user = \"root\", config = \"{}\" }}", self.ssh_config().display())
            }
        };
        let max_age = match config.max_age.as_str() {
            "" => String::new(),
            age => format!(", max-age = \"{age}\""),
        };
        let mut text = format!(
            "# Made by `cargo xtask lab`; see xtask/src/lab/config.\n[cluster]\nname = \"lab\"\n\
             access = {access}\n\n[journal]\npath = \"{journal}\"\n\n"
        );
        for node in hosts(Role::Node) {
            text += &format!("[[node]]\nname = \"{}\"\naddress = \"{}\"\n\n", node.name, node.address);
        }
        text += &format!(
            r#"[[service]]
name = "app"
unit = "app.service"
clone = {{ resource = "app_service", monitor-interval = "30s", clone-max = 3, clone-node-max = 1 }}
min-ready = {min_ready}
ready = {{ protocol = "http", port = {APP_PORT}, path = "/ready", status = 200, timeout = "2s", interval = "{probe}", unhealthy = 2, healthy = 3 }}
connections = {{ settle = "{settle}", deadline = "{deadline}", on-deadline = "{on_deadline}"{max_age} }}
{service_extra}
{entrypoint}{route_extra}
{extra}"#,
            min_ready = config.min_ready,
            probe = config.probe_interval,
            settle = config.settle,
            deadline = config.deadline,
            on_deadline = config.on_deadline,
            service_extra = config.service_extra,
            entrypoint = self.entrypoint(config)?,
            route_extra = config.route_extra,
            extra = config.extra,
        );
        Ok(text)
    }

    /// Where clients come in when nothing else is said.
    pub fn usual_entrance() -> Result<Entrance> {
        Ok(Entrance::of(find("lb-1")?.address, 80))
    }

    /// The `[[entrypoint]]` table with its routes.
    fn entrypoint(&self, config: &TidegateConfig) -> Result<String> {
        let ramp = format!("ramp = {:?}\ndwell = \"{}\"\n", config.ramp, config.dwell);
        let (entrance, routes) = match &config.entrance {
            None => (Self::usual_entrance()?, vec![RouteText::Haproxy(Proxy::Haproxy)]),
            Some((entrance, routes)) => (entrance.clone(), routes.clone()),
        };
        let mut text = entrance.text();
        for route in routes {
            text += &format!("\n{}", route.text(self, &ramp)?);
        }
        Ok(text)
    }
}
