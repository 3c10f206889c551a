//! Finding out whether a condition holds: `Ok` says how well, `Err` what is missing. What cannot be found out does not hold.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;

use super::{Machines, command, heard::Heard, machines, measured::Measured};
use crate::{
    config::{Settings, expect::Statuses, prometheus::Url},
    model::{EntrypointName, NodeName, Readiness, ServiceName, Topology},
    playbook::{Condition, What, condition::Bounds, model::Where},
    provider::{World, http::Web},
    run::{observer::Observer, wants::Wants},
    traffic::share::Traffic,
};

/// Bytes of output that are searched.
const SEARCHED: usize = 1 << 20;
/// Time between two looks at counters.
const PACE: Duration = Duration::from_secs(1);

/// What finding out needs.
pub struct Conditions {
    /// The real systems.
    pub world: World,
    /// What is where.
    pub topology: Arc<Topology>,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The nodes' machines.
    pub machines: Machines,
}

type Held = Result<String, String>;

impl Conditions {
    /// Whether it holds now. The caller bounds the time.
    pub async fn holds(&self, condition: &Condition, node: Option<&NodeName>) -> Held {
        let here = || node.ok_or_else(|| "this condition needs a node, and the step has none".to_owned());
        match &condition.what {
            What::Ready { service } => self.ready(here()?, service.as_ref()).await,
            What::ReadyNodes { service, at_least } => self.ready_nodes(service.as_ref(), *at_least).await,
            What::Member => self.member(here()?).await,
            What::Http { url, status } => page(&put(url, node), status).await,
            What::Command { command, on, says } => self.command(command, *on, says.as_deref(), node).await,
            What::Prometheus { query, bounds } => self.prometheus(&put(query, node), bounds).await,
            What::Skew { entrypoint, at_most, over } => self.skew(entrypoint.as_ref(), *at_most, *over).await,
            What::ErrorRatio { entrypoint, at_most, over } => self.errors(entrypoint.as_ref(), *at_most, *over).await,
            What::Latency { url, at_most, requests } => latency(&put(url, node), *at_most, *requests).await,
        }
    }

    async fn ready(&self, node: &NodeName, service: Option<&ServiceName>) -> Held {
        let wanted = self.settings.services.iter().map(|s| &s.name).filter(|name| service.is_none_or(|s| s == *name));
        for name in wanted {
            match self.world.prober.probe(node, name).await {
                Ok(Readiness::Ready) => {}
                Ok(Readiness::NotReady { reason }) => return Err(format!("{name} on {node}: {reason}")),
                Err(error) => return Err(format!("{name} on {node}: {error}")),
            }
        }
        Ok(format!("{node} is ready"))
    }

    async fn ready_nodes(&self, service: Option<&ServiceName>, at_least: u32) -> Held {
        let probes = self.topology.nodes.iter().map(|node| self.ready(node, service));
        let answers = futures_util::future::join_all(probes).await;
        let ready = answers.iter().filter(|answer| answer.is_ok()).count();
        let text = format!("{ready} of {} nodes are ready", answers.len());
        if ready >= at_least as usize { Ok(text) } else { Err(format!("{text}, {at_least} wanted")) }
    }

    async fn member(&self, node: &NodeName) -> Held {
        let view = self.world.cluster.observe().await.map_err(|e| e.to_string())?;
        let member = view.nodes.get(node).ok_or_else(|| format!("{node} is no member"))?;
        if !member.online || member.pending || member.unclean {
            return Err(format!("{node} is not online in the cluster, or has not finished joining"));
        }
        if !view.quorate {
            return Err("the cluster has no quorum".into());
        }
        Ok(format!("{node} is a member, and the cluster has quorum"))
    }

    async fn command(&self, command: &[String], on: Where, says: Option<&str>, node: Option<&NodeName>) -> Held {
        let words: Vec<String> = command.iter().map(|word| put(word, node)).collect();
        let argv: Vec<&str> = words.iter().map(String::as_str).collect();
        let (access, host) = match (on, node) {
            (Where::Here, _) => (&self.machines.here, ""),
            (Where::Node, Some(node)) => {
                (&self.machines.access, self.machines.hosts.get(node).map(String::as_str).ok_or("no such node")?)
            }
            (Where::Node, None) => return Err("this condition needs a node, and the step has none".into()),
        };
        // Whoever asked bounds the time of all of it.
        let output = access.run(host, &argv, Duration::from_secs(3600)).await.map_err(|e| e.to_string())?;
        let said = command::said(&output, SEARCHED);
        let program = argv.first().copied().unwrap_or_default();
        if output.code != Some(0) {
            return Err(format!("{program}: {}: {}", machines::code(output.code), machines::tail(&said, 300)));
        }
        match says {
            Some(text) if !said.contains(text) => Err(format!("{program} does not say {text:?}")),
            _ => Ok(format!("{program} ended well")),
        }
    }

    async fn prometheus(&self, query: &str, bounds: &Bounds) -> Held {
        let prometheus = self.world.alerts.as_ref().ok_or("no Prometheus is configured")?;
        let values = prometheus.instant(query).await.map_err(|e| e.to_string())?;
        let shown = || values.iter().take(5).map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(", ");
        if values.is_empty() {
            return Err(format!("{query} gives nothing"));
        }
        if values.iter().all(|value| bounds.holds(*value)) {
            Ok(format!("{query}: {}", shown()))
        } else {
            Err(format!("{query}: {} is not within {bounds}", shown()))
        }
    }

    async fn skew(&self, entrypoint: Option<&EntrypointName>, at_most: f64, over: Duration) -> Held {
        let (measured, heard) = self.measured(entrypoint, over).await;
        heard.traffic()?;
        measured.skew(at_most)
    }

    async fn errors(&self, entrypoint: Option<&EntrypointName>, at_most: f64, over: Duration) -> Held {
        let (measured, heard) = self.measured(entrypoint, over).await;
        heard.failures()?;
        measured.errors(at_most)
    }

    /// What every node got in this time, by the counters of whoever counts; and whether all of them told.
    async fn measured(&self, entrypoint: Option<&EntrypointName>, over: Duration) -> (Measured, Heard) {
        let mut observer = Observer::new(self.world.clone(), self.settings.clone());
        let (mut traffic, mut measured, mut heard) = (Traffic::default(), Measured::default(), Heard::default());
        let wants = Wants { routes: true, ..Wants::default() };
        let until = tokio::time::Instant::now() + over;
        loop {
            observer.refresh(&self.topology, &wants).await;
            let counted = traffic.fold(&self.topology, observer.seen());
            heard.look(&self.topology, observer.seen(), &counted, entrypoint);
            measured.add(counted.iter().filter(|c| entrypoint.is_none_or(|wanted| *wanted == c.entrypoint)));
            let now = tokio::time::Instant::now();
            if now >= until {
                return (measured, heard);
            }
            tokio::time::sleep(PACE.min(until - now)).await;
        }
    }
}

/// The node's name in a text.
fn put(text: &str, node: Option<&NodeName>) -> String {
    node.map_or_else(|| text.to_owned(), |node| text.replace("{node}", node.as_str()))
}

async fn page(url: &str, status: &str) -> Held {
    let wanted: Statuses = status.parse().map_err(|_| format!("{status:?} is no set of status codes"))?;
    let got = get(url).await?;
    if wanted.holds(got) {
        Ok(format!("{url} answers {got}"))
    } else {
        Err(format!("{url} answers {got}, wanted {status}"))
    }
}

async fn get(url: &str) -> Result<u16, String> {
    let parsed = Url::read(url).ok_or_else(|| format!("{url:?} is no URL"))?;
    let path = if parsed.path.is_empty() { "/".to_owned() } else { parsed.path.clone() };
    let answer = Web::new(parsed, None).send(Request::get(path), Bytes::new()).await;
    answer.map(|(status, _)| status.as_u16()).map_err(|error| format!("{url}: {error}"))
}

async fn latency(url: &str, at_most: Duration, requests: u32) -> Held {
    let mut times = Vec::new();
    for _ in 0..requests.max(1) {
        let began = tokio::time::Instant::now();
        get(url).await?;
        times.push(began.elapsed());
    }
    times.sort();
    let rank = (times.len() * 99).div_ceil(100).max(1) - 1;
    let p99 = times[rank];
    let text = format!("the 99th percentile of {} requests is {:.1} ms", times.len(), p99.as_secs_f64() * 1e3);
    if p99 <= at_most { Ok(text) } else { Err(format!("{text}; {:.1} ms is allowed", at_most.as_secs_f64() * 1e3)) }
}
