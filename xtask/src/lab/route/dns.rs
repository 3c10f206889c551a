//! The zone `lab.example`: BIND as primary on `dns-1` and as secondary on `dns-2`.
//!
//! Updates need a key; the secondary follows by NOTIFY and incremental transfers. TTLs are short, so that a test sees
//! clients move within seconds. Answers keep the order of the server's own data: an exact restore shows.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::lab::Lab;
use crate::lab::duty::{Duty, File, lines};
use crate::lab::layout::{APP_PORT, Host, Layout, Role, find, hosts};
use crate::lab::shell::{self, Answer, tool, write};

use super::edge::EDGES;

/// The zone.
pub const ZONE: &str = "lab.example";
/// TTL of the names that clients connect to, in seconds.
pub const TTL: u32 = 2;

/// The key of Tidegate, and that of another hand on the same zone.
const KEYS: [&str; 2] = ["tidegate", "operator"];

/// Makes the keys of the zone, as BIND's own tool writes them: `tsig.key`, `operator.key` in the lab's folder.
pub(crate) fn make_keys(layout: &Layout) -> Result<()> {
    for name in KEYS {
        let secret = shell::text(&mut tool("sh", &["-euc", "head -c 32 /dev/urandom | base64"]))?;
        let text = format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n");
        write(&key_file(layout, name), 0o600, &text)?;
    }
    Ok(())
}

fn key_file(layout: &Layout, name: &str) -> PathBuf {
    layout.file(if name == "tidegate" { "tsig.key" } else { "operator.key" })
}

/// BIND on a name server.
pub(crate) fn duty(layout: &Layout, host: &Host) -> Result<Duty> {
    let mut keys = String::new();
    for name in KEYS {
        let path = key_file(layout, name);
        keys += &std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    }
    let keys = File { mode: 0o600, ..File::new("etc/bind/lab.keys", keys).owned("bind") };
    let primary = find("dns-1")?;
    let (role, mut files) = if host.name == primary.name {
        (primary_role(find("dns-2")?), vec![File::new("var/lib/bind/lab.example.zone", zone()).owned("bind")])
    } else {
        (secondary_role(primary), vec![])
    };
    files.extend([keys, File::new("etc/bind/named.conf", configuration(host, &role))]);
    Ok(Duty {
        unit: "named.service",
        runs: true,
        files,
        logs: vec![("var/log/named/named.log", "bind")],
        memory: "/var/lib/bind/lab.example.zone* /var/cache/bind/lab.example.zone*",
    })
}

fn primary_role(secondary: &Host) -> String {
    format!(
        "type primary;
    file \"/var/lib/bind/lab.example.zone\";
    update-policy {{ grant tidegate zonesub ANY; grant operator zonesub ANY; }};
    allow-transfer {{ localhost; {}; key tidegate; key operator; }};",
        secondary.address
    )
}

fn secondary_role(primary: &Host) -> String {
    format!(
        "type secondary;
    primaries {{ {}; }};
    file \"/var/cache/bind/lab.example.zone\";
    masterfile-format text;
    allow-transfer {{ localhost; key tidegate; key operator; }};",
        primary.address
    )
}

/// `named.conf`: what both have in common, and the zone.
fn configuration(host: &Host, role: &str) -> String {
    format!(
        r#"// Made by `cargo xtask lab`; see xtask/src/lab/route/dns.rs.
include "/etc/bind/lab.keys";

options {{
    directory "/var/cache/bind";
    listen-on {{ {address}; 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    empty-zones-enable no;
    notify-delay 0;
    rrset-order {{ order none; }};
}};

{LOGGING}
zone "{ZONE}" {{
    {role}
}};
"#,
        address = host.address,
    )
}

/// Everything into one file, to the millisecond: queries, updates, transfers.
pub(crate) const LOGGING: &str = r#"logging {
    channel file {
        file "/var/log/named/named.log";
        severity info;
        print-time iso8601-utc;
        print-category yes;
        print-severity yes;
    };
    category default { file; };
    category queries { file; };
    category update { file; };
    category update-security { file; };
    category notify { file; };
    category xfer-in { file; };
    category xfer-out { file; };
};
"#;

/// What the zone holds at first. `app` leads to the nodes, `web` to the load balancers, `edge` to the load balancers
/// on the nodes; the others have the same nodes in records of other types.
fn zone() -> String {
    let a = |name: &'static str, role: Role| lines(hosts(role), move |host| format!("{name} {TTL} A {}", host.address));
    let own =
        lines(hosts(Role::Node).chain(hosts(Role::Balancer)), |host| format!("{} 300 A {}", host.name, host.address));
    let edge = lines(hosts(Role::Node).filter(|host| EDGES.contains(&host.name)), |host| {
        format!("edge {TTL} A {}", host.address)
    });
    let nodes = || hosts(Role::Node);
    let aaaa = lines(nodes(), |node| format!("app-v6 {TTL} AAAA fd77::{}", node.address.octets()[3]));
    let srv = lines(nodes(), |node| format!("_app._tcp {TTL} SRV 10 100 {APP_PORT} {}.{ZONE}.", node.name));
    let https = lines(nodes(), |node| format!("app-https {TTL} HTTPS 1 {}.{ZONE}. alpn=h2 port={APP_PORT}", node.name));
    let (app, web) = (a("app", Role::Node), a("web", Role::Balancer));
    format!(
        "$ORIGIN {ZONE}.\n$TTL 300\n\
         @ SOA ns1 hostmaster 1 60 5 3600 {TTL}\n@ NS ns1\n@ NS ns2\nns1 A 10.77.0.31\nns2 A 10.77.0.32\n\
         {own}{app}{web}{edge}{aaaa}{srv}{https}"
    )
}

impl Lab {
    /// The key with which Tidegate updates the zone, in BIND's format; readable by root only.
    pub fn tsig_key(&self) -> PathBuf {
        key_file(&self.layout, "tidegate")
    }

    /// Changes the zone as another hand would, with a key of its own: commands of `nsupdate` (`update add …`).
    pub fn nsupdate(&self, commands: &str) -> Result<()> {
        let key = std::fs::read_to_string(key_file(&self.layout, "operator")).context("could not read the key")?;
        let secret = key.split('"').nth(3).context("the key has no secret")?;
        let script = format!("server 127.0.0.1\nzone {ZONE}\nkey hmac-sha256:operator {secret}\n{commands}\nsend\n");
        shell::feed(&mut self.command_in("dns-1", "nsupdate")?, &script).map(drop)
    }

    /// What a name server answers for a name of the zone, one record a line, with TTLs and in its order.
    pub fn dig(&self, server: &str, name: &str, kind: &str) -> Result<Vec<String>> {
        let asked = format!("dig @127.0.0.1 +norecurse +noall +answer +tries=1 +time=2 {name}.{ZONE} {kind}");
        let text = self.shell(server, &asked)?;
        let complaint = text.lines().find(|line| line.starts_with(";;"));
        match complaint {
            Some(line) => bail!("{server}: {line}"),
            None => Ok(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()),
        }
    }

    /// The zone's serial as a name server has it.
    pub fn serial(&self, server: &str) -> Result<u32> {
        let soa = self.shell(server, &format!("dig @127.0.0.1 +norecurse +short +tries=1 +time=2 {ZONE} SOA"))?;
        soa.split(' ').nth(2).and_then(|serial| serial.parse().ok()).with_context(|| format!("{server} has no {ZONE}"))
    }

    /// Makes the secondary stop following: it answers as before, from what it has, and hears the primary no more.
    pub fn stop_following(&self) -> Result<()> {
        self.block("dns-2", "dns-1")
    }

    /// Lets it follow again, at once.
    pub fn follow(&self) -> Result<()> {
        self.unblock("dns-2", "dns-1")?;
        self.shell("dns-2", &format!("rndc refresh {ZONE}")).map(drop)
    }

    /// Whether both name servers have the zone, in the same state.
    pub(crate) fn zone_served(&self) -> Result<Answer> {
        let (primary, secondary) = (self.serial("dns-1")?, self.serial("dns-2")?);
        Ok(if primary == secondary {
            Answer::Yes
        } else {
            Answer::NotYet(format!("dns-1 has serial {primary}, dns-2 has {secondary}"))
        })
    }
}
