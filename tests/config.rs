//! The configuration as its users meet it: what is accepted, what is refused, and how that reads.

#[path = "config/examples.rs"]
mod examples;
#[path = "config/files.rs"]
mod files;
#[path = "config/keys.rs"]
mod keys;
#[path = "config/merging.rs"]
mod merging;
#[path = "config/never_panics.rs"]
mod never_panics;
#[path = "config/reports.rs"]
mod reports;

use tidegate::config::{self, Report, Settings};

/// A file of this repository.
fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Loads fragments named main.toml, 1.toml, 2.toml, …
fn load(fragments: &[&str]) -> Result<Settings, Report> {
    let name = |n| if n == 0 { "main.toml".to_owned() } else { format!("{n}.toml") };
    config::load_fragments(fragments.iter().enumerate().map(|(n, text)| (name(n), (*text).to_owned())).collect())
}

/// The smallest configuration that drives something.
const SMALL: &str = r#"
[cluster]
name = "lab"

[[service]]
name = "app"
unit = "app.service"
min-ready = 1
ready = { port = 8080 }

[[entrypoint]]
name = "web"
service = "app"
address = "app.example.com"
protocol = "http"

[[entrypoint.route]]
via = "haproxy"
backend = "app"
instances = ["unix:/run/haproxy/admin.sock"]
"#;
