//! The program as scripts and people meet it, and a place in which nothing that it is told of answers.
#![allow(dead_code, reason = "each target of tests takes what it needs")]

use std::{fs, path::PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What it said, and how it ended.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// The last line of stdout.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{e} in {last:?}; stderr: {}", self.stderr))
    }
}

/// Runs it as nobody in particular, with nothing on its standard input.
pub fn run(arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).env_remove("TIDEGATE_CONFIG").env_remove("STATE_DIRECTORY").write_stdin("");
    let output = command.output().expect("the program runs");
    Said {
        code: output.status.code().expect("no signal"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A folder with a configuration whose load balancer and cluster do not answer.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        let text = CONFIG
            .replace("JOURNAL", &place.at("journal.db").display().to_string())
            .replace("SOCKET", &place.at("no.sock").display().to_string());
        fs::write(place.at("tidegate.toml"), text).expect("written");
        place
    }

    /// A path in the folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        let config = self.at("tidegate.toml").display().to_string();
        run(&[&["--config", &config], arguments].concat())
    }
}

const CONFIG: &str = r#"
[cluster]
name = "nowhere"
access = "local"
members = ["tg-test-1", "tg-test-2", "tg-test-3"]

[journal]
path = "JOURNAL"

[[service]]
name = "app"
unit = "app.service"
clone = { resource = "app_service", monitor-interval = "30s" }
min-ready = 1
ready = { protocol = "http", port = 9, path = "/ready", timeout = "200ms" }
connections = { settle = "1s", deadline = "1m", on-deadline = "hold" }

[[entrypoint]]
name = "web"
service = "app"
address = "app.example.com"
protocol = "http"

[[entrypoint.route]]
via = "haproxy"
backend = "app"
server = "{node}"
instances = ["unix:SOCKET"]
"#;
