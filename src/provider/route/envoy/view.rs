//! What one Envoy runs, put together from its answers, and what that means for members.

use std::time::Duration;

use super::{
    admin::Admin,
    answers::{Cluster, ClusterConfig, HostStatus, ServerInfo},
    eds::{self, Assignment},
    panic::{self, Host, Panic, Rule},
};
use crate::{
    model::{Admission, Counters, Desired, Health, InstanceView, MemberView},
    provider::{ProviderError, Result},
};

/// The first release in which a draining host is excluded from the panic threshold.
const EXCLUDES_DRAINING: (u32, u32) = (1, 29);
/// Values at run time that change the rules.
const THRESHOLD: &str = "upstream.healthy_panic_threshold";
const EXCLUSION: &str = "envoy.reloadable_features.exclude_host_in_eds_status_draining";

/// One cluster of a running Envoy.
pub(super) struct Running {
    pub name: String,
    pub info: ServerInfo,
    pub config: ClusterConfig,
    /// Updates that Envoy did not take since it began.
    pub rejected: u64,
    cluster: Cluster,
    began: String,
    excluded: u64,
    threshold: f64,
    excludes_draining: bool,
}

impl Running {
    /// Asks everything that is needed, on one connection.
    pub async fn ask(admin: &mut Admin, name: &str) -> Result<Self> {
        let info = admin.server_info().await?;
        if info.state.contains("INITIALIZING") {
            return Err(ProviderError::Unexpected(format!("Envoy is not up yet: {}", info.state)));
        }
        let config = admin.config(name).await?;
        let runtime = admin.runtime().await?;
        let cluster = admin.cluster(name).await?;
        let [excluded, rejected, unreadable] =
            admin.stats(&cluster, ["membership_excluded", "update_rejected", "update_failure"]).await?;
        let odd = || ProviderError::Unexpected(format!("Envoy's runtime has an odd {THRESHOLD}"));
        let set = runtime.get(THRESHOLD).map(|value| value.parse::<f64>().map_err(|_| odd())).transpose()?;
        let switched_off = runtime.get(EXCLUSION).is_some_and(|value| value == "false");
        Ok(Self {
            name: name.to_owned(),
            threshold: set.unwrap_or(config.threshold()).min(100.0),
            excludes_draining: info.release().is_some_and(|r| r >= EXCLUDES_DRAINING) && !switched_off,
            rejected: rejected + unreadable,
            began: admin.began().await?,
            info,
            config,
            cluster,
            excluded,
        })
    }

    /// Whether it runs what the file says of this member.
    pub fn runs(&self, text: &str, server: &str) -> bool {
        let file = eds::read(text, self.config.resource(&self.name)).ok();
        let wanted = file.as_ref().and_then(|file| file.endpoints.get(server));
        let host = self.host(server);
        wanted
            .zip(host)
            .is_some_and(|(wanted, host)| agree(&wanted.health, host.eds_health()) && wanted.weight == host.weight())
    }

    /// The file with one member as desired; `None` where it is so, in the file and in Envoy. An error is a refusal.
    pub fn edited(&self, text: &str, server: &str, desired: &Desired) -> std::result::Result<Option<String>, String> {
        let file = eds::read(text, self.config.resource(&self.name))?;
        let endpoint = file.endpoints.get(server).ok_or_else(|| format!("there is no endpoint {server}"))?;
        let edit = endpoint.edit(desired)?;
        if matches!(desired, Desired::Drained | Desired::Closed)
            && (edit.is_some() || !self.runs(text, server))
            && let Some(why) = self.refusal(&file, server)
        {
            return Err(why);
        }
        match edit {
            // Written again as it is, so that Envoy looks at it once more.
            None if !self.runs(text, server) => Ok(Some(text.to_owned())),
            None => Ok(None),
            Some(new) => {
                let mut text = text.to_owned();
                text.replace_range(endpoint.span.clone(), &new);
                Ok(Some(text))
            }
        }
    }

    /// Until when a check has passed for sure, on a host that counts as healthy all the time. None where it has no checks.
    pub fn check_period(&self) -> Option<Duration> {
        let unused = self.cluster.host_statuses.iter().all(|h| h.stat("cx_total") == Ok(0));
        (!self.config.health_checks.is_empty()).then(|| self.config.check_period(unused))
    }

    /// Connections that this process has to a member, idle ones included.
    pub fn connections(&self, server: &str) -> u64 {
        self.host(server).and_then(|host| host.stat("cx_active").ok()).unwrap_or(0)
    }

    /// Its members, with what the file holds for a receipt.
    pub fn view(&self, path: &str, text: &str) -> Result<InstanceView> {
        let odd = |why| ProviderError::Unexpected(format!("{path}: {why}"));
        let file = eds::read(text, self.config.resource(&self.name)).map_err(odd)?;
        let hosts = self.hosts();
        let panics = panic::panics(&hosts, self.rule(&file));
        let mut view = InstanceView {
            generation: format!("{} epoch {}", self.began, self.info.epoch()),
            ..InstanceView::default()
        };
        for host in &self.cluster.host_statuses {
            let Some(name) = host.name() else { continue };
            let Some(endpoint) = file.endpoints.get(&name) else {
                view.warnings.push(format!("Envoy has the host {name}, and {path} does not"));
                continue;
            };
            let open = panics.iter().any(|p| p.priority == host.priority) && !self.config.fails_on_panic();
            let mut member = self.member(host, open)?;
            let spared = panic::is_spared(&hosts, file.overprovisioning, host.priority);
            member.effective_weight = spared.then_some(0);
            member.exact = endpoint.exact(host.eds_health(), host.weight());
            if member.admission == Admission::Serving && host.eds_health() != "DRAINING" {
                member.refuses_drain = self.refusal(&file, &name);
            }
            view.members.insert(name, member);
        }
        view.warnings.extend(
            file.endpoints
                .keys()
                .filter(|n| self.host(n).is_none())
                .map(|n| format!("{path} has the endpoint {n}, and Envoy does not")),
        );
        view.warnings.extend(panics.iter().map(|p| self.words("it is in panic", *p)));
        view.warnings.extend(self.warnings(path));
        Ok(view)
    }

    fn warnings(&self, path: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.config.file() {
            None => warnings.push(format!("the cluster {} does not read its endpoints from a file", self.name)),
            Some(other) if other != path => {
                warnings.push(format!("the cluster {} reads {other}, and not {path}", self.name))
            }
            Some(_) => {}
        }
        if self.info.state != "LIVE" {
            warnings.push(format!("Envoy's state is {}", self.info.state));
        }
        if self.rejected > 0 {
            warnings.push(format!("Envoy did not take {} updates of {} since it began", self.rejected, self.name));
        }
        warnings
    }

    fn member(&self, host: &HostStatus, fails_open: bool) -> Result<MemberView> {
        let (connections, active) = (host.stat("cx_active")?, host.stat("rq_active")?);
        let draining = host.eds_health() == "DRAINING" && !fails_open;
        Ok(MemberView {
            admission: if draining { Admission::Draining } else { Admission::Serving },
            health: self.health(host),
            weight: host.weight(),
            sessions: active,
            // Each kind of check keeps a connection of its own to every member, which `cx_active` does not count.
            idle: connections.saturating_sub(active).saturating_add(self.config.health_checks.len() as u64),
            requests_total: host.stat("rq_total")?,
            counters: Counters {
                requests: Some(host.stat("rq_total")?),
                connections: Some(host.stat("cx_total")?),
                connect_failures: Some(host.stat("cx_connect_fail")?),
                failed_requests: Some(host.stat("rq_error")?),
                ..Counters::default()
            },
            errors_total: host.stat("rq_error")?.saturating_add(host.stat("cx_connect_fail")?),
            ..MemberView::default()
        })
    }

    fn health(&self, host: &HostStatus) -> Health {
        let mut reasons: Vec<String> = host.failures().iter().map(|flag| flag.replace('_', " ")).collect();
        if ["UNHEALTHY", "TIMEOUT"].contains(&host.eds_health()) {
            reasons.push(format!("the file says {}", host.eds_health()));
        }
        match (reasons.is_empty(), self.config.health_checks.is_empty()) {
            (false, _) => Health::Failing { reason: reasons.join(", ") },
            (true, true) => Health::Unchecked,
            (true, false) => Health::Passing,
        }
    }

    /// Why a drain of this member would not work.
    fn refusal(&self, file: &Assignment, server: &str) -> Option<String> {
        let index = self.cluster.host_statuses.iter().position(|h| h.name().as_deref() == Some(server))?;
        let first = panic::after_drain(&self.hosts(), index, self.rule(file)).into_iter().next()?;
        Some(self.words("it would panic", first))
    }

    fn words(&self, what: &str, p: Panic) -> String {
        let then = if self.config.fails_on_panic() {
            "fails every request then"
        } else {
            "sends clients to drained hosts then"
        };
        let Panic { priority, available, of } = p;
        let threshold = self.threshold;
        format!(
            "{what}: {available} of {of} hosts of priority {priority} are available, below {threshold} %; Envoy {then}"
        )
    }

    fn rule(&self, file: &Assignment) -> Rule {
        Rule {
            threshold: self.threshold,
            overprovisioning: file.overprovisioning,
            weighted: file.weighted,
            excludes_draining: self.excludes_draining,
        }
    }

    fn hosts(&self) -> Vec<Host> {
        let host = |h: &HostStatus| {
            let eds = h.eds_health();
            let fails = !h.failures().is_empty() || ["UNHEALTHY", "TIMEOUT", "DRAINING"].contains(&eds);
            let degraded = eds == "DEGRADED" || h.is("failed_active_degraded_check");
            let out = h.is("pending_active_hc") || h.is("excluded_via_immediate_hc_fail");
            Host {
                priority: h.priority,
                healthy: !fails && !degraded,
                degraded: !fails && degraded,
                excluded: out || (eds == "DRAINING" && self.excludes_draining),
            }
        };
        let hosts = self.cluster.host_statuses.iter().map(host).collect();
        panic::as_counted(hosts, usize::try_from(self.excluded).unwrap_or(usize::MAX))
    }

    fn host(&self, server: &str) -> Option<&HostStatus> {
        self.cluster.host_statuses.iter().find(|h| h.name().as_deref() == Some(server))
    }
}

/// Whether Envoy's word is what the file says: what is not said is healthy.
fn agree(written: &str, running: &str) -> bool {
    let plain = |word: &str| if word == "UNKNOWN" { "HEALTHY".to_owned() } else { word.to_owned() };
    plain(written) == plain(running)
}
