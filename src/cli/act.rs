//! `tidegate drain` and `tidegate restore`: look, plan, ask, open a run, execute it.

use std::io::{IsTerminal, stderr, stdin};

use super::{
    args::{Act, Acting, Global, Overrides},
    context::{Context, Survey, wants},
    execute::Desk,
    exit::{Code, Failure, Result},
    leaving::Leaving,
    out::Out,
};
use crate::plan::{Plan, Purpose, Request, render};

/// Times that a changed plan is shown again; a world that changes faster than a person reads is no time to act.
const ASKED_AGAIN: usize = 3;

/// Drains or restores a node.
pub(super) async fn command(
    global: &Global,
    out: Out,
    purpose: Purpose,
    act: Act,
    overrides: Overrides,
    leaving: &Leaving,
) -> Result<Code> {
    may_ask(&act.acting)?;
    let context = Context::open(&global.config).await?;
    let request = Request {
        purpose,
        node: act.node.node,
        operator: act.acting.operator(),
        reason: act.acting.reason.clone(),
        overrides: overrides.list,
        leave: leaving.leave(&context.settings)?,
    };
    let (survey, plan) = agreed(&context, out, &request, act.acting.yes).await?;
    let desk = Desk::new(global, &context, &survey);
    let (run, lease) = desk.engine.open(&plan).await?;
    let report = desk.execute(&run, lease, survey.seen).await?;
    out.result(&report, &report.text());
    Ok(report.code())
}

/// The plan that a person said yes to, and the world that it is for. Both are made anew after the answer: what was
/// seen before the question is old by then.
async fn agreed(context: &Context, out: Out, request: &Request, yes: bool) -> Result<(Survey, Plan)> {
    let look = || context.survey(|topology| wants(request, topology));
    let mut survey = look().await?;
    let mut plan = context.plan(request, &survey).await?;
    for _ in 0..ASKED_AGAIN {
        out.say(&render::plan(&plan, context.settings.run.patience));
        if yes {
            return Ok((survey, plan));
        }
        confirm(&format!("{} {}?", request.purpose, request.node))?;
        let asked = plan.fingerprint.clone();
        survey = look().await?;
        plan = context.plan(request, &survey).await?;
        if plan.fingerprint == asked {
            return Ok((survey, plan));
        }
        out.say("\nThe systems changed in the meantime. This is the plan now:\n");
    }
    Err(Failure::new(Code::Failed, format!("{}: the systems keep changing; nothing was done", request.node))
        .next(format!("`tidegate plan {} {}` shows what would happen now.", request.purpose, request.node)))
}

/// Nobody can be asked without a terminal, and nothing is done unasked.
pub(super) fn may_ask(acting: &Acting) -> Result<()> {
    if acting.yes || (stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(());
    }
    Err(Failure::usage("there is no terminal to ask for a confirmation")
        .next("Say --yes to go on without being asked."))
}

/// Asks, with no as the answer of whoever just presses Enter.
pub(super) fn confirm(question: &str) -> Result<()> {
    match inquire::Confirm::new(question).with_default(false).prompt() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(Code::Failed, "not confirmed; nothing was changed")),
        Err(error) => Err(Failure::new(Code::Failed, format!("not confirmed ({error}); nothing was changed"))),
    }
}
