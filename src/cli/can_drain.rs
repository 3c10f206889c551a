//! `tidegate can-drain`: one verdict, with every gate that it is made of.

use serde_json::json;

use super::{
    args::{Asked, Global},
    context::{self, Context, wants},
    exit::{Code, Result},
    offline,
    out::Out,
    table::{Table, width},
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

/// Columns from which the gates' titles have room beside what was found.
const WITH_TITLES: u16 = 100;

/// All gates, each with what would change its answer under what was found.
pub(super) fn table(gates: &[Gate]) -> String {
    let remedy = |gate: &Gate| gate.remedy.as_ref().filter(|_| !gate.passes()).map(|remedy| format!("-> {remedy}"));
    if width() < WITH_TITLES {
        let mut table = Table::new(["gate", "answer", "found"]).unbroken(2);
        for gate in gates {
            table.row([gate.code.as_str(), answer(gate.answer), &gate.detail]);
            remedy(gate).iter().for_each(|remedy| table.row(["", "", remedy]));
        }
        return table.to_string();
    }
    let mut table = Table::new(["gate", "answer", "about", "found"]).unbroken(3);
    for gate in gates {
        table.row([gate.code.as_str(), answer(gate.answer), &gate.title, &gate.detail]);
        remedy(gate).iter().for_each(|remedy| table.row(["", "", "", remedy]));
    }
    table.to_string()
}

fn text(node: &NodeName, gates: &[Gate]) -> String {
    let table = table(gates);
    let mut against: Vec<&str> = gates.iter().filter(|g| !g.passes()).map(|g| g.code.as_str()).collect();
    against.dedup();
    let verdict = match against.as_slice() {
        [] => format!("{node} can be drained now."),
        [one] => format!("{node} cannot be drained now: {one} is against it."),
        [most @ .., last] => format!("{node} cannot be drained now: {} and {last} are against it.", most.join(", ")),
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
