//! `service.ready`: how a service is probed, and by which rules its answers are judged.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::expect::Expect;
use crate::health::damping::Damping;

/// `service.ready`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// The port on the node.
    pub port: u16,
    /// The kind of probe.
    pub probe: Probe,
    /// Time limit of one probe.
    pub timeout: Duration,
    /// Time between two probes.
    pub interval: Duration,
    /// Failures in a row that make it unhealthy.
    pub unhealthy: u32,
    /// Successes in a row that make it healthy.
    pub healthy: u32,
    /// Time after a start in which failures do not count.
    pub grace: Duration,
    /// Flap damping; `None` is off.
    pub damping: Option<Damping>,
}

impl Ready {
    /// This probe of this port, everything else as it is without being said.
    pub fn new(port: u16, probe: Probe) -> Self {
        let (timeout, interval) = (Duration::from_secs(2), Duration::from_secs(5));
        let damping = Some(Damping::usual(interval));
        Self { port, probe, timeout, interval, unhealthy: 2, healthy: 3, grace: Duration::ZERO, damping }
    }
}

/// The kind of probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "kebab-case")]
pub enum Probe {
    /// `GET` over HTTP/1.1.
    Http(Http),
    /// `GET` over HTTP/1.1 and TLS.
    Https {
        /// What is asked.
        #[serde(flatten)]
        http: Http,
        /// How TLS is spoken.
        trust: Tls,
    },
    /// `GET` over HTTP/2: over TLS, or in clear with prior knowledge.
    Http2 {
        /// What is asked.
        #[serde(flatten)]
        http: Http,
        /// How TLS is spoken; `None` is in clear.
        trust: Option<Tls>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service that is asked for; empty is the whole server.
        service: String,
        /// The authority; the node's name where there is none.
        host: Option<String>,
        /// How TLS is spoken; `None` is in clear.
        trust: Option<Tls>,
    },
    /// A TCP connection that opens.
    Tcp,
    /// A program that ends with 0.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// Where it runs.
        on: Place,
    },
}

/// What an HTTP probe asks for, and expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// The path.
    pub path: String,
    /// The Host header; the node's name where there is none.
    pub host: Option<String>,
    /// What counts as ready.
    #[serde(flatten)]
    pub expect: Expect,
}

impl Default for Http {
    fn default() -> Self {
        Self { path: "/ready".to_owned(), host: None, expect: Expect::default() }
    }
}

/// How a probe speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The name that is asked for and must be in the certificate; the host's where there is none.
    pub sni: Option<String>,
    /// The authorities that are believed, in PEM; the system's where there is none.
    pub ca_file: Option<PathBuf>,
    /// The probe's own certificate and its key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On the node that is probed.
    #[default]
    Node,
    /// On the coordinator.
    Coordinator,
}
