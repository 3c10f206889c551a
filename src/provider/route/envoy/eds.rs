//! The file with the endpoints of a cluster: a `DiscoveryResponse` in JSON, of which single endpoints are edited.
//!
//! The text is read twice: by its meaning, and by where each endpoint stands in it. So an edit replaces the text of one
//! endpoint's health status or weight, and every other byte stays. A receipt holds an endpoint's text, which goes back
//! as it was, unless another hand changed more of it in the meantime than the health status and the weight.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::model::{Desired, Exact};

const HEALTH: [&str; 2] = ["health_status", "healthStatus"];
const WEIGHT: [&str; 2] = ["load_balancing_weight", "loadBalancingWeight"];

/// The cluster's endpoints in the file.
#[derive(Debug)]
pub(super) struct Assignment {
    /// Each endpoint, by `address:port`.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// By how much Envoy overrates healthy hosts, in percent.
    pub overprovisioning: u32,
    /// Whether hosts count by their weights.
    pub weighted: bool,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Where it is in the file.
    pub span: Range<usize>,
    /// Its text.
    pub text: String,
    /// `address:port`
    pub address: String,
    /// Its health status as written; `UNKNOWN` where none is.
    pub health: String,
    /// Its weight; 1 where none is written.
    pub weight: u32,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    resources: Vec<&'a RawValue>,
}

/// Names come in the proto's spelling or in JSON's.
#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(alias = "clusterName")]
    cluster_name: Option<String>,
    #[serde(borrow, default)]
    endpoints: Vec<Locality<'a>>,
    #[serde(default)]
    policy: Policy,
}

#[derive(Deserialize, Default)]
struct Policy {
    #[serde(alias = "overprovisioningFactor")]
    overprovisioning_factor: Option<u32>,
    #[serde(alias = "weightedPriorityHealth", default)]
    weighted_priority_health: bool,
}

#[derive(Deserialize)]
struct Locality<'a> {
    #[serde(borrow, default, alias = "lbEndpoints")]
    lb_endpoints: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct LbEndpoint {
    endpoint: Host,
    #[serde(alias = "healthStatus")]
    health_status: Option<String>,
    #[serde(alias = "loadBalancingWeight")]
    load_balancing_weight: Option<u32>,
}

#[derive(Deserialize)]
struct Host {
    address: Address,
}

#[derive(Deserialize)]
struct Address {
    #[serde(alias = "socketAddress")]
    socket_address: SocketAddress,
}

/// The address of a socket, in the file and in what Envoy says.
#[derive(Debug, Deserialize)]
pub(super) struct SocketAddress {
    address: String,
    #[serde(alias = "portValue")]
    port_value: u16,
}

impl SocketAddress {
    /// `address:port`, with an IPv6 address in brackets.
    pub fn name(&self) -> String {
        let Self { address, port_value } = self;
        if address.contains(':') { format!("[{address}]:{port_value}") } else { format!("{address}:{port_value}") }
    }
}

/// The endpoints of `cluster` in this file. An error says what is wrong with it.
pub(super) fn read(text: &str, cluster: &str) -> Result<Assignment, String> {
    let response: Response<'_> =
        serde_json::from_str(text).map_err(|e| format!("no DiscoveryResponse in JSON: {e}"))?;
    let mut found = None;
    for raw in response.resources {
        let Ok(resource) = serde_json::from_str::<Resource<'_>>(raw.get()) else { continue };
        if resource.cluster_name.as_deref() == Some(cluster) && found.replace(resource).is_some() {
            return Err(format!("the cluster {cluster} is there twice"));
        }
    }
    let resource = found.ok_or_else(|| format!("it has no endpoints of the cluster {cluster}"))?;
    let mut endpoints = BTreeMap::new();
    for raw in resource.endpoints.iter().flat_map(|locality| &locality.lb_endpoints) {
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let endpoint = endpoint(raw.get(), start)?;
        let name = endpoint.address.clone();
        if endpoints.insert(name.clone(), endpoint).is_some() {
            return Err(format!("the endpoint {name} is there twice"));
        }
    }
    let Policy { overprovisioning_factor, weighted_priority_health } = resource.policy;
    let overprovisioning = overprovisioning_factor.unwrap_or(140);
    Ok(Assignment { endpoints, overprovisioning, weighted: weighted_priority_health })
}

fn endpoint(text: &str, start: usize) -> Result<Endpoint, String> {
    let read: LbEndpoint =
        serde_json::from_str(text).map_err(|e| format!("an endpoint cannot be understood: {e}: {text}"))?;
    Ok(Endpoint {
        span: start..start + text.len(),
        text: text.to_owned(),
        address: read.endpoint.address.socket_address.name(),
        health: read.health_status.unwrap_or_else(|| "UNKNOWN".into()),
        weight: read.load_balancing_weight.unwrap_or(1),
    })
}

impl Endpoint {
    /// Its text as desired; `None` where it is so already. An error is a refusal.
    pub fn edit(&self, desired: &Desired) -> Result<Option<String>, String> {
        let wanted = match desired {
            Desired::FreshCheck => return Ok(None),
            // Envoy knows no client that is bound to a host it does not choose.
            Desired::Drained | Desired::Closed if self.health == "DRAINING" => return Ok(None),
            Desired::Drained | Desired::Closed => set(&self.text, HEALTH, "\"DRAINING\"")?,
            Desired::Serving { weight: 0 } => return Err("Envoy has no weight of 0".into()),
            Desired::Serving { weight } => self.serving(*weight)?,
            Desired::Exactly { exact } => self.put_back(exact)?,
        };
        Ok((wanted != self.text).then_some(wanted))
    }

    fn serving(&self, weight: u32) -> Result<String, String> {
        let serves = ["UNKNOWN", "HEALTHY"].contains(&self.health.as_str());
        let text = if serves { self.text.clone() } else { set(&self.text, HEALTH, "\"HEALTHY\"")? };
        if weight == self.weight { Ok(text) } else { set(&text, WEIGHT, &weight.to_string()) }
    }

    fn put_back(&self, exact: &Exact) -> Result<String, String> {
        let foreign = || format!("{} is no state of an endpoint of Envoy", exact.0);
        let text = exact.0.get("endpoint").and_then(Value::as_str).ok_or_else(foreign)?;
        let was = endpoint(text, 0).map_err(|_| foreign())?;
        if exact.0.as_object().is_none_or(|fields| fields.len() != 3) || was.address != self.address {
            return Err(foreign());
        }
        if theirs(text)? != theirs(&self.text)? {
            return Err(format!("another hand changed the endpoint {} since: {}", self.address, self.text));
        }
        Ok(text.to_owned())
    }

    /// The state to put back, and what Envoy makes of it: equal only where both are.
    pub fn exact(&self, health: &str, weight: u32) -> Exact {
        Exact(json!({ "endpoint": self.text, "health": health, "weight": weight }))
    }
}

/// What of an endpoint Tidegate never changes.
fn theirs(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let mut fields: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    HEALTH.iter().chain(&WEIGHT).for_each(|ours| drop(fields.remove(*ours)));
    Ok(fields)
}

/// The object's text with another value of this field, in the field's place or as the first.
fn set(object: &str, names: [&str; 2], value: &str) -> Result<String, String> {
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(object).map_err(|e| format!("{e}: {object}"))?;
    let mut text = object.to_owned();
    match names.iter().find_map(|name| fields.get(name)) {
        Some(old) => {
            let start = old.get().as_ptr() as usize - object.as_ptr() as usize;
            text.replace_range(start..start + old.get().len(), value);
        }
        None => text.insert_str(1, &format!(" \"{}\": {value},", names[0])),
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
