//! `tidegate can-drain`: one verdict, with every gate that it is made of.

use serde_json::json;

use super::{
    args::{Asked, Global},
    context::{self, Context, wants},
    exit::{Code, Result},
    offline,
    out::Out,
    table::Table,
};
use crate::{
    model::NodeName,
    plan::{
        Purpose, Request,
        gates::{Answer, Gate},
    },
};

/// Answers all gates of a drain.
pub(super) async fn command(global: &Global, out: Out, asked: Asked) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let request = Request {
        purpose: Purpose::Drain,
        node: asked.node.node,
        operator: "nobody yet".into(),
        reason: "only asked".into(),
        overrides: asked.overrides.list,
        leave: asked.leaving.leave(&settings)?,
    };
    if let Some(cib) = &asked.cib {
        return offline::command(&settings, out, &request, cib).await;
    }
    let context = Context::with(settings).await?;
    let survey = context.survey(|topology| wants(&request, topology)).await?;
    let (gates, _) = context.decide(&request, &survey).await?;
    let passes = gates.iter().all(Gate::passes);
    let verdict = if passes { "yes" } else { "no" };
    let object = json!({ "node": request.node, "verdict": verdict, "gates": gates });
    out.result(&object, &text(&request.node, &gates));
    Ok(if passes { Code::Done } else { Code::Refused })
}

/// All gates, a line each.
pub(super) fn table(gates: &[Gate]) -> String {
    let mut table = Table::new(["gate", "answer", "found", "what would change it"]).unbroken(2);
    for gate in gates {
        let remedy = gate.remedy.as_deref().unwrap_or_default();
        table.row([gate.code.as_str(), answer(gate.answer), &gate.detail, remedy]);
    }
    table.to_string()
}

fn text(node: &NodeName, gates: &[Gate]) -> String {
    let table = table(gates);
    let against = gates.iter().filter(|g| !g.passes()).count();
    let verdict = match against {
        0 => format!("{node} can be drained now."),
        1 => format!("{node} cannot be drained now: one gate is against it."),
        n => format!("{node} cannot be drained now: {n} gates are against it."),
    };
    format!("{table}\n{verdict}\n")
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "pass",
        Answer::Warn => "warn",
        Answer::Hold => "HOLD",
        Answer::Refuse => "REFUSE",
    }
}
