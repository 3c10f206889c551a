//! A program of your own: anything that can be asked and told, in one small JSON protocol.
//!
//! For each question or change the program is started anew. It reads one JSON object on its standard input, writes one
//! on its standard output, and ends; `docs/exec-provider.md` is its reference, `config/exec/` has two that work. What a
//! program can do wrong is many things, and none of them may read as an answer: it is stopped at a time limit, what it
//! writes is bounded, every field is checked, it must speak of exactly the members that it was asked about, and an exit
//! code that does not mean "nothing changed" leaves the outcome unknown. It sees no environment of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    instances::{self, Seat},
    kind::{About, BALANCER, Kind, Tools, key},
    machine::Machine,
};
use crate::{
    config::{
        reader::Reader,
        report::Problems,
        settings::Place,
        shape::{Key, Kind as Form, Literal, Need, Shape, Variant},
        texts,
    },
    model::{
        Admission, Counters, Desired, Exact, Health, InstanceName, InstanceView, MemberView, NodeName, RouteId,
        topology::InstanceShape,
    },
    provider::{ProviderError, Result, RouteProvider, access::Output},
};

/// The protocol's version, in every request and every answer.
const VERSION: u32 = 1;
/// Longest answer.
const MAX_ANSWER: usize = 1 << 20;
/// Longest complaint.
const MAX_COMPLAINT: usize = 64 << 10;
/// The exit code for "no, and nothing changed".
const REFUSED: i32 = 10;
/// The exit code for "what I drive does not answer, and nothing was sent".
const UNREACHABLE: i32 = 11;
/// All that the program sees of an environment.
const ENVIRONMENT: [&str; 4] =
    ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"];

/// What a program of the operator's drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// A member's name in the protocol; `{node}` and `{address}` stand for the node's.
    pub server: String,
    /// Everything that must acknowledge.
    pub instances: Vec<Instance>,
}

/// One instance: where its program runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it is.
    #[serde(flatten)]
    pub seat: Seat,
    /// Arguments for this instance, behind the route's.
    pub arguments: Vec<String>,
}

impl Kind for Settings {
    const VARIANT: Variant =
        Variant { name: "exec", about: "A program of your own, by JSON on its input and output.", keys: &KEYS };
    const TIER: u16 = BALANCER;

    fn read(r: &Reader<'_>, about: &About<'_>, problems: &mut Problems) -> Option<Self> {
        let words =
            |r: &Reader<'_>, key: &str| Some(r.texts(key)?.into_iter().map(|(_, word)| word).collect::<Vec<_>>());
        let instances = instances::read(r, about, problems, |seat, table| {
            let arguments = table.map_or(Some(Vec::new()), |r| words(r, "arguments"))?;
            Some(Instance { seat, arguments })
        });
        Some(Self { program: words(r, "program")?, server: r.text("server")?, instances: instances? })
    }

    fn name(&self) -> String {
        let file = self.program.first().map(std::path::Path::new).and_then(|path| path.file_stem());
        file.map_or_else(|| "program".into(), |name| name.to_string_lossy().into_owned())
    }

    fn drives(&self) -> Vec<String> {
        let one =
            |i: &Instance| format!("{} on {}", [&self.program[..], &i.arguments].concat().join(" "), i.seat.place());
        self.instances.iter().map(one).collect()
    }

    fn hosts(&self, _places: &[Place]) -> Vec<String> {
        self.instances.iter().filter_map(|i| i.seat.host.clone()).collect()
    }

    fn instances(&self, _places: &[Place]) -> BTreeMap<InstanceName, InstanceShape> {
        self.instances.iter().map(|i| (i.seat.name.clone(), i.seat.shape())).collect()
    }

    fn server(&self, place: &Place) -> String {
        place.fill(&self.server)
    }

    fn connect(&self, id: RouteId, places: Vec<Place>, tools: &Tools) -> Arc<dyn RouteProvider> {
        Arc::new(Exec::new(id, self, &places, tools))
    }
}

static KEYS: [Key; 3] = [
    key(
        "program",
        Form::List(&Form::Text(&texts::ARGUMENT), 1),
        Need::Required,
        "The program, by its path, and its arguments. See `docs/exec-provider.md`.",
    ),
    key(
        "server",
        Form::Text(&texts::MEMBER),
        Need::Default(Literal::Text("{node}")),
        "A member's name in the protocol; `{node}` stands for the node's name, `{address}` for its address.",
    ),
    key(
        "instances",
        Form::List(&Form::Either(&instances::HOST, &INSTANCE), 1),
        Need::Required,
        "Everything that must acknowledge, by the SSH host (or `local`) on which its program runs, as text or as a table.",
    ),
];

static INSTANCE: Shape = Shape {
    about: "One balancer behind the program.",
    keys: &[
        instances::NAME,
        instances::HOST_KEY,
        key(
            "arguments",
            Form::List(&Form::Text(&texts::ARGUMENT), 0),
            Need::Default(Literal::Texts(&[])),
            "Arguments for this instance, behind those of `program`.",
        ),
        instances::SOURCE,
        instances::NODE,
    ],
    variants: None,
    label: &["name", "host"],
};

/// The provider.
pub struct Exec {
    id: RouteId,
    members: Vec<Member>,
    instances: BTreeMap<InstanceName, (Machine, Vec<String>)>,
}

/// A member as the program is told of it.
#[derive(Serialize)]
struct Member {
    name: String,
    node: NodeName,
    address: Option<IpAddr>,
}

/// What the program is asked.
#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    call: &'a str,
    route: &'a RouteId,
    instance: &'a InstanceName,
    members: &'a [Member],
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<&'a Desired>,
}

/// Its answer to `observe`. What is not optional must be said: silence is no zero.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    generation: String,
    members: BTreeMap<String, SeenMember>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenMember {
    admission: Admission,
    health: SeenHealth,
    /// What a failing check saw.
    reason: Option<String>,
    weight: u32,
    sessions: u64,
    idle: u64,
    requests_total: Option<u64>,
    errors_total: Option<u64>,
    #[serde(default)]
    linger_seconds: u32,
    #[serde(default)]
    admits_bound: bool,
    refuses_drain: Option<String>,
    exact: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SeenHealth {
    Passing,
    Failing,
    Unchecked,
}

/// Its answer to everything else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    done: bool,
}

impl From<SeenMember> for MemberView {
    fn from(seen: SeenMember) -> Self {
        let health = match seen.health {
            SeenHealth::Passing => Health::Passing,
            SeenHealth::Unchecked => Health::Unchecked,
            SeenHealth::Failing => Health::Failing { reason: seen.reason.unwrap_or_else(|| "no reason given".into()) },
        };
        Self {
            still_chosen: false,
            admission: seen.admission,
            health,
            weight: seen.weight,
            sessions: seen.sessions,
            idle: seen.idle,
            requests_total: seen.requests_total.unwrap_or_default(),
            errors_total: seen.errors_total.unwrap_or_default(),
            counters: Counters {
                requests: seen.requests_total,
                failed_requests: seen.errors_total,
                ..Counters::default()
            },
            effective_weight: None,
            configured_weight: None,
            since_change: None,
            linger: Duration::from_secs(seen.linger_seconds.into()),
            admits_bound: seen.admits_bound,
            refuses_drain: seen.refuses_drain,
            exact: Exact(seen.exact),
        }
    }
}

impl Exec {
    /// Drives `settings.program` on `settings.instances` for the members that `places` are.
    pub fn new(id: RouteId, settings: &Settings, places: &[Place], tools: &Tools) -> Self {
        let one = |i: &Instance| {
            let argv = [&settings.program[..], &i.arguments].concat();
            (i.seat.name.clone(), (Machine::new(i.seat.host.as_deref(), false, tools), argv))
        };
        let member = |p: &Place| Member { name: p.fill(&settings.server), node: p.node.clone(), address: p.address };
        Self {
            id,
            members: places.iter().map(member).collect(),
            instances: settings.instances.iter().map(one).collect(),
        }
    }

    /// Asks the program once.
    async fn ask<T: DeserializeOwned>(
        &self,
        call: &str,
        instance: &InstanceName,
        member: Option<&str>,
        desired: Option<&Desired>,
    ) -> Result<T> {
        let refuse = |what: String| ProviderError::Refused(format!("{} has no {what}", self.id));
        let (machine, argv) = self.instances.get(instance).ok_or_else(|| refuse(format!("instance {instance}")))?;
        if let Some(unknown) = member.filter(|member| self.members.iter().all(|m| m.name != *member)) {
            return Err(refuse(format!("member {unknown}")));
        }
        let members = &self.members;
        let request = Request { version: VERSION, call, route: &self.id, instance, members, member, desired };
        let request = serde_json::to_vec(&request).map_err(|e| ProviderError::Refused(e.to_string()))?;
        let argv: Vec<&str> = ENVIRONMENT.into_iter().chain(argv.iter().map(String::as_str)).collect();
        answer(machine.feed(&argv, &request).await?)
    }

    async fn tell(&self, call: &str, instance: &InstanceName, member: &str, desired: Option<&Desired>) -> Result<()> {
        match self.ask::<Done>(call, instance, Some(member), desired).await? {
            Done { done: true } => Ok(()),
            Done { done: false } => Err(ProviderError::Unexpected("the program says that it is not done".into())),
        }
    }
}

/// What the program's end means, and its answer where it has one.
fn answer<T: DeserializeOwned>(output: Output) -> Result<T> {
    let odd = |why: String| ProviderError::Unexpected(format!("the program's answer: {why}"));
    if output.stdout.len() > MAX_ANSWER || output.stderr.len() > MAX_COMPLAINT {
        return Err(odd("it is longer than anybody can mean it".into()));
    }
    let said =
        output.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned();
    match output.code {
        Some(0) => {}
        Some(REFUSED) => return Err(ProviderError::Refused(said)),
        Some(UNREACHABLE) => return Err(ProviderError::Unreachable(said)),
        Some(code) => return Err(odd(format!("it ended with {code}: {said}"))),
        None => return Err(odd(format!("a signal ended it: {said}"))),
    }
    let mut value: serde_json::Value = serde_json::from_str(&output.stdout).map_err(|e| odd(e.to_string()))?;
    match value.as_object_mut().and_then(|fields| fields.remove("version")) {
        Some(version) if version == VERSION => serde_json::from_value(value).map_err(|e| odd(e.to_string())),
        Some(version) => Err(odd(format!("it is of version {version}, and not of {VERSION}"))),
        None => Err(odd("it is no object with a version".into())),
    }
}

#[async_trait]
impl RouteProvider for Exec {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let Seen { generation, members, warnings } = self.ask("observe", instance, None, None).await?;
        let asked: BTreeSet<&str> = self.members.iter().map(|m| m.name.as_str()).collect();
        let told: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        let odd = |why: String| Err(ProviderError::Unexpected(format!("the program's answer: {why}")));
        if generation.is_empty() {
            return odd("its generation is empty".into());
        }
        if let Some(name) = asked.symmetric_difference(&told).next() {
            let what = if told.contains(name) { "nobody asked about" } else { "it says nothing of" };
            return odd(format!("{what} the member {name}"));
        }
        let members = members.into_iter().map(|(name, member)| (name, member.into())).collect();
        Ok(InstanceView { generation, members, warnings, ..InstanceView::default() })
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        self.tell("apply", instance, server, Some(desired)).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.tell("close", instance, server, None).await
    }
}
