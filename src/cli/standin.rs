//! Drains and restores with whoever stands in meanwhile: who must comes first, by a run of its own, and goes again once
//! no node is out any more. What is left to do follows from the cluster and the journal, so the same command goes on after
//! whatever ended it.

use super::{
    act::{self, Agreed, agreed, confirm, patient},
    args::{Acting, Global},
    context::{Context, Survey},
    execute::Desk,
    exit::{Code, Result},
    out::Out,
    report::RunReport,
};
use crate::{
    journal::RunSummary,
    plan::{Plan, Purpose, Request, ledger, render, standin},
    run::wants::Wants,
};

/// Where a command's runs are executed.
pub(super) struct Stage<'s> {
    pub(super) global: &'s Global,
    pub(super) context: &'s Context,
    pub(super) out: Out,
    pub(super) acting: &'s Acting,
}

/// A plan for people, after that of whoever stands in first.
pub(super) fn text(context: &Context, first: Option<&Plan>, plan: &Plan) -> String {
    let patience = context.settings.run.patience;
    let own = render::plan(plan, patience);
    match first {
        None => own,
        Some(first) => format!("First, by a run of its own:\n\n{}\nThen:\n\n{own}", render::plan(first, patience)),
    }
}

impl Stage<'_> {
    /// Drains a node, once whoever must stand in does.
    pub(super) async fn drain(&self, request: &Request) -> Result<RunReport> {
        let mut came = Vec::new();
        if let Some(report) = self.resume_stand_in().await? {
            if !matches!(report.code(), Code::Done) {
                return Ok(report);
            }
            came.push(report);
        }
        let mut agreed = agreed(self.context, self.out, request, self.acting.yes).await?;
        while let Some(first) = agreed.first.take() {
            let report = self.run(&first, &agreed.survey).await?;
            if !matches!(report.code(), Code::Done) {
                return Ok(report);
            }
            came.push(report);
            let next = patient(self.context, request).await.map_err(|refused| {
                let again = format!("`tidegate drain {}` goes on, ", request.node);
                refused.next(format!("{again}`tidegate restore {}` lets {} go again.", request.node, first.node()))
            });
            let (survey, plan) = next?;
            let first = self.context.first(request, &survey).await?;
            self.out.say(&text(self.context, first.as_ref(), &plan));
            agreed = Agreed { survey, plan, first };
        }
        let mut report = self.run(&agreed.plan, &agreed.survey).await?;
        self.afterwards(&mut report).await?;
        report.stand_ins.splice(0..0, came);
        Ok(report)
    }

    /// Brings a node back, and lets go who stood in for it.
    pub(super) async fn restore(&self, request: &Request) -> Result<RunReport> {
        let ours = |run: &RunSummary| match run.plan.request.purpose {
            Purpose::Restore => run.plan.node() == &request.node,
            purpose => purpose == Purpose::Retire,
        };
        let survey = self.survey().await?;
        let stands_in = !ledger::standing_in(&survey.runs).is_empty();
        if stands_in && let Some(run) = self.left_open(ours).await? {
            let mut report = self.resume(&run).await?;
            self.afterwards(&mut report).await?;
            return Ok(report);
        }
        let out = self.context.outstanding(&survey, &request.node).await?.is_some();
        if stands_in && !out && standin::idle(&survey.runs).is_some() && ledger::open(&survey.runs).is_none() {
            if !self.acting.yes {
                confirm(&format!("{} is not out; let go who stands in?", request.node))?;
            }
            let mut gone = self.let_go().await?;
            if let Some(mut last) = gone.pop() {
                last.stand_ins = gone;
                return Ok(last);
            }
        }
        let agreed = agreed(self.context, self.out, request, self.acting.yes).await?;
        let mut report = self.run(&agreed.plan, &agreed.survey).await?;
        self.afterwards(&mut report).await?;
        Ok(report)
    }

    /// Once a node is back, by a restore or because its drain was undone, whoever stands in for nobody goes.
    pub(super) async fn afterwards(&self, report: &mut RunReport) -> Result<()> {
        let back = match report.purpose {
            Purpose::Restore | Purpose::Retire => matches!(report.code(), Code::Done),
            Purpose::Drain => report.result == "aborted" && matches!(report.abort_code(), Code::Done),
            Purpose::StandIn | Purpose::Withhold => false,
        };
        if back {
            report.stand_ins.extend(self.let_go().await?);
        }
        Ok(())
    }

    /// Lets go who stands in for nobody, one after the other, until one of them does not get to its end.
    async fn let_go(&self) -> Result<Vec<RunReport>> {
        let mut gone: Vec<RunReport> = Vec::new();
        loop {
            let survey = self.survey().await?;
            let Some(came) = standin::idle(&survey.runs).filter(|_| ledger::open(&survey.runs).is_none()) else {
                return Ok(gone);
            };
            let request = standin::retire(&came.plan.request, self.acting.operator(), self.acting.reason.clone());
            let (survey, plan) = patient(self.context, &request).await?;
            self.out.say(&format!("\n{}", render::plan(&plan, self.context.settings.run.patience)));
            let report = self.run(&plan, &survey).await?;
            let done = matches!(report.code(), Code::Done);
            gone.push(report);
            if !done {
                return Ok(gone);
            }
        }
    }

    /// The cluster, and what the journal says.
    async fn survey(&self) -> Result<Survey> {
        self.context.survey(|_| Wants { cluster: Some(std::time::Duration::ZERO), ..Wants::default() }).await
    }

    /// Goes on with the coming of a stand-in that was ended before its end, where there is one.
    pub(super) async fn resume_stand_in(&self) -> Result<Option<RunReport>> {
        match self.left_open(|run| run.plan.request.purpose == Purpose::StandIn).await? {
            Some(run) => self.resume(&run).await.map(Some),
            None => Ok(None),
        }
    }

    /// A run of this command that was ended before its end.
    async fn left_open(&self, ours: impl Fn(&RunSummary) -> bool) -> Result<Option<RunSummary>> {
        let runs = self.context.journal.runs(super::context::RUNS_READ).await?;
        let open = ledger::open(&runs).filter(|run| run.ending.is_none() && ours(run));
        Ok(open.cloned())
    }

    async fn resume(&self, run: &RunSummary) -> Result<RunReport> {
        if !self.acting.yes {
            let (purpose, node) = (run.plan.request.purpose, run.plan.node());
            act::confirm(&format!("{} was not ended: go on with the {purpose} of {node} first?", run.run))?;
        }
        let survey = self.survey().await?;
        let desk = Desk::new(self.global, self.context, &survey);
        let lease = desk.engine.take().await?;
        desk.execute(&run.run, lease, survey.seen).await
    }

    /// Opens the run of a plan, and executes it.
    pub(super) async fn run(&self, plan: &Plan, survey: &Survey) -> Result<RunReport> {
        let desk = Desk::new(self.global, self.context, survey);
        let (run, lease) = desk.engine.open(plan).await?;
        desk.execute(&run, lease, survey.seen.clone()).await
    }
}
