//! What makes a playbook a drill.

use super::super::model::{Abort, Drill, Load};
use crate::{
    config::{reader::Reader, report::Problems},
    drill::{load::Target, objective::Objectives},
    model::ServiceName,
};

pub(super) fn drill(r: &Reader<'_>, problems: &mut Problems) -> Option<Drill> {
    let objectives = objectives(&r.table("objective")?, r.has("objective"), problems);
    let load = load(&r.table("load")?, problems);
    let abort = abort(&r.table("abort")?);
    Some(Drill {
        hypothesis: r.text("hypothesis")?,
        service: ServiceName::new(r.text("service")?),
        objectives: objectives?,
        load: load?,
        abort: abort?,
    })
}

fn objectives(r: &Reader<'_>, written: bool, problems: &mut Problems) -> Option<Objectives> {
    if written && r.raw().is_empty() {
        let help = "give at least one, such as `failover = \"15s\"` or `max-error-ratio = 0`";
        r.here().report(problems, "nothing is judged", help);
    }
    // Optional, so what is written wrong and what is not written look the same here; the first one was told.
    Some(Objectives {
        failover: r.duration("failover"),
        detection: r.duration("detection"),
        recovery: r.duration("recovery"),
        max_error_ratio: r.number("max-error-ratio"),
        max_latency_p99: r.duration("max-latency-p99"),
        max_skew: r.number("max-skew"),
        min_ready: r.integer("min-ready"),
    })
}

fn load(r: &Reader<'_>, problems: &mut Problems) -> Option<Load> {
    if r.variant()? == "observe" {
        return Some(Load::Observe);
    }
    let mut urls = Vec::new();
    for (spot, url) in r.texts("urls")? {
        if let Err(error) = url.parse::<Target>() {
            spot.report(problems, format!("no load can be sent there: {error}"), "");
        }
        urls.push(url);
    }
    let hosts = if r.has("hosts") { r.texts("hosts")? } else { Vec::new() };
    Some(Load::Client {
        urls,
        rate: r.integer("rate")?,
        timeout: r.duration("timeout")?,
        keep_alive: r.integer("keep-alive")?,
        lookup: r.choice("lookup")?,
        connection_age: r.duration("connection-age"),
        hosts: hosts.into_iter().map(|(_, host)| host).collect(),
        at_most: r.duration("at-most")?,
    })
}

fn abort(r: &Reader<'_>) -> Option<Abort> {
    Some(Abort {
        error_ratio: r.number("error-ratio"),
        over: r.duration("over")?,
        ready_below: r.integer("ready-below"),
        alerts: r.boolean("alerts")?,
    })
}
