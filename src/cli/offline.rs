//! `can-drain --cib FILE` and `plan drain --cib FILE`: what a saved cluster says of a drain, without touching any system.
//! Only the cluster's part can be answered so; routes, sockets and readiness are nobody's memory.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::{
    can_drain::table,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    config::Settings,
    model::{Observation, Observed},
    plan::{
        Request,
        gates::{self, Facts, Gate},
        render,
    },
    provider::{
        Clock, ClusterControl, ProviderError, SystemClock, access::local::LocalAccess,
        cluster::pacemaker::saved::SavedCib,
    },
};

/// The gates of the cluster and its rehearsal, on the CIB in a file.
pub(super) async fn command(settings: &Settings, out: Out, request: &Request, cib: &Path) -> Result<Code> {
    let wrong = |error: ProviderError| Failure::usage(format!("{}: {error}; nothing was touched", cib.display()));
    let saved = SavedCib::read(cib, Arc::new(LocalAccess::new()), settings.run.call_timeout).map_err(wrong)?;
    let view = saved.observe().await.map_err(wrong)?;
    let members: Vec<_> = view.nodes.keys().cloned().collect();
    let topology = request.leave.concerns(&settings.topology(&members));
    let now = SystemClock.now();
    let mut seen = Observation { cluster: Observed::known(view, now), ..Observation::default() };
    let rehearsed = match topology.nodes.contains(&request.node) {
        true => Some(saved.rehearse(&request.node, &request.leave).await),
        false => None,
    };
    if let Some(rehearsed) = rehearsed {
        let rehearsed = match rehearsed {
            Ok(rehearsal) => Observed::known(rehearsal, now),
            Err(error) => Observed::unknown(error.to_string()),
        };
        seen.rehearsals.insert(request.node.clone(), rehearsed);
    }
    let facts = Facts {
        request,
        settings,
        topology: &topology,
        seen: &seen,
        min_ready: &[],
        open_run: None,
        outstanding: None,
        now,
        max_age: settings.max_age(),
    };
    let gates = gates::of_cluster(&facts);
    let passes = gates.iter().all(Gate::passes);
    let rehearsal = seen.rehearsals.get(&request.node).and_then(Observed::value);
    let verdict = if passes { "yes" } else { "no" };
    let object =
        json!({ "node": request.node, "cib": cib, "verdict": verdict, "gates": gates, "rehearsal": rehearsal });
    let said = rehearsal.map(|r| render::rehearsal(r, &request.leave)).unwrap_or_default();
    let ending = match passes {
        true => "As far as the cluster goes, it could be drained.",
        false => "As it was saved, the cluster is against it.",
    };
    let scope = "Only the cluster was asked, as it was saved: no route, no socket, no readiness.";
    out.result(&object, &format!("{}{said}\n{ending}\n{scope}\n", table(&gates)));
    Ok(if passes { Code::Done } else { Code::Refused })
}
