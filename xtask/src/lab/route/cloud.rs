//! A cloud balancer on the load balancers: connections by weight, and an HTTP API that says who gets them.
//!
//! It stands for whatever has no provider of its own and is driven by a program (`via = "exec"`); the program is
//! `config/exec/cloud-balancer.py`, which runs where Tidegate does.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::lab::Lab;
use crate::lab::duty::{Duty, File};
use crate::lab::layout::{APP_PORT, Host, Role, hosts};

/// Where it listens on both load balancers.
pub const CLOUD_PORT: u16 = 83;
/// Its API.
pub const CLOUD_API_PORT: u16 = 8000;

/// Its log, a line for each change.
pub(crate) const LOG: &str = "var/log/cloud/cloud.log";

/// The balancer on one machine.
pub(crate) fn duty(host: &Host, runs: bool) -> Duty {
    let targets: String =
        hosts(Role::Node).map(|node| format!(" --target {}={}:{APP_PORT}=100", node.name, node.address)).collect();
    let unit = format!(
        "[Unit]\nDescription=A balancer with an HTTP API\n\n[Service]\n\
         ExecStart=/usr/bin/python3 -S -E /usr/local/lib/lab/cloud.py --listen 0.0.0.0:{CLOUD_PORT} \
         --api {}:{CLOUD_API_PORT}{targets}\nStandardOutput=append:/{LOG}\nLimitNOFILE=16384\n",
        host.address
    );
    Duty {
        unit: "cloud.service",
        runs,
        files: vec![
            File::new("etc/systemd/system/cloud.service", unit),
            File::new("usr/local/lib/lab/cloud.py", include_str!("../../../files/cloud.py")),
        ],
        logs: vec![(LOG, "root")],
        memory: "",
    }
}

/// The program that drives it, from this repository.
pub(crate) fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/exec/cloud-balancer.py")
}

impl Lab {
    /// What the balancer's API says of its pool.
    pub fn cloud_pool(&self, balancer: &str) -> Result<serde_json::Value> {
        let url = format!("http://{}:{CLOUD_API_PORT}/pool", self.address(balancer)?);
        Ok(serde_json::from_str(&self.shell(balancer, &format!("curl -sf --max-time 5 {url}"))?)?)
    }
}
