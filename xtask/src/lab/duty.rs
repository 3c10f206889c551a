//! What a machine does in a lab with routes, beside what it does in any lab: a program, its files, its logs.
//!
//! Said once, used twice: laid into the machine's own files before it boots, and again by a reset, so that both end in the
//! same state.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::{Context, Result};

use super::layout::{Host, Layout, Role};
use super::route::{Proxy, announcer, cloud, dns, edge, envoy, nginx, router};
use super::shell::write;
use super::{Lab, Options, shell};

/// A program of a machine.
#[derive(Debug)]
pub(crate) struct Duty {
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Whether it is to run.
    pub(crate) runs: bool,
    /// Files that it starts from.
    pub(crate) files: Vec<File>,
    /// Files that it writes to, empty at the start, each with its owner.
    pub(crate) logs: Vec<(&'static str, &'static str)>,
    /// What it remembers from one start to the next, as the shell's patterns; gone after a reset.
    pub(crate) memory: &'static str,
}

/// A file with its place (from `/`, without it), permissions and owner.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    pub(crate) owner: &'static str,
    pub(crate) content: String,
}

impl File {
    /// A file of root's that everybody may read.
    pub(crate) fn new(path: &'static str, content: impl Into<String>) -> Self {
        Self { path, mode: 0o644, owner: "root", content: content.into() }
    }

    /// The same, owned and written by this user.
    pub(crate) fn owned(self, owner: &'static str) -> Self {
        Self { owner, ..self }
    }
}

/// What this host does; nothing in a lab without routes.
pub(crate) fn duties(layout: &Layout, host: &Host, options: &Options) -> Result<Vec<Duty>> {
    if !options.routes {
        return Ok(Vec::new());
    }
    let runs = |proxy: Proxy| options.proxies.contains(&proxy);
    Ok(match host.role {
        Role::Node => {
            announcer::duties(host, options.announcer).into_iter().chain(edge::duty(host, runs(Proxy::Edge))).collect()
        }
        Role::Balancer => vec![
            nginx::duty(&options.nginx, runs(Proxy::Nginx)),
            envoy::duty(host, &options.envoy, runs(Proxy::Envoy)),
            cloud::duty(host, runs(Proxy::Cloud)),
        ],
        Role::NameServer => vec![dns::duty(layout, host)?],
        Role::Router => router::duties(host),
        Role::Namespace => Vec::new(),
    })
}

/// Lays a duty's files into a machine that has not booted yet.
pub(crate) fn seed(duty: &Duty, rootfs: &Path, upper: &Path) -> Result<()> {
    for file in &duty.files {
        let path = upper.join(file.path);
        write(&path, file.mode, &file.content)?;
        give_to(rootfs, file.owner, &path)?;
    }
    for (log, owner) in &duty.logs {
        let path = upper.join(log);
        write(&path, 0o644, "")?;
        give_to(rootfs, owner, &path)?;
    }
    Ok(())
}

/// Makes a file that of a user whom only the root file system knows.
pub(crate) fn give_to(rootfs: &Path, user: &str, path: &Path) -> Result<()> {
    let passwd = fs::read_to_string(rootfs.join("etc/passwd")).context("could not read the machines' users")?;
    let ids = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then_some(())?;
        let mut ids = fields.skip(1);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    });
    let (uid, gid) = ids.with_context(|| format!("the root file system has no user {user}: is its package in it?"))?;
    chown(path, Some(uid), Some(gid)).with_context(|| format!("could not give away {}", path.display()))
}

impl Lab {
    /// Starts everything anew that a machine does for the routes, from the files that it had at first.
    pub(crate) fn fresh_duties(&self, host: &Host) -> Result<()> {
        let duties = duties(&self.layout, host, &self.options)?;
        if duties.is_empty() {
            return Ok(());
        }
        let mut command = self.command_in(host.name, "sh")?;
        command.args(["-eu", "-s"]);
        shell::feed(&mut command, &afresh(&duties)).map(drop)
    }
}

/// The shell script of it. What the program wrote when it stopped is gone before its files are laid down.
fn afresh(duties: &[Duty]) -> String {
    let mut script = String::new();
    let units = |wanted: bool| -> String {
        duties.iter().filter(|duty| duty.runs || !wanted).map(|duty| format!(" {}", duty.unit)).collect()
    };
    let mut line = |text: String| {
        script.push_str(&text);
        script.push('\n');
    };
    line(format!("systemctl stop{}", units(false)));
    for duty in duties {
        if !duty.memory.is_empty() {
            line(format!("rm -rf {}", duty.memory));
        }
        for (log, owner) in &duty.logs {
            line(format!("mkdir -p \"$(dirname /{log})\"; : > /{log}; chown {owner}: /{log}"));
        }
        for file in &duty.files {
            let File { path, mode, owner, content } = file;
            line(format!("mkdir -p \"$(dirname /{path})\"; cat > /{path} <<'END OF FILE'\n{content}END OF FILE"));
            line(format!("chown {owner}: /{path}; chmod {mode:o} /{path}"));
        }
    }
    // Each program was started often enough today to look like one that crashes.
    line("systemctl daemon-reload; systemctl reset-failed".to_owned());
    if duties.iter().any(|duty| duty.runs) {
        line(format!("systemctl start{}", units(true)));
    }
    script
}

/// The same line for every item, as configuration files have them.
pub(crate) fn lines<T>(items: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) -> String {
    items.into_iter().fold(String::new(), |mut text, item| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line(item));
        text
    })
}
