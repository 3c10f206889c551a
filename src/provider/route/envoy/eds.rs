//! The file of endpoints: read as it is written, changed in two places.
//!
//! A `DiscoveryResponse` as JSON. Every member's object is known by where its text stands, so a change replaces a word
//! and leaves the rest as somebody wrote it, to the last blank; and what is put back is the text of before. Protobuf's
//! JSON takes two spellings of each field, and numbers for the words of an enumeration: so does this.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::running::Status;
use crate::model::{Desired, Exact};

/// The key of a receipt.
const RECEIPT: &str = "lb_endpoint";

/// One cluster's endpoints in a file.
#[derive(Debug)]
pub(super) struct Assignment {
    /// Members by their address, as it is written in both places.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Whether a policy changes how Envoy computes what is available.
    pub has_policy: bool,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoint {
    /// Where its object stands in the file.
    pub span: Range<usize>,
    /// The object as it is written.
    pub text: String,
    /// Its name, where it has one.
    pub hostname: String,
    /// What the file says of its health.
    pub status: Status,
    /// Its weight.
    pub weight: u32,
    /// Whether Envoy's checks leave it out.
    pub unchecked: bool,
}

#[derive(Deserialize)]
struct Response<'t> {
    #[serde(borrow)]
    resources: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct Load<'t> {
    #[serde(alias = "clusterName")]
    cluster_name: Cow<'t, str>,
    #[serde(borrow, default)]
    endpoints: Vec<Locality<'t>>,
    #[serde(default)]
    policy: Value,
}

#[derive(Deserialize)]
struct Locality<'t> {
    #[serde(borrow, default, alias = "lbEndpoints")]
    lb_endpoints: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct Written<'t> {
    endpoint: Inner,
    #[serde(borrow, default, alias = "healthStatus")]
    health_status: Option<&'t RawValue>,
    #[serde(borrow, default, alias = "loadBalancingWeight")]
    load_balancing_weight: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Inner {
    address: Address,
    #[serde(default)]
    hostname: String,
    #[serde(default, alias = "healthCheckConfig")]
    health_check_config: Checks,
}

#[derive(Default, Deserialize)]
struct Checks {
    #[serde(default, alias = "disableActiveHealthCheck")]
    disable_active_health_check: bool,
}

/// An address, as it stands in the file and in the admin interface's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Address {
    #[serde(alias = "socketAddress")]
    socket_address: Option<Socket>,
    pipe: Option<Pipe>,
}

#[derive(Debug, Deserialize)]
struct Socket {
    address: String,
    #[serde(alias = "portValue")]
    port_value: u16,
}

#[derive(Debug, Deserialize)]
struct Pipe {
    path: String,
}

impl Address {
    /// In words that are the same for the same address.
    pub(super) fn key(&self) -> Result<String, String> {
        match (&self.socket_address, &self.pipe) {
            (Some(s), None) if s.address.contains(':') => Ok(format!("[{}]:{}", s.address, s.port_value)),
            (Some(s), None) => Ok(format!("{}:{}", s.address, s.port_value)),
            (None, Some(pipe)) => Ok(pipe.path.clone()),
            _ => Err("an endpoint has an address of an unknown kind".into()),
        }
    }
}

/// Reads the endpoints of `cluster`. A file that holds it twice, or not at all, is an error.
pub(super) fn read(text: &str, cluster: &str) -> Result<Assignment, String> {
    let response: Response<'_> = serde_json::from_str(text).map_err(|e| format!("no response of EDS as JSON: {e}"))?;
    let mut found = None;
    for resource in response.resources {
        let load: Load<'_> = serde_json::from_str(resource.get()).map_err(|e| format!("a resource: {e}"))?;
        if load.cluster_name == cluster && found.replace(load).is_some() {
            return Err(format!("it has the cluster {cluster} twice"));
        }
    }
    let load = found.ok_or_else(|| format!("it has no cluster {cluster}"))?;
    let mut endpoints = BTreeMap::new();
    for raw in load.endpoints.iter().flat_map(|locality| &locality.lb_endpoints) {
        let (key, endpoint) = endpoint(text, raw)?;
        if endpoints.insert(key.clone(), endpoint).is_some() {
            return Err(format!("it has the endpoint {key} twice"));
        }
    }
    Ok(Assignment { endpoints, has_policy: !load.policy.is_null() })
}

fn endpoint(text: &str, raw: &RawValue) -> Result<(String, Endpoint), String> {
    let written = written(raw.get())?;
    let key = written.endpoint.address.key()?;
    let status = written.health_status.map_or(Ok(Status::Unknown), |raw| Status::read(raw.get()));
    let weight = written.load_balancing_weight.map_or(Ok(1), |raw| raw.get().parse());
    let endpoint = Endpoint {
        span: span(text, raw.get()),
        text: raw.get().to_owned(),
        hostname: written.endpoint.hostname,
        status: status.map_err(|why| format!("{key}: {why}"))?,
        weight: weight.map_err(|_| format!("{key} has a load_balancing_weight that is no whole number"))?,
        unchecked: written.endpoint.health_check_config.disable_active_health_check,
    };
    Ok((key, endpoint))
}

fn written(text: &str) -> Result<Written<'_>, String> {
    serde_json::from_str(text).map_err(|e| format!("an endpoint: {e}"))
}

/// Where a part stands in the whole that it was borrowed from.
fn span(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

impl Endpoint {
    /// The state to put back.
    pub(super) fn exact(&self) -> Exact {
        Exact(json!({ RECEIPT: self.text }))
    }

    /// Its object as it must become; the same text where it is so already. `out` is the word that keeps out everybody
    /// whom [`Desired::Closed`] means.
    pub(super) fn edited(&self, desired: &Desired, out: Status) -> Result<String, String> {
        match desired {
            Desired::Drained if !self.status.serves() => Ok(self.text.clone()),
            Desired::Drained => set(&self.text, "health_status", "\"DRAINING\""),
            Desired::Closed if self.status.serves() || (out != Status::Draining && self.status != out) => {
                set(&self.text, "health_status", &format!("\"{}\"", out.word()))
            }
            Desired::Closed | Desired::FreshCheck => Ok(self.text.clone()),
            Desired::Serving { weight: 0 } => Err("Envoy has no weight 0".into()),
            Desired::Serving { weight } => {
                let text = if self.weight == *weight {
                    self.text.clone()
                } else {
                    set(&self.text, "load_balancing_weight", &weight.to_string())?
                };
                if self.status.serves() { Ok(text) } else { set(&text, "health_status", "\"HEALTHY\"") }
            }
            Desired::Exactly { exact } => {
                let receipt = exact.0.get(RECEIPT).and_then(Value::as_str);
                let receipt = receipt.ok_or_else(|| format!("{} is no state of an endpoint", exact.0))?;
                if stripped(receipt)? != stripped(&self.text)? {
                    return Err("another hand changed more of it than its health and weight, so it stays".into());
                }
                Ok(receipt.to_owned())
            }
        }
    }
}

/// An object without the two fields that are ours to change.
fn stripped(text: &str) -> Result<Value, String> {
    let mut value: Value = serde_json::from_str(text).map_err(|e| format!("no endpoint: {e}"))?;
    let fields = value.as_object_mut().ok_or("no endpoint, which is an object")?;
    fields.retain(|name, _| {
        !["health_status", "healthStatus", "load_balancing_weight", "loadBalancingWeight"].contains(&name.as_str())
    });
    Ok(value)
}

/// Gives one of the two fields this value, where it stands or in front of the others.
fn set(text: &str, field: &str, value: &str) -> Result<String, String> {
    let written = written(text)?;
    let old = if field == "health_status" { written.health_status } else { written.load_balancing_weight };
    let mut new = text.to_owned();
    match old {
        Some(old) => new.replace_range(span(text, old.get()), value),
        None => new.insert_str(1, &format!("\"{field}\": {value}, ")),
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
