//! The drills: short, with the lab's own objectives. The limits are those of the lab's time-outs (checks every 5 s, a token of
//! 1 s, boots of some seconds); a drill that must fail has one that no cluster keeps.

use std::path::PathBuf;

use anyhow::Result;

use super::{Case, disturbed, nothing, rails};
use crate::harness::Tidegate;
use crate::lab::{ANYCAST_APP, APP_PORT, Announcer, Entrance, Lab, Proxy, RouteText, TidegateConfig};

/// Which routes Tidegate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Config {
    /// Both load balancers.
    Balancers,
    /// A name that leads to the nodes.
    Name,
    /// An anycast address of the nodes.
    Anycast,
}

impl Config {
    pub(super) fn write(self, lab: &Lab) -> Result<PathBuf> {
        let entrance = match self {
            Self::Balancers => None,
            Self::Name => Some((
                Entrance::named("app", APP_PORT),
                vec![RouteText::Dns("app", vec!["node-1", "node-2", "node-3"])],
            )),
            Self::Anycast => {
                Some((Entrance::at(ANYCAST_APP, APP_PORT), vec![RouteText::Bgp(ANYCAST_APP, Announcer::Bird)]))
            }
        };
        if self == Self::Balancers {
            lab.run_proxies(&[Proxy::Haproxy])?;
        }
        let name = format!("plays-{}.toml", format!("{self:?}").to_lowercase());
        let config = TidegateConfig { entrance, probe_interval: "1s".into(), ..TidegateConfig::default() };
        lab.write_config(&name, &config)
    }

    fn urls(self) -> String {
        match self {
            Self::Balancers => r#"urls=["http://10.77.0.21/", "http://10.77.0.22/"]"#.into(),
            Self::Name => format!(r#"urls=["http://app.{}:{APP_PORT}/"]"#, crate::lab::ZONE),
            Self::Anycast => format!(r#"urls=["http://{ANYCAST_APP}:{APP_PORT}/"]"#),
        }
    }
}

const NODE: &str = "node-2";

pub(super) fn all() -> Vec<Case> {
    let on = |config: Config, name, file, consent, inputs: &[&str]| {
        let mut all: Vec<String> = ["service=app", "rate=100", "before=3s", "settle=5s"].map(str::to_owned).into();
        all.push(config.urls());
        all.extend(inputs.iter().map(|text| (*text).to_owned()));
        Case {
            name,
            file,
            inputs: all,
            config,
            consent,
            prepare: nothing,
            finish: nothing,
            must_fail: false,
            script: None,
        }
    };
    let planned = |name, inputs: &[&str]| {
        let inputs: Vec<&str> = ["target=node-2", "out=3s"].iter().chain(inputs).copied().collect();
        on(Config::Balancers, name, "drills/planned-drain.toml", None, &inputs)
    };
    let node = |name, file, lasts, inputs: &[&str]| {
        let tolerant = ["max-error-ratio=0.6", "failover=90s", "recovery=5m", "min-ready=1"];
        let inputs: Vec<&str> = ["target=node-2", lasts].iter().chain(&tolerant).chain(inputs).copied().collect();
        on(Config::Balancers, name, file, Some(NODE), &inputs)
    };
    let noticed = &["detection=60s"][..];
    let host = |config, name, file, host: &'static str, inputs: &[&str]| {
        let mut all = vec!["lasts=6s", "max-error-ratio=0.6", "abort-at=0.9", "failover=90s"];
        all.extend(inputs);
        on(config, name, file, Some(host), &all)
    };
    vec![
        planned("planned-drain", &["min-ready=2"]),
        Case { must_fail: true, ..planned("planned-drain, too tight", &["min-ready=3"]) },
        node("unit-killed", "drills/unit-killed.toml", "lasts=5s", noticed),
        node("service-hung", "drills/service-hung.toml", "lasts=20s", noticed),
        Case {
            script: Some(disturbed::stopped),
            ..node(
                "service-hung, stopped",
                "drills/service-hung.toml",
                "lasts=60s",
                &["detection=60s", "abort-at=0.02"],
            )
        },
        Case {
            script: Some(disturbed::died),
            ..node("service-hung, killed", "drills/service-hung.toml", "lasts=8s", noticed)
        },
        Case {
            script: Some(rails::ended),
            ..node("service-hung, ended by a person", "drills/service-hung.toml", "lasts=10m", noticed)
        },
        Case {
            script: Some(rails::interrupted),
            ..node("service-hung, interrupted", "drills/service-hung.toml", "lasts=10m", noticed)
        },
        Case {
            script: Some(rails::undone),
            ..node("service-hung, undone", "drills/service-hung.toml", "lasts=10m", noticed)
        },
        Case {
            script: Some(rails::from_hosts),
            ..node(
                "service-hung, load from hosts",
                "drills/service-hung.toml",
                "lasts=20s",
                &["detection=60s", "hosts=[\"router\", \"dns-1\"]"],
            )
        },
        Case { script: Some(rails::observed), ..planned("planned-drain, observed", &[]) },
        Case { script: Some(rails::held), ..planned("planned-drain, held", &[]) },
        Case { script: Some(rails::rails), ..planned("rails", &[]) },
        node("not-ready", "drills/not-ready.toml", "lasts=20s", noticed),
        node("pacemaker-killed", "drills/pacemaker-killed.toml", "lasts=10s", noticed),
        node("node-fenced", "drills/node-fenced.toml", "lasts=20s", noticed),
        node("power-cut", "drills/power-cut.toml", "lasts=20s", noticed),
        node("link-cut", "drills/link-cut.toml", "lasts=20s", noticed),
        node("one-way-partition", "drills/one-way-partition.toml", "lasts=20s", noticed),
        Case { prepare: small_disk, ..node("disk-full", "drills/disk-full.toml", "lasts=5s", &["path=/mnt/drill"]) },
        host(Config::Balancers, "balancer-lost", "drills/balancer-lost.toml", "lb-1", &["host=lb-1", "instance=lb-1"]),
        host(
            Config::Name,
            "secondary-lost",
            "drills/secondary-lost.toml",
            "dns-2",
            &["host=dns-2", "instance=ns2.lab.example"],
        ),
        host(
            Config::Anycast,
            "announcer-lost",
            "drills/announcer-lost.toml",
            NODE,
            &["host=node-2", "instance=node-2"],
        ),
    ]
}

/// A file system that nothing needs.
fn small_disk(lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    let mount = "mkdir -p /mnt/drill; mountpoint -q /mnt/drill || mount -t tmpfs -o size=16m none /mnt/drill";
    lab.shell(NODE, mount).map(drop)
}
