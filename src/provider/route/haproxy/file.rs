//! HAProxy's configuration file, as far as the review needs it. Pure.
//!
//! Read with tolerance: sections and keywords that mean nothing here are skipped. What decides and cannot be told from
//! the text alone is an error, never a guess: conditions (`.if`), a backend that this file does not have.
//!
//! What was read is what is written. Whether HAProxy has loaded it since nobody can tell; what the running process says
//! for itself (its mode, the kind of its checks) is believed before it.

use self::{proxy::Proxy, words::words};
use crate::model::{BalancerView, balancer::Identity};

mod proxy;
mod server;
#[cfg(test)]
mod tests;
mod words;

/// The proxies of a file: `frontend`, `backend` and `listen` sections, each with its defaults in it.
struct File {
    proxies: Vec<Proxy>,
}

/// What the file says of the way to `backend`.
pub(super) fn read(text: &str, backend: &str) -> Result<BalancerView, String> {
    let file = File::parse(text)?;
    let of_servers = |p: &&Proxy| p.name == backend && p.kind != "frontend";
    let back = file.proxies.iter().find(of_servers).ok_or_else(|| format!("the file has no backend {backend}"))?;
    let fronts: Vec<&Proxy> = file.proxies.iter().filter(|p| p.leads_to(back)).collect();
    let mut view = back.view()?;
    if fronts.iter().any(|p| p.is_dynamic()) || fronts.iter().all(|p| p.binds.is_empty()) {
        view.lacks = format!("the file does not tell which frontends lead to {backend}");
        return Ok(view);
    }
    let binds = || fronts.iter().flat_map(|p| &p.binds);
    view.front_tls = Some(binds().any(|bind| bind.iter().any(|w| w == "ssl")));
    view.accepts_proxy = Some(binds().any(|bind| bind.iter().any(|w| w == "accept-proxy")));
    // A header may be put in on the way in, by every frontend, or on the way out, by the backend.
    let mut tells = view.tells.take().unwrap_or_default();
    tells.extend(
        fronts.iter().map(|p| p.headers()).reduce(|a, b| a.intersection(&b).copied().collect()).unwrap_or_default(),
    );
    view.tells = Some(tells);
    Ok(view)
}

impl File {
    fn parse(text: &str) -> Result<Self, String> {
        let mut defaults: Vec<Proxy> = Vec::new();
        let mut proxies = Vec::new();
        let mut current: Option<Proxy> = None;
        let keep = |one: Option<Proxy>, defaults: &mut Vec<Proxy>, proxies: &mut Vec<Proxy>| match one {
            Some(one) if one.kind == "defaults" => defaults.push(one),
            Some(one) => proxies.push(one),
            None => {}
        };
        for line in text.lines() {
            let line = words(line);
            let Some(first) = line.first() else { continue };
            match first.as_str() {
                ".if" | ".elif" | ".else" => {
                    return Err("the file has conditions (.if), which only HAProxy decides".into());
                }
                "frontend" | "backend" | "listen" | "defaults" => {
                    keep(current.take(), &mut defaults, &mut proxies);
                    current = Some(Proxy::begin(&line, &defaults)?);
                }
                "global" | "peers" | "resolvers" | "userlist" | "cache" | "mailers" | "program" | "ring"
                | "http-errors" | "fcgi-app" | "log-forward" | "crt-store" | "traces" => {
                    keep(current.take(), &mut defaults, &mut proxies)
                }
                _ => {
                    if let Some(proxy) = &mut current {
                        proxy.line(&line);
                    }
                }
            }
        }
        keep(current, &mut defaults, &mut proxies);
        if proxies.is_empty() {
            return Err("the file has no frontend and no backend".into());
        }
        Ok(Self { proxies })
    }
}

/// What a header that is put into requests tells.
fn told_by(header: &str) -> Option<Identity> {
    match header.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Some(Identity::XForwardedFor),
        "forwarded" => Some(Identity::Forwarded),
        _ => None,
    }
}
