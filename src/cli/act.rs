//! `tidegate drain` and `tidegate restore`: look, plan, ask, open a run, execute it.

use std::io::{IsTerminal, stderr, stdin};

use super::{
    args::{Act, Acting, Global, Overrides},
    context::{Context, Survey, wants},
    exit::{Code, Failure, Result},
    leaving::Leaving,
    out::Out,
    standin::{self, Stage},
};
use crate::plan::{
    Plan, Purpose, Request,
    gates::{Answer, Gate},
};

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
    let stage = Stage { global, context: &context, out, acting: &act.acting };
    let report = match purpose {
        Purpose::Restore => stage.restore(&request).await?,
        _ => stage.drain(&request).await?,
    };
    out.result(&report, &report.text());
    Ok(report.code())
}

/// The plan that a person said yes to, and the world that it is for. Both are made anew after the answer: what was
/// seen before the question is old by then.
pub(super) async fn agreed(context: &Context, out: Out, request: &Request, yes: bool) -> Result<Agreed> {
    let look = || async {
        let survey = context.survey(|topology| wants(request, topology)).await?;
        let plan = context.plan(request, &survey).await?;
        let first = context.first(request, &survey).await?;
        Ok::<_, Failure>(Agreed { survey, plan, first })
    };
    let prints = |agreed: &Agreed| (agreed.plan.fingerprint.clone(), agreed.first.clone().map(|p| p.fingerprint));
    let mut agreed = look().await?;
    for _ in 0..ASKED_AGAIN {
        out.say(&standin::text(context, agreed.first.as_ref(), &agreed.plan));
        if yes {
            return Ok(agreed);
        }
        confirm(&format!("{} {}?", request.purpose, request.node))?;
        let asked = prints(&agreed);
        agreed = look().await?;
        if prints(&agreed) == asked {
            return Ok(agreed);
        }
        out.say("\nThe systems changed in the meantime. This is the plan now:\n");
    }
    Err(Failure::new(Code::Failed, format!("{}: the systems keep changing; nothing was done", request.node))
        .next(format!("`tidegate plan {} {}` shows what would happen now.", request.purpose, request.node)))
}

/// What was agreed to.
pub(super) struct Agreed {
    pub(super) survey: Survey,
    pub(super) plan: Plan,
    /// The plan of whoever stands in before.
    pub(super) first: Option<Plan>,
}

/// The plan of what needs no more asking; what may come by itself (the cluster is still at work after the run before) is
/// waited for.
pub(super) async fn patient(context: &Context, request: &Request) -> Result<(Survey, Plan)> {
    let run = &context.settings.run;
    let began = tokio::time::Instant::now();
    loop {
        let survey = context.survey(|topology| wants(request, topology)).await?;
        let (gates, plan) = context.decide(request, &survey).await?;
        if let Some(plan) = plan {
            return Ok((survey, plan));
        }
        let against: Vec<Gate> = gates.into_iter().filter(|g| !g.passes()).collect();
        let waits = against.iter().all(|g| g.answer == Answer::Hold || g.code == "capacity");
        if !waits || began.elapsed() > run.patience {
            return Err(Failure::refused(request.purpose, &request.node, &against));
        }
        tokio::time::sleep(run.poll).await;
    }
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
