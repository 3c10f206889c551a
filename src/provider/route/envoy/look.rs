//! One look at both: what is written, and what runs.

use super::{
    Admission, BTreeMap, BTreeSet, Running,
    eds::{self, Assignment},
    json, panic,
    panic::{Host, Threshold},
    running::{HostStatus, Status},
};
use crate::model::{Health, MemberView};

/// The file and the running Envoy, one right after the other.
pub(super) struct Look {
    /// The file.
    pub text: String,
    pub written: Assignment,
    pub running: Running,
    /// Members: their names, and their addresses.
    pub names: BTreeMap<String, String>,
}

impl Look {
    /// Finds the names that `members` use: a host name, else the address.
    pub(super) fn new(
        text: String,
        cluster: &str,
        running: Running,
        members: &BTreeSet<String>,
    ) -> Result<Self, String> {
        let written = eds::read(&text, cluster)?;
        let mut names = BTreeMap::new();
        for (key, endpoint) in &written.endpoints {
            let name = if members.contains(&endpoint.hostname) { &endpoint.hostname } else { key };
            if names.insert(name.clone(), key.clone()).is_some() {
                return Err(format!("two endpoints are called {name}: use {{address}} and the port for their name"));
            }
        }
        Ok(Self { text, written, running, names })
    }

    /// Members of which file and Envoy say different things, by address.
    pub(super) fn differences(&self) -> Vec<&String> {
        let same = |key: &String, endpoint: &eds::Endpoint| {
            let host = self.running.hosts.get(key)?;
            // "Nothing said" is healthy to Envoy.
            let said = if endpoint.status == Status::Unknown { Status::Healthy } else { endpoint.status };
            let runs = host.status().ok().map(|s| if s == Status::Unknown { Status::Healthy } else { s })?;
            // Old versions tell only that it is not healthy.
            let drains = said == Status::Draining && runs == Status::Unhealthy;
            Some((said == runs || drains) && host.weight == endpoint.weight)
        };
        let endpoints = self.written.endpoints.iter();
        endpoints.filter(|(key, endpoint)| same(key, endpoint) != Some(true)).map(|(key, _)| key).collect()
    }

    /// One member, as the trait's words have it.
    pub(super) fn member(&self, key: &str, is_fresh: bool) -> Result<MemberView, String> {
        let endpoint = &self.written.endpoints[key];
        let host = self.running.hosts.get(key).ok_or("it is in the file, and Envoy does not have it")?;
        let runs = host.status()?;
        let admission = match (runs, endpoint.status) {
            // In panic, whatever it is told to be.
            _ if !self.running.fails_on_panic && self.panics(None).is_some() => Admission::Serving,
            (runs, _) if runs.serves() => Admission::Serving,
            (_, written) if written.serves() => {
                return Err("Envoy keeps it out, and the file lets it in: Envoy did not take the file over".into());
            }
            (_, Status::Draining) => Admission::Draining,
            _ => Admission::Out,
        };
        let mut exact = endpoint.exact();
        if self.differences().iter().any(|other| *other == key) {
            exact.0["runs"] = json!([runs.word(), host.weight]);
        }
        let busy = host.stat("rq_active")? + host.stat("rq_pending_active").unwrap_or(0);
        Ok(MemberView {
            admission,
            health: self.health(endpoint, host, is_fresh),
            weight: host.weight,
            sessions: busy.saturating_add(self.running.parents),
            idle: host.stat("cx_active")?.saturating_sub(busy),
            requests_total: host.stat("rq_total")?,
            errors_total: host.stat("rq_error")?.saturating_add(host.stat("cx_connect_fail")?),
            admits_bound: self.running.bound.contains(&Status::Draining),
            refuses_drain: self.refusal(key).filter(|_| admission == Admission::Serving),
            exact,
            ..MemberView::default()
        })
    }

    fn health(&self, endpoint: &eds::Endpoint, host: &HostStatus, is_fresh: bool) -> Health {
        let checked = !self.running.checks.is_empty() && !endpoint.unchecked;
        let flags = &host.health_status;
        let reason = match () {
            () if flags.failed_active_health_check => "its checks fail",
            () if flags.excluded_via_immediate_hc_fail => "it asked to be taken out",
            () if flags.pending_active_hc => "it was not checked yet",
            () if flags.failed_outlier_check => "it was ejected as an outlier",
            () if checked && !is_fresh => "it was not checked since that was asked for",
            () if checked => return Health::Passing,
            () => return Health::Unchecked,
        };
        Health::Failing { reason: reason.into() }
    }

    /// Why Envoy would not be drained of a member; `None` where it would.
    pub(super) fn refusal(&self, key: &str) -> Option<String> {
        let takes = |(other, host): (&String, &HostStatus)| other != key && self.host(other, host, None).available;
        if !self.running.hosts.iter().any(takes) {
            return Some("no other member is available".into());
        }
        self.panics(Some(key))
    }

    /// Why Envoy panics now, or would without a member.
    fn panics(&self, without: Option<&str>) -> Option<String> {
        let hosts = self.running.hosts.iter().map(|(key, host)| self.host(key, host, without));
        let threshold = Threshold {
            percent: self.running.threshold,
            fails: self.running.fails_on_panic,
            has_policy: self.written.has_policy,
        };
        panic::reason(&hosts.collect::<Vec<_>>(), threshold)
    }

    /// How a member counts for Envoy. With a drain in mind, what the file says counts too: Envoy is about to read it.
    fn host(&self, key: &str, host: &HostStatus, without: Option<&str>) -> Host {
        let flags = &host.health_status;
        let written = self.written.endpoints.get(key).map(|e| e.status);
        let runs = host.status().unwrap_or(Status::Unhealthy);
        let soon = written.filter(|written| without.is_some() && !written.serves()).unwrap_or(runs);
        let status = if without == Some(key) { Status::Draining } else { soon };
        let ill = flags.failed_active_health_check || flags.failed_outlier_check || flags.pending_active_hc;
        let drains = status == Status::Draining && self.running.excludes_draining;
        Host {
            priority: host.priority,
            available: status.serves() && !ill && !flags.excluded_via_immediate_hc_fail,
            excluded: drains || flags.pending_active_hc || flags.excluded_via_immediate_hc_fail,
        }
    }

    /// What keeps out everybody.
    pub(super) fn closes_with(&self) -> Result<Status, String> {
        let bound = &self.running.bound;
        match [Status::Draining, Status::Unhealthy, Status::Timeout].into_iter().find(|s| !bound.contains(s)) {
            Some(status) => Ok(status),
            None => Err("override_host_status lets bound clients in whatever a member is".into()),
        }
    }

    /// What an operator should know.
    pub(super) fn warnings(&self, file: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        let differ = self.differences();
        if !differ.is_empty() {
            let which = differ.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
            warnings.push(format!("Envoy has not taken over {file}, or has rejected it: {which} differ"));
        }
        if let Some(why) = self.panics(None) {
            warnings.push(format!("Envoy panics: {why}"));
        }
        if self.running.parents > 0 {
            let n = self.running.parents;
            warnings
                .push(format!("the Envoy before a hot restart still has {n} connections, which count for each member"));
        }
        warnings
    }
}
