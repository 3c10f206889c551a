//! A look at HAProxy through its own socket, for waiting and for `lab status`.

use anyhow::{Context, Result};
use serde::Serialize;

use super::Lab;
use super::layout::{Role, hosts};
use super::shell::Answer;

/// A server of a backend, as one load balancer sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// The backend.
    pub backend: String,
    /// The server.
    pub name: String,
    /// `UP`, `DOWN`, `DRAIN`, `MAINT`…
    pub status: String,
    /// How the last check ended (`L7OK`), or nothing yet.
    pub check: String,
    /// Its weight.
    pub weight: String,
    /// Sessions on it now.
    pub sessions: String,
    /// Sessions since the process began.
    pub total: String,
}

impl Lab {
    /// Sends a command line to a load balancer's runtime API and hands back the answer.
    pub fn haproxy(&self, balancer: &str, line: &str) -> Result<String> {
        // One round trip, no program but socat inside.
        let script = "printf '%s\\n' \"$1\" | socat -t 10 - UNIX-CONNECT:/run/haproxy/admin.sock";
        let output = self.exec(balancer, &["sh", "-c", script, "sh", line])?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether both load balancers see every server up, by a check of their own.
    pub(crate) fn balancers_up(&self) -> Result<Answer> {
        let names: Vec<&str> = hosts(Role::Balancer).map(|host| host.name).collect();
        self.all_up(&names)
    }

    /// Whether HAProxy on these hosts sees every server up, by a check of its own.
    pub(crate) fn all_up(&self, balancers: &[&str]) -> Result<Answer> {
        for balancer in balancers {
            let servers = self.servers(balancer)?;
            let up = |server: &Server| server.status == "UP" && server.check == "L7OK";
            let down = servers.iter().find(|server| !up(server));
            if let Some(Server { backend, name, status, check, .. }) = down {
                return Ok(Answer::NotYet(format!("{balancer} has {backend}/{name} {status} ({check})")));
            }
        }
        Ok(Answer::Yes)
    }

    /// The servers that a load balancer knows.
    pub fn servers(&self, balancer: &str) -> Result<Vec<Server>> {
        let text = self.haproxy(balancer, "show stat -1 4 -1")?;
        let mut lines = text.lines();
        let head = lines.next().context("HAProxy told nothing about its servers")?;
        let names: Vec<&str> = head.trim_start_matches("# ").split(',').collect();
        let column = |name: &str| names.iter().position(|other| *other == name);
        Ok(lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                let field = |name| {
                    let value = column(name).and_then(|at| fields.get(at)).copied().unwrap_or_default();
                    value.trim_start_matches("* ").to_owned()
                };
                Server {
                    backend: field("pxname"),
                    name: field("svname"),
                    status: field("status"),
                    check: field("check_status"),
                    weight: field("weight"),
                    sessions: field("scur"),
                    total: field("stot"),
                }
            })
            .collect())
    }
}
