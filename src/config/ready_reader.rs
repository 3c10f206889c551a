//! Reads `service.ready`, and what must agree within it.

use std::path::PathBuf;

use super::{
    cluster::Context,
    duration::show,
    expect::{Expect, Header},
    reader::Reader,
    ready::{Http, Probe, Ready, Tls},
    report::Problems,
};
use crate::health::damping::Damping;

pub(super) fn ready(r: &Reader<'_>, context: &Context, problems: &mut Problems) -> Option<Ready> {
    let probe = probe(r, problems);
    let (interval, timeout) = (r.duration("interval")?, r.duration("timeout")?);
    if let Some(run) = context.run.as_ref().filter(|run| interval >= run.max_age) {
        let age = show(run.max_age);
        let message = format!("with an interval of {}, readiness is unknown between two probes", show(interval));
        r.spot("interval").report(problems, message, format!("it must be shorter than `run.max-age` ({age})"));
    }
    // A probe that is given up by the run is unknown; only one that gives up by itself is an answer: not ready.
    if let Some(run) = context.run.as_ref().filter(|run| timeout >= run.call_timeout) {
        let limit = show(run.call_timeout);
        let message = format!("a probe that may take {} is given up before it can answer", show(timeout));
        r.spot("timeout").report(problems, message, format!("it must be shorter than `run.call-timeout` ({limit})"));
    }
    let damping = match r.text("damping").as_deref() {
        Some("off") => None,
        _ => Some(damping(&r.table("damping")?, Damping::usual(interval), problems)?),
    };
    Some(Ready {
        port: r.integer("port")?,
        probe: probe?,
        timeout,
        interval,
        unhealthy: r.integer("unhealthy")?,
        healthy: r.integer("healthy")?,
        grace: r.duration("grace")?,
        damping,
    })
}

/// Everything is read before anything is given up, so that all problems are found.
fn probe(r: &Reader<'_>, problems: &mut Problems) -> Option<Probe> {
    Some(match r.variant()? {
        "http" => Probe::Http(http(r)?),
        "https" => {
            let (http, trust) = (http(r), tls(r, problems));
            Probe::Https { http: http?, trust }
        }
        "http2" => {
            let (http, trust) = (http(r), maybe_tls(r, problems));
            Probe::Http2 { http: http?, trust: trust? }
        }
        "grpc" => {
            let (service, trust) = (r.text("service"), maybe_tls(r, problems));
            Probe::Grpc { service: service?, host: r.text("host"), trust: trust? }
        }
        "tcp" => Probe::Tcp,
        "exec" => Probe::Exec {
            command: r.texts("command")?.into_iter().map(|(_, word)| word).collect(),
            on: r.choice("on")?,
        },
        _ => return None,
    })
}

fn http(r: &Reader<'_>) -> Option<Http> {
    let headers = r.texts("headers")?.iter().map(|(_, text)| Header::parse(text)).collect();
    let expect = Expect { status: r.statuses("status")?, headers, body: r.text("body") };
    Some(Http { path: r.text("path")?, host: r.text("host"), expect })
}

/// TLS where it is asked for. Its keys without it are a mistake that would go unnoticed.
fn maybe_tls(r: &Reader<'_>, problems: &mut Problems) -> Option<Option<Tls>> {
    if r.boolean("tls")? {
        return Some(Some(tls(r, problems)));
    }
    for key in ["sni", "ca-file", "cert-file", "key-file"].into_iter().filter(|key| r.has(key)) {
        r.spot(key).report(problems, format!("`{key}` says how TLS is spoken, and `tls` is false"), "set `tls = true`");
    }
    Some(None)
}

fn tls(r: &Reader<'_>, problems: &mut Problems) -> Tls {
    let file = |key| r.text(key).map(PathBuf::from);
    for (key, other) in [("cert-file", "key-file"), ("key-file", "cert-file")] {
        if r.has(key) && !r.has(other) {
            r.spot(key).report(problems, format!("`{key}` needs `{other}`"), "a certificate is shown with its key");
        }
    }
    let identity = file("cert-file").zip(file("key-file"));
    Tls { sni: r.text("sni"), ca_file: file("ca-file"), identity }
}

fn damping(r: &Reader<'_>, usual: Damping, problems: &mut Problems) -> Option<Damping> {
    let half_life = if r.has("half-life") { r.duration("half-life")? } else { usual.half_life };
    let longest = if r.has("max") { r.duration("max")? } else { usual.longest.max(half_life * 2) };
    let limit = |key| r.integer::<u32>(key).map(f64::from);
    let damping = Damping { half_life, suppress: limit("suppress")?, reuse: limit("reuse")?, longest };
    if damping.reuse >= damping.suppress {
        let message = "who is held back would be released at once".to_owned();
        r.spot("reuse").report(problems, message, "`reuse` must be less than `suppress`");
    } else if damping.ceiling() <= damping.suppress {
        let message = format!("with at most {} nobody is ever held back", show(longest));
        let help = "a longer `max`, a shorter `half-life`, or limits that are closer to each other";
        r.spot("max").report(problems, message, help);
    }
    Some(damping)
}
