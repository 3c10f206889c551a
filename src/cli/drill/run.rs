//! `tidegate drill run FILE`: the rails, the load, the play, and what ends it early.

use std::{collections::BTreeSet, io::IsTerminal, time::Duration};

use clap::Args;

use super::super::{
    act::{confirm, may_ask},
    args::{Acting, Global, Overrides},
    context::{self, Context},
    exit::{Code, Failure, Result},
    out::Out,
    play::{self, Stage},
    playbook::{Asked, outline, read, waves},
};
use crate::{
    drill::{
        abort,
        meter::{Meter, Reach},
        watch::Subject,
    },
    model::{InstanceName, Leave, NodeName},
    plan::{Purpose, Request, gates::Gate},
    playbook::{Action, Place, PlayEvent, Playbook},
    provider::{Clock, SystemClock},
};

/// Time between two looks at what ends a drill.
const LOOK: Duration = Duration::from_millis(100);
/// The gate of windows in which nothing is drained: nothing is broken then either.
const CALENDAR: &str = "calendar";

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    #[command(flatten)]
    asked: Asked,
    /// Consent to break this node or host; a drill that breaks something is not played without
    #[arg(long = "break", value_name = "NODE")]
    consent: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    acting: Acting,
}

/// Plays a drill.
pub(super) async fn command(global: &Global, out: Out, args: Run) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let playbook = read(&args.asked, &context.settings)?;
    let Some(drill) = playbook.drill.clone() else {
        return Err(Failure::usage(format!("{} is no drill", playbook.name))
            .next(format!("`tidegate playbook run {}` carries it out.", args.asked.file.display())));
    };
    let waves = waves(&context, &playbook).await?;
    let target = target(&playbook, &waves)?;
    out.say(&format!("{}\n{}", drill.hypothesis, outline(&playbook, &waves)));
    consent(&args, &playbook, &target)?;
    bearable(&context, &playbook, &target, &args).await?;
    let (play, opening) = play::open(&context, playbook, waves, &args.acting, args.overrides.list).await?;
    out.say(&format!("{play}: `tidegate drill stop {play}` ends it at once"));
    let stage = Stage::set(global, out, context, play.clone(), &opening).await?;
    let reach = Reach {
        world: stage.survey.world.clone(),
        topology: stage.survey.topology.clone(),
        settings: stage.context.settings.clone(),
        access: stage.context.others(),
    };
    let subject = Subject { node: target.routed(), instance: target.instance(), service: drill.service.clone() };
    match Meter::start(&reach, &drill, &subject).await {
        Ok(meter) => *stage.closing.meter.lock().await = Some(meter),
        Err(why) => stage.context.plays.tell_play(&play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?,
    }
    tokio::select! {
        code = stage.finish(out) => code,
        never = watch(&stage, &drill.abort) => never,
    }
}

/// Gives the drill up as soon as something says so. It never ends by itself: the play does.
async fn watch(stage: &Stage, limits: &crate::playbook::model::Abort) -> Result<Code> {
    loop {
        tokio::time::sleep(LOOK).await;
        let why = match &*stage.closing.meter.lock().await {
            Some(meter) if meter.is_over() => Some("the load ended before the drill".to_owned()),
            Some(meter) => abort::against(limits, &meter.moment()),
            None => None,
        };
        if let Some(why) = why {
            let play = &stage.player.book.play;
            stage.context.plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?;
            return std::future::pending().await;
        }
    }
}

/// What the drill is about.
struct Target {
    node: Option<NodeName>,
    place: Option<Place>,
}

impl Target {
    /// As a person names it.
    fn name(&self) -> String {
        match (&self.place, &self.node) {
            (Some(Place::Host { host, .. }), _) => host.clone(),
            (Some(Place::Node(node)), _) | (None, Some(node)) => node.to_string(),
            (None, None) => String::new(),
        }
    }

    /// The instance of routes that it is, where it is one.
    fn instance(&self) -> Option<InstanceName> {
        match &self.place {
            Some(Place::Host { instance, .. }) => instance.clone(),
            _ => None,
        }
    }

    /// As routes name it, where they lead there.
    fn routed(&self) -> Option<NodeName> {
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

fn target(playbook: &Playbook, waves: &[Vec<NodeName>]) -> Result<Target> {
    let mut nodes = waves.iter().flatten();
    let node = nodes.next().cloned();
    if nodes.next().is_some() {
        return Err(Failure::usage("a drill is about one node"));
    }
    let place = playbook.all_steps().find_map(|step| match &step.action {
        Action::Fault { place, .. } => Some(place.clone()),
        _ => None,
    });
    Ok(Target { node, place: place.flatten() })
}

/// What breaks something is agreed to by its name: in the command, or typed.
fn consent(args: &Run, playbook: &Playbook, target: &Target) -> Result<()> {
    if !playbook.is_unplanned() {
        return if args.acting.yes { Ok(()) } else { confirm(&format!("Play {}?", playbook.name)) };
    }
    let name = target.name();
    let given = match &args.consent {
        Some(given) => given.clone(),
        None if std::io::stdin().is_terminal() && !args.acting.yes => {
            let question = format!("This breaks {name}. Type its name to consent:");
            inquire::Text::new(&question)
                .prompt()
                .map_err(|e| Failure::new(Code::Failed, format!("no consent ({e})")))?
        }
        None => String::new(),
    };
    if given == name {
        return Ok(());
    }
    Err(Failure::new(Code::Refused, format!("{} breaks {name}, and nobody consented to that", playbook.name))
        .next(format!("`--break {name}` consents. Nothing was changed.")))
}

/// Whether the cluster can bear it: what would refuse a drain of the node refuses its loss. Of another machine only the
/// blocked windows are asked here; the fault itself is rehearsed before it is played.
async fn bearable(context: &Context, playbook: &Playbook, target: &Target, args: &Run) -> Result<()> {
    let takes = playbook.faults().all(|fault| fault.takes_node());
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
    if against.is_empty() { Ok(()) } else { Err(Failure::refused(Purpose::Drain, &node, &against)) }
}
