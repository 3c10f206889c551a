//! HAProxy and blackbox_exporter, configured to do the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{TARGETS, server::FIRST};

/// Where blackbox_exporter is asked.
pub(super) const BLACKBOX: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9115);

/// One thread, no traffic of its own, and 2,000 servers that are checked once a second.
pub(super) fn haproxy(scratch: &Path, port: u16) -> Result<Command> {
    let mut config = String::from(
        "global\n    nbthread 1\n    maxconn 100\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout client 2s\n    timeout server 2s\n    timeout check 2s\n\
         frontend none\n    bind 127.0.0.1:9080\n    default_backend targets\n\
         backend targets\n    option httpchk\n    http-check send meth GET uri /ready ver HTTP/1.1 hdr Host bench\n    \
         http-check expect status 200\n    default-server inter 1s fall 2 rise 3\n",
    );
    for n in 0..TARGETS {
        let address = Ipv4Addr::from_bits(FIRST.to_bits() + n);
        writeln!(config, "    server s{n} {address}:{port} check")?;
    }
    let path = scratch.join("haproxy.cfg");
    fs::write(&path, config).context("could not write HAProxy's configuration")?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(path);
    Ok(command)
}

/// One module that wants a 200 over HTTP.
pub(super) fn blackbox(scratch: &Path) -> Result<Command> {
    let config = "modules:\n  ready:\n    prober: http\n    timeout: 2s\n    http:\n      preferred_ip_protocol: ip4\n      \
                  follow_redirects: false\n      valid_status_codes: [200]\n";
    let path = scratch.join("blackbox.yml");
    fs::write(&path, config).context("could not write blackbox_exporter's configuration")?;
    let (ip, port) = BLACKBOX;
    let mut command = Command::new("prometheus-blackbox-exporter");
    command.arg(format!("--config.file={}", path.display())).arg(format!("--web.listen-address={ip}:{port}"));
    command.arg("--log.level=error");
    Ok(command)
}

/// What was measured.
pub(super) fn versions(tidegate: &Path) -> Result<BTreeMap<String, String>> {
    let first = |command: &mut Command| -> Result<String> {
        let output = command.output().with_context(|| format!("could not run {command:?}"))?;
        // blackbox_exporter tells its version on stderr.
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
    };
    Ok(BTreeMap::from([
        ("tidegate".into(), first(Command::new(tidegate).arg("--version"))?),
        ("haproxy".into(), first(Command::new("haproxy").arg("-v"))?),
        ("blackbox".into(), first(Command::new("prometheus-blackbox-exporter").arg("--version"))?),
    ]))
}
