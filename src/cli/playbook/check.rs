//! `tidegate playbook check FILE`: every mistake at once, and the gates that can be seen already. Nothing is moved, and with a
//! mistake in the file nothing is asked.

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{
        args::Global,
        context::{self, Context, wants},
        exit::{Code, Result},
        out::Out,
    },
    run::{Asked, checked, waves},
};
use crate::{
    model::{Leave, NodeName},
    plan::{
        Purpose, Request,
        gates::{Answer, Gate},
    },
    playbook::{Action, Playbook},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    asked: Asked,
    /// Leave the cluster alone: only the file, what is put in, and the configuration
    #[arg(long)]
    offline: bool,
}

/// What the gates say of a node.
struct Verdict {
    node: NodeName,
    gates: Vec<Gate>,
}

pub(super) async fn command(global: &Global, out: Out, args: Check) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let playbook = checked(&args.asked, &settings)?.playbook;
    if args.offline {
        let object = object(&playbook, Value::Null, None);
        out.result(&object, &format!("{}: no mistake was found; the cluster was not asked\n", playbook.name));
        return Ok(Code::Done);
    }
    let context = Context::with(settings).await?;
    let waves = waves(&context, &playbook).await?;
    let mut verdicts = Vec::new();
    for node in waves.iter().flatten().filter(|_| drains(&playbook)) {
        verdicts.push(Verdict { node: node.clone(), gates: gates(&context, &playbook, node).await? });
    }
    let passes = verdicts.iter().all(|verdict| verdict.gates.iter().all(Gate::passes));
    out.result(&object(&playbook, json!(waves), Some(&verdicts)), &text(&playbook, &waves, &verdicts));
    Ok(if passes { Code::Done } else { Code::Refused })
}

fn drains(playbook: &Playbook) -> bool {
    playbook.steps.iter().any(|step| matches!(step.action, Action::Drain { .. } | Action::Gate))
}

/// Every gate of the node's drain, as it would be asked now.
async fn gates(context: &Context, playbook: &Playbook, node: &NodeName) -> Result<Vec<Gate>> {
    let service = playbook.steps.iter().find_map(|step| match &step.action {
        Action::Drain { service } => service.as_ref(),
        _ => None,
    });
    let found = service.and_then(|name| context.settings.service(name));
    let leave = found.map_or(Leave::Standby, |service| Leave::Ban {
        service: service.name.clone(),
        resource: service.clone.resource.clone(),
    });
    let request = Request {
        purpose: Purpose::Drain,
        node: node.clone(),
        operator: "nobody yet".into(),
        reason: "only asked".into(),
        overrides: Vec::new(),
        leave,
    };
    let survey = context.survey(|topology| wants(&request, topology)).await?;
    Ok(context.decide(&request, &survey).await?.0)
}

fn object(playbook: &Playbook, waves: Value, verdicts: Option<&[Verdict]>) -> Value {
    let one = |verdict: &Verdict| {
        let word = if verdict.gates.iter().all(Gate::passes) { "yes" } else { "no" };
        json!({ "node": verdict.node, "verdict": word, "gates": verdict.gates })
    };
    json!({
        "playbook": playbook.name,
        "digest": playbook.digest,
        "inputs": playbook.inputs,
        "problems": [],
        "waves": waves,
        "nodes": verdicts.map(|all| all.iter().map(one).collect::<Vec<_>>()),
    })
}

fn text(playbook: &Playbook, waves: &[Vec<NodeName>], verdicts: &[Verdict]) -> String {
    let mut text = format!("{}: no mistake was found\n", playbook.name);
    for (number, wave) in waves.iter().enumerate() {
        let nodes: Vec<&str> = wave.iter().map(NodeName::as_str).collect();
        text += &format!("  wave {}: {}\n", number + 1, nodes.join(", "));
    }
    for Verdict { node, gates } in verdicts {
        let against: Vec<&Gate> = gates.iter().filter(|gate| !gate.passes()).collect();
        let can = if against.is_empty() { "can be drained now" } else { "cannot be drained now" };
        text += &format!("  {node} {can}\n");
        for gate in against {
            let how = if gate.answer == Answer::Hold { "holds" } else { "refuses" };
            text += &format!("    {} {how}: {}\n", gate.code, gate.detail);
            text += &gate.remedy.as_ref().map(|remedy| format!("      {remedy}\n")).unwrap_or_default();
        }
    }
    if !verdicts.is_empty() {
        text += "Each gate is asked again when a node's turn comes.\n";
    }
    text
}
