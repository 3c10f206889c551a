//! What `show stat` counts of a server, and by which weight it is chosen. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::{Row, Server};
use crate::model::{Admission, Counters};

/// At layer 7, `stot` counts requests, `connect` connections, and `lbtot` only those requests for which a server was
/// chosen: one of a client with the server's cookie is not among them (*measured*). Times are means of up to 1024
/// requests. At layer 4 a session is a connection, and nothing is known of answers.
pub(super) fn counters(stat: &Row) -> Result<Counters, String> {
    let (sessions, opened) = (stat.number("stot")?, stat.optional("connect")?);
    let both = Counters {
        choices: stat.optional("lbtot")?,
        connect_failures: Some(stat.number("econ")?),
        lost_answers: Some(stat.number("eresp")?),
        ..Counters::default()
    };
    match stat.0.get("mode").map(String::as_str) {
        Some("tcp") => Ok(Counters { connections: Some(sessions), ..both }),
        Some("http") => Ok(Counters {
            requests: Some(sessions),
            connections: opened,
            answers_5xx: stat.optional("hrsp_5xx")?,
            latency: stat.optional("rtime")?.filter(|_| sessions > 0).map(Duration::from_millis),
            ..both
        }),
        _ => Ok(both),
    }
}

/// The weight during a slow start, which `weight` shows and `uweight` does not.
pub(super) fn slow_start(stat: &Row) -> Result<Option<u32>, String> {
    let throttled = stat.optional("throttle")?.is_some_and(|percent| percent < 100);
    Ok(stat.optional("weight")?.filter(|_| throttled).map(|weight| u32::try_from(weight).unwrap_or(u32::MAX)))
}

/// Backup servers are chosen only while no other takes clients.
pub(super) fn stand_by(servers: &mut BTreeMap<String, Server>) {
    let takes = |s: &Server| s.running() && s.admission() == Admission::Serving && s.weight > 0;
    if servers.values().any(|s| !s.backup && takes(s)) {
        servers.values_mut().filter(|s| s.backup).for_each(|s| s.effective_weight = Some(0));
    }
}
