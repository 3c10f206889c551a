//! What stands before a drill: that it is about one thing, that somebody agreed to break that, that the cluster can bear the
//! loss, and that the load can be sent. Nothing is touched here; every refusal says so.

use std::{
    collections::BTreeSet,
    io::{IsTerminal, stderr, stdin},
    sync::Arc,
};

use super::{
    super::{
        act::{confirm, may_ask},
        context::{self, Context},
        exit::{Code, Failure, Result},
    },
    run::Run,
};
use crate::{
    drill::{
        load::remote::{self, Senders},
        meter::PROGRAM,
    },
    model::{InstanceName, Leave, NodeName},
    plan::{Purpose, Request, gates::Gate},
    playbook::{Action, Place, Playbook, model::Load},
};

/// The gate of windows in which nothing is drained: nothing is broken then either.
const CALENDAR: &str = "calendar";

/// What the drill is about.
pub(super) struct Target {
    node: Option<NodeName>,
    place: Option<Place>,
}

impl Target {
    /// Finds it. A drill is about one node, or about a host that is no member.
    pub(super) fn of(playbook: &Playbook, waves: &[Vec<NodeName>]) -> Result<Self> {
        let mut nodes = waves.iter().flatten();
        let node = nodes.next().cloned();
        if nodes.next().is_some() {
            return Err(Failure::usage("a drill is about one node"));
        }
        let place = playbook.all_steps().find_map(|step| match &step.action {
            Action::Fault { place, .. } => Some(place.clone()),
            _ => None,
        });
        Ok(Self { node, place: place.flatten() })
    }

    /// As a person names it.
    pub(super) fn name(&self) -> String {
        match (&self.place, &self.node) {
            (Some(Place::Host { host, .. }), _) => host.clone(),
            (Some(Place::Node(node)), _) | (None, Some(node)) => node.to_string(),
            (None, None) => String::new(),
        }
    }

    /// The instance of routes that it is, where it is one.
    pub(super) fn instance(&self) -> Option<InstanceName> {
        match &self.place {
            Some(Place::Host { instance, .. }) => instance.clone(),
            _ => None,
        }
    }

    /// As routes name it, where they lead there.
    pub(super) fn routed(&self) -> Option<NodeName> {
        match &self.place {
            Some(Place::Node(node)) => Some(node.clone()),
            Some(Place::Host { host, instance }) => {
                let name = instance.as_ref().map_or(host.as_str(), |instance| instance.as_str());
                Some(NodeName::new(name))
            }
            None => self.node.clone(),
        }
    }
}

/// What a person has to be asked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Nothing: it was given with the command.
    Given,
    /// Yes or no.
    Ask,
    /// The name of what is broken, to be typed.
    Type,
}

impl Consent {
    /// What is to be asked. What breaks something is agreed to by its name and by nothing else; where there is nobody to
    /// type it, or it is the name of something else, that is refused.
    pub(super) fn wanted(args: &Run, playbook: &Playbook, target: &Target) -> Result<Self> {
        if !playbook.is_unplanned() {
            may_ask(&args.acting)?;
            return Ok(if args.acting.yes { Self::Given } else { Self::Ask });
        }
        let name = target.name();
        match &args.consent {
            Some(given) if *given == name => Ok(Self::Given),
            Some(given) => Err(refused(playbook, &name, &format!("the consent is for {given}"))),
            None if stdin().is_terminal() && stderr().is_terminal() && !args.acting.yes => Ok(Self::Type),
            None => Err(refused(playbook, &name, "nobody consented to that")),
        }
    }

    /// Asks.
    pub(super) fn ask(self, playbook: &Playbook, target: &Target) -> Result<()> {
        match self {
            Self::Given => Ok(()),
            Self::Ask => confirm(&format!("Play {}?", playbook.name)),
            Self::Type => {
                let name = target.name();
                let question = format!("This breaks {name}. Type its name to consent:");
                let typed = inquire::Text::new(&question).prompt();
                let typed =
                    typed.map_err(|error| refused(playbook, &name, &format!("there is no consent ({error})")))?;
                if typed.trim() == name { Ok(()) } else { Err(refused(playbook, &name, "another name was typed")) }
            }
        }
    }
}

fn refused(playbook: &Playbook, name: &str, why: &str) -> Failure {
    Failure::new(Code::Refused, format!("{} breaks {name}, and {why}", playbook.name))
        .next(format!("`--break {name}` consents. Nothing was changed."))
}

/// Whether the cluster can bear it: what would refuse a drain of the node refuses its loss. Of another machine only the
/// blocked windows are asked here; the fault itself is rehearsed before it is played.
pub(super) async fn bearable(context: &Context, playbook: &Playbook, target: &Target, args: &Run) -> Result<()> {
    let takes = !playbook.is_unplanned() || playbook.faults().any(|fault| fault.takes_node());
    let survey = context.survey(|_| crate::run::wants::Wants::default()).await?;
    if let Some(instance) = target.instance() {
        let known: BTreeSet<_> = survey.topology.routes.iter().flat_map(|route| route.instances.keys()).collect();
        if !known.contains(&instance) {
            let known: Vec<&str> = known.into_iter().map(InstanceName::as_str).collect();
            let message = format!("no route has an instance {:?}; there are {}", instance.as_str(), known.join(", "));
            return Err(Failure::usage(message).next("Nothing was changed."));
        }
    }
    let Some(node) = target.node.clone().or_else(|| survey.topology.nodes.first().cloned()) else {
        return Err(Failure::new(Code::Failed, "the cluster has no node that is known"));
    };
    let request = Request {
        purpose: Purpose::Drain,
        node: node.clone(),
        operator: args.acting.operator(),
        reason: args.acting.reason.clone(),
        overrides: args.overrides.list.clone(),
        leave: Leave::Standby,
    };
    let survey = context.survey(|topology| context::wants(&request, topology)).await?;
    let (gates, _) = context.decide(&request, &survey).await?;
    let counts = |gate: &&Gate| !gate.passes() && (takes || gate.code == CALENDAR);
    let against: Vec<Gate> = gates.iter().filter(counts).cloned().collect();
    if against.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::refused(Purpose::Drain, &node, &against);
    failure.message = format!("{} is not played: {}", playbook.name, failure.message);
    Err(failure)
}

/// Whether the load can be sent from where it is to come: the same program is there.
pub(super) async fn sendable(context: &Context, playbook: &Playbook) -> Result<()> {
    let Some(Load::Client { hosts, .. }) = playbook.drill.as_ref().map(|drill| &drill.load) else { return Ok(()) };
    let senders = Senders { hosts: hosts.clone(), program: PROGRAM.into() };
    let access: Arc<dyn crate::provider::access::Access> = context.others();
    remote::ready(&access, &senders).await.map_err(|why| {
        Failure::new(Code::Refused, format!("{} is not played: {why}", playbook.name))
            .next("A host that sends load needs this very program, by the name `tidegate`. Nothing was changed.")
    })
}
