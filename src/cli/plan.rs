//! `tidegate plan`: what would happen, step by step. Changes nothing.

use super::{
    args::{Global, Planned},
    context::{Context, wants},
    exit::{Code, Result},
    out::Out,
};
use crate::plan::{Purpose, Request, render};

/// Shows the plan, or every reason why there is none.
pub(super) async fn command(global: &Global, out: Out, planned: Planned) -> Result<Code> {
    let (purpose, node) = match planned {
        Planned::Drain(node) => (Purpose::Drain, node.node),
        Planned::Restore(node) => (Purpose::Restore, node.node),
    };
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|topology| wants(purpose, &node, topology)).await?;
    let request = Request { purpose, node, operator: "nobody yet".into(), reason: "only planned".into() };
    let plan = context.plan(&request, &survey).await?;
    out.result(&plan, &render::plan(&plan, context.settings.run.patience));
    Ok(Code::Done)
}
