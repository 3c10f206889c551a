//! `tidegate plan`: what would happen, step by step. Changes nothing.

use super::{
    args::{Global, Planned},
    context::{Context, wants},
    exit::{Code, Result},
    offline,
    out::Out,
};
use crate::plan::{Purpose, Request, render};

/// Shows the plan, or every reason why there is none.
pub(super) async fn command(global: &Global, out: Out, planned: Planned) -> Result<Code> {
    let (purpose, node, overrides, cib) = match planned {
        Planned::Drain(asked) => (Purpose::Drain, asked.node.node, asked.overrides.list, asked.cib),
        Planned::Restore(node) => (Purpose::Restore, node.node, Vec::new(), None),
    };
    let request = Request { purpose, node, operator: "nobody yet".into(), reason: "only planned".into(), overrides };
    if let Some(cib) = cib {
        return offline::command(&global.config, out, &request, &cib).await;
    }
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|topology| wants(purpose, &request.node, topology)).await?;
    let plan = context.plan(&request, &survey).await?;
    out.result(&plan, &render::plan(&plan, context.settings.run.patience));
    Ok(Code::Done)
}
