//! What bgpd says through vtysh, made into values. Pure.
//!
//! Several commands of one call answer one after the other: JSON documents first, the running configuration last. An
//! empty object is an answer (no such prefix); an object with a `warning` is none (no BGP at all), though vtysh calls
//! both a success.

use std::net::IpAddr;

use serde_json::Value;

use crate::provider::route::bgp::prefix::Prefix;

/// The JSON documents at the beginning of an output, and what follows them.
pub(super) fn documents<const N: usize>(output: &str) -> Result<([Value; N], &str), String> {
    let mut values = serde_json::Deserializer::from_str(output).into_iter::<Value>();
    let mut all = [const { Value::Null }; N];
    for one in &mut all {
        let value = values.next().ok_or("an answer is missing")?.map_err(|e| format!("the answer is no JSON: {e}"))?;
        if let Some(warning) = value.get("warning").and_then(Value::as_str) {
            return Err(warning.to_owned());
        }
        *one = value;
    }
    let rest = output.get(values.byte_offset()..).unwrap_or_default();
    Ok((all, rest))
}

/// One path to the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Next hops, the peer, and the originator behind a route reflector.
    pub(super) speakers: Vec<IpAddr>,
    /// It carries 65535:0.
    pub(super) marked: bool,
    /// It comes from this daemon itself.
    pub(super) own: bool,
}

/// `show bgp ipv4 unicast PREFIX json`: the paths, and how many peers are told of the best one.
pub(super) fn paths(answer: &Value) -> Result<(Vec<Path>, usize), String> {
    let Some(answer) = answer.as_object() else { return Err("the answer about the prefix is no object".into()) };
    if answer.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let listed = answer.get("paths").and_then(Value::as_array).ok_or("the answer about the prefix has no paths")?;
    let told = answer.get("advertisedTo").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    Ok((listed.iter().map(path).collect::<Result<_, _>>()?, told))
}

fn path(path: &Value) -> Result<Path, String> {
    let address = |value: Option<&Value>| value.and_then(Value::as_str).and_then(|text| text.parse::<IpAddr>().ok());
    let hops = path.get("nexthops").and_then(Value::as_array).ok_or("a path without next hops")?;
    let peer = path.get("peer").ok_or("a path without a peer")?;
    let from = address(peer.get("peerId"));
    // Its own paths come from the peer 0.0.0.0 (or ::), whatever put them there.
    let own = from.is_some_and(|ip| ip.is_unspecified());
    let speakers = hops.iter().map(|hop| address(hop.get("ip"))).chain([from, address(path.get("originatorId"))]);
    let community = path.pointer("/community/string").and_then(Value::as_str).unwrap_or_default();
    let marked = community.split_whitespace().any(|word| word == "graceful-shutdown" || word == "65535:0");
    Ok(Path { speakers: speakers.flatten().collect(), marked, own })
}

/// `show bgp ipv4 unicast summary json`: how many sessions stand, and the names of the others.
pub(super) fn sessions(answer: &Value) -> Result<(usize, Vec<String>), String> {
    let Some(answer) = answer.as_object() else { return Err("the summary is no object".into()) };
    if answer.is_empty() {
        return Ok((0, Vec::new()));
    }
    let peers = answer.get("peers").and_then(Value::as_object).ok_or("the summary has no peers")?;
    let stands = |peer: &Value| peer.get("state").and_then(Value::as_str) == Some("Established");
    let down = peers.iter().filter(|(_, peer)| !stands(peer)).map(|(name, _)| name.clone());
    Ok((peers.values().filter(|peer| stands(peer)).count(), down.collect()))
}

/// What the running configuration says of the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configured {
    /// `router bgp 65001`, of the default VRF.
    pub(super) router: String,
    /// `network 192.0.2.80/32 route-map ANYCAST`, as it is written there.
    pub(super) statement: Option<String>,
    /// The names of all route-maps.
    pub(super) route_maps: Vec<String>,
}

/// Reads the running configuration.
pub(super) fn configured(running: &str, prefix: Prefix) -> Result<Configured, String> {
    let family = format!("address-family {} unicast", prefix.family());
    let (mut router, mut statement, mut route_maps) = (None, None, Vec::new());
    let (mut inside, mut in_family, mut ended) = (false, false, false);
    for line in running.lines().map(str::trim_end) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // A router of another VRF or view has more words.
            ["router", "bgp", number] if !line.starts_with(' ') => {
                inside = true;
                router = Some(format!("router bgp {number}"));
            }
            ["address-family", ..] if inside => in_family = line.trim() == family,
            ["exit-address-family"] => in_family = false,
            ["network", of, ..] if inside && in_family && of.parse() == Ok(prefix) => {
                statement = Some(words.join(" "));
            }
            ["route-map", name, "permit" | "deny", ..] if !line.starts_with(' ') => route_maps.push((*name).to_owned()),
            ["end"] => ended = true,
            [first, ..] if !line.starts_with(' ') && *first != "!" => (inside, in_family) = (false, false),
            _ => {}
        }
    }
    if !ended {
        return Err("the running configuration is cut short".into());
    }
    let router = router.ok_or("bgpd has no `router bgp` in the default VRF (has it read its configuration yet?)")?;
    Ok(Configured { router, statement, route_maps })
}

#[cfg(test)]
mod tests;
