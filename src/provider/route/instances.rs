//! What every proxy that is reached over its machine has in common in the configuration: a name, the machine, the
//! addresses from which it connects, the node on which it runs.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::kind::{About, key};
use crate::{
    config::{
        reader::{Reader, Spot},
        report::Problems,
        shape::{Key, Kind as Form, Literal, Need},
        texts,
    },
    model::{InstanceName, NodeName, topology::InstanceShape},
};

/// What this machine is called in place of an SSH host.
const HERE: &str = "local";

/// Where one instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Its name in plans and messages.
    pub name: InstanceName,
    /// The host that SSH connects to; `None` is this machine.
    pub host: Option<String>,
    /// The addresses from which it connects to the nodes. Where none are known, its idle connections explain sockets
    /// from anywhere.
    pub source: Vec<IpAddr>,
    /// The node on which it runs, where that is one that can be drained.
    pub node: Option<NodeName>,
}

impl Seat {
    /// The shape of the instance.
    pub fn shape(&self) -> InstanceShape {
        InstanceShape { source: self.source.clone(), host: self.node.clone(), ..InstanceShape::default() }
    }

    /// The machine, in words.
    pub fn place(&self) -> &str {
        self.host.as_deref().unwrap_or("this machine")
    }
}

/// The form of an instance as text: its SSH host.
pub(crate) static HOST: Form = Form::Text(&texts::SSH_HOST);

/// `name`
pub(crate) const NAME: Key = key(
    "name",
    Form::Text(&texts::LABEL),
    Need::Optional("its host; with a number behind where that is taken"),
    "Its name in plans and messages.",
);
/// `host`
pub(crate) const HOST_KEY: Key = key(
    "host",
    Form::Text(&texts::SSH_HOST),
    Need::Default(Literal::Text(HERE)),
    "The host or alias that SSH connects to; `local` is this machine.",
);
/// `source`
pub(crate) const SOURCE: Key = key(
    "source",
    Form::List(&Form::Ip, 0),
    Need::Default(Literal::Texts(&[])),
    "Addresses from which it connects to the nodes. Where none are known, its idle connections explain sockets from anywhere.",
);
/// `node`
pub(crate) const NODE: Key = key(
    "node",
    Form::Text(&texts::NODE),
    Need::Optional("it runs on no node that is ever drained"),
    "The node on which it runs: before that node goes, clients must have left this instance too.",
);

/// Reads `instances`: each a host as text, or a table. `make` gives one its other settings, which have no table where
/// it is a text.
pub(crate) fn read<T>(
    r: &Reader<'_>,
    about: &About<'_>,
    problems: &mut Problems,
    make: impl Fn(Seat, Option<&Reader<'_>>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut names = BTreeSet::new();
    let mut written = Vec::new();
    for item in r.items("instances") {
        let (spot, one) = match item {
            Ok(table) => (table.here(), Written::table(table, about, problems)?),
            Err((spot, host)) => (spot, Written { host, ..Written::default() }),
        };
        if let Some(name) = one.name.as_ref().filter(|name| !names.insert((*name).clone())) {
            report(&spot, name, problems);
        }
        written.push(one);
    }
    let seat = |one: &Written<'_>| {
        let name = one.name.clone().unwrap_or_else(|| free(&one.host, &names));
        names.insert(name.clone());
        let host = (one.host != HERE).then(|| one.host.clone());
        Seat { name, host, source: one.source.clone(), node: one.node.clone() }
    };
    let seats: Vec<Seat> = written.iter().map(seat).collect();
    seats.into_iter().zip(&written).map(|(seat, one)| make(seat, one.table.as_ref())).collect()
}

/// An instance as it is written.
#[derive(Default)]
struct Written<'t> {
    table: Option<Reader<'t>>,
    name: Option<InstanceName>,
    host: String,
    source: Vec<IpAddr>,
    node: Option<NodeName>,
}

impl<'t> Written<'t> {
    fn table(r: Reader<'t>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        Some(Self {
            name: r.text("name").map(InstanceName::new),
            host: r.text("host")?,
            source: r.texts("source")?.into_iter().map(|(_, ip)| ip.parse().ok()).collect::<Option<_>>()?,
            node: about.context.node(&r, "node", problems),
            table: Some(r),
        })
    }
}

fn report(spot: &Spot, name: &InstanceName, problems: &mut Problems) {
    spot.report(problems, format!("there are two instances named \"{name}\""), "give each its own name");
}

/// The host as a name, with a number behind where it is taken.
fn free(host: &str, taken: &BTreeSet<InstanceName>) -> InstanceName {
    (1..)
        .map(|n| InstanceName::new(if n == 1 { host.to_owned() } else { format!("{host}-{n}") }))
        .find(|name| !taken.contains(name))
        .expect("names do not run out before numbers do")
}
