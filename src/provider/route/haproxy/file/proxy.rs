//! One `frontend`, `backend` or `listen` section, with what it takes over from its `defaults`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use super::{
    server::{Server, span},
    told_by,
};
use crate::model::{
    BalancerView,
    balancer::{BackTls, Check, Identity, Layer, Pace, Sticky},
};

/// What passes an HTTP check to which nothing else is said.
const USUAL: RangeInclusive<u16> = 200..=399;

/// Options that say of what kind a check is.
const CHECKS: [&str; 10] = [
    "httpchk",
    "tcp-check",
    "ssl-hello-chk",
    "mysql-check",
    "pgsql-check",
    "redis-check",
    "smtpchk",
    "ldap-check",
    "spop-check",
    "external-check",
];

/// A section.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxy {
    pub kind: String,
    pub name: String,
    /// The words behind each `bind`.
    pub binds: Vec<Vec<String>>,
    mode: Option<String>,
    options: BTreeMap<String, Vec<String>>,
    timeouts: BTreeMap<String, Option<Duration>>,
    balance: Vec<String>,
    consistent: bool,
    cookie: bool,
    stick: Vec<String>,
    check_lines: Vec<Vec<String>>,
    tcp_check_lines: usize,
    set_headers: Vec<String>,
    default_server: Vec<String>,
    servers: Vec<Server>,
    leads: Vec<String>,
}

impl Proxy {
    /// A section that begins, with what the latest `defaults` (or those that it names) say.
    pub fn begin(line: &[String], defaults: &[Self]) -> Result<Self, String> {
        let kind = line[0].clone();
        let named = line.iter().position(|w| w == "from").and_then(|at| line.get(at + 1));
        let from = match named {
            Some(name) => Some(defaults.iter().find(|d| d.name == *name).ok_or_else(|| format!("no defaults {name}"))?),
            None if kind == "defaults" => None,
            None => defaults.last(),
        };
        let name = line.get(1).filter(|w| *w != "from").cloned().unwrap_or_default();
        Ok(Self { kind, name, ..from.cloned().unwrap_or_default() })
    }

    /// Takes in one line.
    pub fn line(&mut self, line: &[String]) {
        let word = |at: usize| line.get(at).map(String::as_str).unwrap_or_default();
        let rest = |from: usize| line.get(from..).unwrap_or_default().to_vec();
        match (word(0), word(1)) {
            ("mode", mode) => self.mode = Some(mode.to_owned()),
            ("bind", _) => self.binds.push(rest(1)),
            ("option", name) => {
                // Of checks the last one counts.
                if CHECKS.contains(&name) {
                    self.options.retain(|other, _| !CHECKS.contains(&other.as_str()));
                }
                self.options.insert(name.to_owned(), rest(2));
            }
            ("no", "option") => drop(self.options.remove(word(2))),
            ("timeout", name) => drop(self.timeouts.insert(name.to_owned(), span(word(2)))),
            ("balance", _) => self.balance = rest(1),
            ("hash-type", how) => self.consistent = how == "consistent",
            ("cookie", _) => self.cookie = true,
            ("stick", _) => self.stick.push(rest(1).join(" ")),
            ("http-check", _) => self.check_lines.push(rest(1)),
            ("tcp-check", "expect") => self.tcp_check_lines += 1,
            ("http-request" | "http-after-request", "set-header" | "add-header") => {
                self.set_headers.push(word(2).to_owned());
            }
            ("default-server", _) => self.default_server.extend(rest(1)),
            ("server" | "server-template", _) => {
                let own = rest(if word(0) == "server" { 3 } else { 4 });
                self.servers.push(Server::new(self.default_server.iter().chain(&own)));
            }
            ("default_backend" | "use_backend", name) => self.leads.push(name.to_owned()),
            _ => {}
        }
    }

    /// Whether clients of this section may come to that backend.
    pub fn leads_to(&self, back: &Self) -> bool {
        let is_back = self.kind == "listen" && self.name == back.name;
        is_back || self.kind != "backend" && (self.leads.contains(&back.name) || self.is_dynamic())
    }

    /// Whether where it leads is decided for each request by an expression.
    pub fn is_dynamic(&self) -> bool {
        self.leads.iter().any(|name| name.contains("%["))
    }

    /// The headers by which it tells who the client is.
    pub fn headers(&self) -> BTreeSet<Identity> {
        let mut told = BTreeSet::new();
        told.extend(self.set_headers.iter().filter_map(|h| told_by(h)));
        if self.mode.as_deref() == Some("http") {
            told.extend(self.options.contains_key("forwardfor").then_some(Identity::XForwardedFor));
            told.extend(self.options.contains_key("forwarded").then_some(Identity::Forwarded));
        }
        told
    }

    /// What it says of its servers.
    pub fn view(&self) -> Result<BalancerView, String> {
        let in_use = || self.servers.iter().filter(|s| !s.backup);
        if in_use().next().is_none() {
            return Err(format!("the file has no server in {}", self.name));
        }
        let mut tells = self.headers();
        tells.extend(in_use().all(|s| s.sends_proxy).then_some(Identity::ProxyProtocol));
        let check = self.check(in_use().find(|s| !s.checked).or(in_use().next()));
        let checked = !matches!(check, Check::None);
        let back_tls = if in_use().any(|s| !s.tls) {
            BackTls::Clear
        } else if in_use().all(|s| s.verified) {
            BackTls::Verified
        } else {
            BackTls::Unverified
        };
        let waits = ["client", "server"].map(|name| self.timeouts.get(name).copied().flatten());
        let quiet = self.timeouts.get("tunnel").copied().flatten();
        Ok(BalancerView {
            layer: Some(if self.mode.as_deref() == Some("http") { Layer::Requests } else { Layer::Connections }),
            check: Some(check),
            pace: checked.then(|| in_use().map(|s| self.pace(s)).max_by_key(Pace::longest)).flatten(),
            tells: Some(tells),
            back_tls: Some(back_tls),
            sticky: Some(self.sticky(in_use().any(|s| s.cookie))),
            quiet: quiet.or_else(|| waits.into_iter().flatten().min()),
            ..BalancerView::default()
        })
    }

    fn check(&self, server: Option<&Server>) -> Check {
        let Some(server) = server.filter(|s| s.checked) else { return Check::None };
        if let Some(words) = self.options.get("httpchk") {
            let uri = match words.as_slice() {
                [] => None,
                [uri] => Some(uri),
                [_, uri, ..] => Some(uri),
            };
            let sent = self.check_lines.iter().find_map(|l| after(l, "uri").filter(|_| l[0] == "send"));
            let port = self.check_lines.iter().find_map(|l| after(l, "port").filter(|_| l[0] == "connect"));
            return Check::Request {
                path: Some(sent.or(uri).cloned().unwrap_or_else(|| "/".to_owned())),
                port: port.and_then(|p| p.parse().ok()).or(server.check_port),
                passes: self.passes(),
            };
        }
        let other =
            ["mysql-check", "pgsql-check", "redis-check", "smtpchk", "ldap-check", "spop-check", "external-check"];
        match other.iter().find(|o| self.options.contains_key(**o)) {
            Some(other) => Check::Other((*other).to_owned()),
            None if self.options.contains_key("ssl-hello-chk") => Check::Handshake,
            None if self.options.contains_key("tcp-check") && self.tcp_check_lines > 0 => {
                Check::Other("tcp-check".into())
            }
            None if server.tls || server.check_tls => Check::Handshake,
            None => Check::Port,
        }
    }

    /// The statuses that pass; `None` where that hangs on something else than a status.
    fn passes(&self) -> Option<Vec<RangeInclusive<u16>>> {
        let expects: Vec<&Vec<String>> = self.check_lines.iter().filter(|l| l[0] == "expect").collect();
        match expects.as_slice() {
            [] => Some(vec![USUAL]),
            [one] => {
                let codes = after(one, "status").filter(|_| !one.iter().any(|w| w == "!"))?;
                codes.split(',').map(|part| range(part.trim())).collect()
            }
            _ => None,
        }
    }

    fn pace(&self, server: &Server) -> Pace {
        let interval = server.inter.unwrap_or(Duration::from_secs(2));
        Pace {
            interval,
            after_failure: server.fast.unwrap_or(interval),
            failures: server.fall.unwrap_or(3),
            // Without `timeout check` a whole check has until the next one.
            timeout: self.timeouts.get("check").copied().flatten().unwrap_or(interval),
        }
    }

    fn sticky(&self, cookies: bool) -> Sticky {
        let algorithm = self.balance.first().map(String::as_str).unwrap_or_default();
        let by_table = |what: &str| self.stick.iter().any(|line| line.contains(what));
        if self.cookie && cookies || by_table("cook(") {
            Sticky::Cookie
        } else if by_table("src") || algorithm == "source" && !self.consistent {
            Sticky::SourceIp
        } else if self.consistent
            && !matches!(algorithm, "" | "roundrobin" | "static-rr" | "leastconn" | "random" | "first")
        {
            Sticky::ConsistentHash
        } else {
            Sticky::No
        }
    }
}

/// The word behind another.
fn after<'a>(line: &'a [String], word: &str) -> Option<&'a String> {
    line.iter().position(|w| w == word).and_then(|at| line.get(at + 1))
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some(from.parse().ok()?..=to.parse().ok()?)
}
