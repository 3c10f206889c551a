//! `nginx -T`, as far as the review needs it: the `upstream` that includes the route's file, and every `location` (or
//! stream `server`) that leads there. Pure.
//!
//! The files come one after the other, each behind a line that names it; an `include` stays in the text where it was.
//! So a block's surroundings are known only within its file: what a `server` block in a file of its own inherits from
//! `http` is taken from whichever file has an `http` block.

use std::{collections::BTreeSet, time::Duration};

use self::blocks::{Directive, parse};
use crate::model::{
    BalancerView,
    balancer::{BackTls, Check, Identity, Layer, Sticky},
};

mod blocks;
#[cfg(test)]
mod tests;

const HEADER: &str = "# configuration file ";

/// What the configuration says of the way to the servers in `include`.
pub(super) fn read(text: &str, include: &str) -> Result<BalancerView, String> {
    let files = files(text);
    let own = files.iter().find(|(name, _)| name == include).map(|(_, text)| text.as_str());
    let own = own.ok_or_else(|| format!("nginx -T shows no file {include}"))?;
    let whole: Vec<Directive> =
        files.iter().filter(|(n, _)| n != include).map(|(_, t)| parse(t)).collect::<Result<Vec<_>, _>>()?.concat();
    let upstream = find_all(&whole, &|d| d.name == "upstream" && d.block.iter().any(|i| includes(i, include)));
    let [upstream] = upstream.as_slice() else {
        return Err(format!("{} upstreams include {include}", upstream.len()));
    };
    let name = upstream.directive.args.first().cloned().unwrap_or_default();
    let leads = find_all(&whole, &|d| d.target().is_some_and(|t| t.upstream == name));
    if leads.is_empty() {
        return Err(format!("nothing in nginx -T leads to the upstream {name}"));
    }
    let http = whole.iter().find(|d| d.name == "http");
    let all: Vec<Way<'_>> = leads.iter().map(|found| Way::of(found, http)).collect();
    let servers = parse(own)?;
    let tells = all.iter().map(Way::tells).reduce(|a, b| a.intersection(&b).copied().collect()).unwrap_or_default();
    let listens = || all.iter().flat_map(Way::listens);
    Ok(BalancerView {
        layer: Some(if all.iter().all(|w| w.http) { Layer::Requests } else { Layer::Connections }),
        check: Some(check(&servers, &all)),
        pace: None,
        tells: Some(tells),
        accepts_proxy: Some(listens().any(|l| l.iter().any(|w| w == "proxy_protocol"))),
        front_tls: Some(listens().any(|l| l.iter().any(|w| matches!(w.as_str(), "ssl" | "quic")))),
        back_tls: Some(all.iter().map(Way::back_tls).min_by_key(|t| *t as u8).unwrap_or(BackTls::Clear)),
        sticky: Some(sticky(upstream.directive)),
        quiet: all.iter().map(Way::quiet).max(),
        lacks: "NGINX has no checks of its own, and so no pace".to_owned(),
    })
}

/// Names and texts of the files.
fn files(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix(HEADER).and_then(|rest| rest.strip_suffix(':')) {
            Some(name) => files.push((name.to_owned(), String::new())),
            None => {
                if let Some((_, text)) = files.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    files
}

/// Whether this is an `include` of that file; a relative one is below NGINX's own folder.
fn includes(directive: &Directive, path: &str) -> bool {
    let Some(named) = directive.args.first().filter(|_| directive.name == "include") else { return false };
    let folder = |p: &str| p.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
    let same = |p: &str| path == p || !p.starts_with('/') && path.ends_with(&format!("/{p}"));
    // `conf.d/*.conf` and its like: the whole folder.
    same(named)
        || named.contains('*') && {
            let (of_named, of_path) = (folder(named), folder(path));
            of_path == of_named || !of_named.starts_with('/') && of_path.ends_with(&format!("/{of_named}"))
        }
}

/// A directive with the blocks around it, the outermost first.
struct Found<'a> {
    directive: &'a Directive,
    around: Vec<&'a Directive>,
}

fn find_all<'a>(tree: &'a [Directive], wanted: &dyn Fn(&Directive) -> bool) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for directive in tree {
        if wanted(directive) {
            found.push(Found { directive, around: Vec::new() });
        }
        found.extend(find_all(&directive.block, wanted).into_iter().map(|mut inner| {
            inner.around.insert(0, directive);
            inner
        }));
    }
    found
}

/// One way from listeners to the upstream.
struct Way<'a> {
    pass: &'a Directive,
    /// The blocks that it takes settings from, the innermost first.
    levels: Vec<&'a Directive>,
    http: bool,
}

impl<'a> Way<'a> {
    fn of(found: &Found<'a>, http: Option<&'a Directive>) -> Self {
        let mut levels: Vec<&Directive> = found.around.iter().rev().copied().collect();
        let is_http = found.directive.target().is_some_and(|t| t.http);
        let whole = levels.iter().any(|l| matches!(l.name.as_str(), "http" | "stream"));
        levels.extend(http.filter(|_| is_http && !whole));
        Self { pass: found.directive, levels, http: is_http }
    }

    /// A setting of the innermost level that has one of that name.
    fn setting(&self, name: &str) -> Vec<&'a [String]> {
        let of = |level: &&'a Directive| level.block.iter().filter(|d| d.name == name).map(|d| &d.args[..]).collect();
        self.levels.iter().map(of).find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default()
    }

    fn is_on(&self, name: &str) -> bool {
        self.setting(name).iter().any(|args| args.first().is_some_and(|a| a == "on"))
    }

    fn tells(&self) -> BTreeSet<Identity> {
        let headers = self.setting(if self.pass.name == "grpc_pass" { "grpc_set_header" } else { "proxy_set_header" });
        let names = headers.iter().filter(|_| self.http).filter_map(|args| match args {
            [_, value] if value.is_empty() => None,
            [name, ..] => Some(name.to_ascii_lowercase()),
            [] => None,
        });
        let told = names.filter_map(|name| match name.as_str() {
            "x-forwarded-for" => Some(Identity::XForwardedFor),
            "forwarded" => Some(Identity::Forwarded),
            _ => None,
        });
        let proxy = (!self.http && self.is_on("proxy_protocol")).then_some(Identity::ProxyProtocol);
        told.chain(proxy).collect()
    }

    fn listens(&self) -> Vec<&'a [String]> {
        self.setting("listen")
    }

    fn back_tls(&self) -> BackTls {
        let tls = self.pass.target().is_some_and(|t| t.tls) || self.is_on("proxy_ssl");
        match (tls, self.is_on("proxy_ssl_verify") || self.is_on("grpc_ssl_verify")) {
            (false, _) => BackTls::Clear,
            (true, false) => BackTls::Unverified,
            (true, true) => BackTls::Verified,
        }
    }

    /// NGINX's own default is a minute between two readings, ten in a stream.
    fn quiet(&self) -> Duration {
        let (name, usual) = match (self.http, self.pass.name.as_str()) {
            (true, "grpc_pass") => ("grpc_read_timeout", 60),
            (true, _) => ("proxy_read_timeout", 60),
            (false, _) => ("proxy_timeout", 600),
        };
        let said = self.setting(name).first().and_then(|args| blocks::span(args.first()?));
        said.unwrap_or(Duration::from_secs(usual))
    }
}

/// NGINX as it is free to have judges servers by what happens to clients; builds with checks have a directive for them.
fn check(servers: &[Directive], ways: &[Way<'_>]) -> Check {
    if ways.iter().any(|w| w.levels.iter().any(|l| l.block.iter().any(|d| d.name == "health_check"))) {
        return Check::Other("health_check".to_owned());
    }
    let blind = |d: &&Directive| d.name == "server" && d.args.iter().any(|a| a == "max_fails=0");
    if servers.iter().any(|d| blind(&d)) { Check::None } else { Check::Passive }
}

fn sticky(upstream: &Directive) -> Sticky {
    let of = |name: &str| upstream.block.iter().find(|d| d.name == name);
    match (of("sticky"), of("ip_hash"), of("hash")) {
        (Some(_), ..) => Sticky::Cookie,
        (None, Some(_), _) => Sticky::SourceIp,
        (None, None, Some(hash)) if hash.args.iter().any(|a| a == "consistent") => Sticky::ConsistentHash,
        (None, None, Some(hash)) if hash.args.iter().any(|a| a.contains("remote_addr")) => Sticky::SourceIp,
        _ => Sticky::No,
    }
}
