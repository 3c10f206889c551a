//! `tidegate plan`: what would happen, step by step. Changes nothing.

use serde::Serialize;

use super::{
    args::{Global, Planned},
    context::{self, Context, wants},
    exit::{Code, Result},
    offline,
    out::Out,
    standin,
};
use crate::{
    model::Leave,
    plan::{Plan, Purpose, Request},
};

/// The plan, with that of whoever stands in before it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    plan: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Plan>,
}

/// Shows the plan, or every reason why there is none.
pub(super) async fn command(global: &Global, out: Out, planned: Planned) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let (purpose, node, overrides, cib, leave) = match planned {
        Planned::Drain(asked) => {
            let leave = asked.leaving.leave(&settings)?;
            (Purpose::Drain, asked.node.node, asked.overrides.list, asked.cib, leave)
        }
        Planned::Restore(node) => (Purpose::Restore, node.node, Vec::new(), None, Leave::default()),
    };
    let (operator, reason) = ("nobody yet".into(), "only planned".into());
    let request = Request { purpose, node, operator, reason, overrides, leave };
    if let Some(cib) = cib {
        return offline::command(&settings, out, &request, &cib).await;
    }
    let context = Context::with(settings).await?;
    let survey = context.survey(|topology| wants(&request, topology)).await?;
    let plan = context.plan(&request, &survey).await?;
    let first = context.first(&request, &survey).await?;
    let text = standin::text(&context, first.as_ref(), &plan);
    out.result(&Shown { plan, first }, &text);
    Ok(Code::Done)
}
