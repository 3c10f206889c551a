//! What a node's disk says: the files of units and of what is deployed, by their SHA-256, and what systemd made of them.
//!
//! One command a node, which reads and changes nothing. Content never leaves the node.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    model::{NodeName, UnitName},
    provider::{ProviderError, Result, access::Access},
    review::{Known, Machine, Unit},
};

/// Time limit for one node: archives may be large.
const LIMIT: Duration = Duration::from_secs(60);

/// The way to the nodes' disks.
pub struct Files {
    access: Arc<dyn Access>,
    hosts: BTreeMap<NodeName, String>,
}

impl Files {
    /// Reads on these nodes, each with the host that `access` knows it by.
    pub fn new(access: Arc<dyn Access>, hosts: BTreeMap<NodeName, String>) -> Self {
        Self { access, hosts }
    }

    /// These units and files on one node. What is not there is `None`, what cannot be read says so; a node that does
    /// not answer is an error.
    pub async fn read(&self, node: &NodeName, units: &[&UnitName], files: &[&PathBuf]) -> Result<Machine> {
        let unknown = || ProviderError::Unreachable(format!("{node} is not a node whose files are known"));
        let host = self.hosts.get(node).ok_or_else(unknown)?;
        let paths: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        let mut argv = vec!["sh", "-c", include_str!("files.sh"), "tidegate"];
        argv.extend(units.iter().map(|u| u.as_str()));
        argv.push("--");
        argv.extend(paths.iter().map(String::as_str));
        let said = self.access.run(host, &argv, LIMIT).await?;
        if said.code != Some(0) {
            let why = said.stderr.lines().next().unwrap_or("no reason given").chars().take(200).collect::<String>();
            return Err(ProviderError::Unexpected(format!("{node}: the look at units and files failed: {why}")));
        }
        parse(&said.stdout).map_err(|line| ProviderError::Unexpected(format!("{node}: units and files: {line}")))
    }
}

/// One unit as it is read, line by line.
#[derive(Default)]
struct Reading {
    name: String,
    properties: BTreeMap<String, String>,
    content: BTreeMap<PathBuf, Known<Option<String>>>,
}

fn parse(said: &str) -> std::result::Result<Machine, String> {
    let mut machine = Machine::default();
    let mut current: Option<Reading> = None;
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("unit ") {
            finish(current.replace(Reading { name: name.to_owned(), ..Reading::default() }), &mut machine)?;
        } else if line == "files" {
            finish(current.take(), &mut machine)?;
        } else if let Some(rest) = line.strip_prefix("file ") {
            let (state, path) = rest.split_once(' ').ok_or_else(|| line.to_owned())?;
            let content = match state {
                "missing" => Ok(None),
                "unreadable" => Err(format!("{path} cannot be read there")),
                hash if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(Some(hash.to_owned())),
                _ => return Err(line.to_owned()),
            };
            let into = current.as_mut().map_or(&mut machine.files, |unit| &mut unit.content);
            into.insert(path.into(), content);
        } else {
            let (unit, (name, value)) = current.as_mut().zip(line.split_once('=')).ok_or_else(|| line.to_owned())?;
            unit.properties.insert(name.to_owned(), value.to_owned());
        }
    }
    finish(current, &mut machine)?;
    Ok(machine)
}

fn finish(reading: Option<Reading>, machine: &mut Machine) -> std::result::Result<(), String> {
    let Some(Reading { name, properties, content }) = reading else { return Ok(()) };
    let text = |key: &str| properties.get(key).map(String::as_str).ok_or_else(|| format!("{name} has no {key}"));
    let micros = |key: &str| text(key).map(|value| value.parse::<u64>().unwrap_or(0));
    let unit = match text("LoadState")? {
        "not-found" => None,
        "loaded" => {
            let (left, entered) = (micros("InactiveExitTimestampMonotonic")?, micros("ActiveEnterTimestampMonotonic")?);
            let took = entered.checked_sub(left).filter(|_| left > 0 && entered > 0);
            let stop = text("TimeoutStopUSec")?;
            Some(Unit {
                content,
                file_state: text("UnitFileState")?.to_owned(),
                stop_timeout: if stop == "infinity" { None } else { Some(span(stop)?) },
                started_in: took.map(Duration::from_micros),
            })
        }
        other => return Err(format!("{name} is {other}")),
    };
    machine.units.insert(UnitName::new(name), unit);
    Ok(())
}

/// A time as systemd prints it: `1min 30s`.
fn span(text: &str) -> std::result::Result<Duration, String> {
    let odd = || format!("{text:?} is no time");
    let mut total = Duration::ZERO;
    for part in text.split_whitespace() {
        let digits = part.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(odd)?;
        let (number, unit) = part.split_at(digits);
        let number: f64 = number.parse().map_err(|_| odd())?;
        let seconds = match unit {
            "us" => 0.000_001,
            "ms" => 0.001,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "month" => 2_629_800.0,
            "y" => 31_557_600.0,
            _ => return Err(odd()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| odd())?;
    }
    if total.is_zero() { Err(odd()) } else { Ok(total) }
}

#[cfg(test)]
mod tests;
