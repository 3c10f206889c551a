//! The runs of a play: each is opened and executed as `tidegate drain` and `tidegate restore` do, with every gate, and without
//! a question.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::{
    abort,
    act::patient,
    args::{Acting, Global},
    clone::keeper::{self, Keeper},
    context::{self, Context, Survey},
    execute::Desk,
    exit::{Code, Failure},
    out::Out,
    report::{Reading, RunReport},
    resume::last_of,
    standin::Stage,
};
use crate::{
    clone::adoption::Direction,
    journal::Lease,
    model::{Leave, NodeName, RunId, ServiceName},
    plan::{Plan, Purpose, Request, gates::Gate, ledger},
    play::{RunEnd, Runs, Trouble, Wish},
    provider::{Clock, SystemClock},
    run::wants::Wants,
};

/// Runs by the configuration's own cluster.
pub(super) struct ByCommand {
    global: Global,
    context: Context,
    operator: String,
    /// A run that was opened and is to be executed at once: the lease and what was seen are at hand.
    opened: Mutex<Option<(RunId, Lease, Survey)>>,
}

impl ByCommand {
    pub(super) fn new(global: &Global, context: &Context, operator: String) -> Self {
        Self { global: global.clone(), context: context.clone(), operator, opened: Mutex::default() }
    }

    fn request(&self, wish: &Wish) -> Result<Request, Trouble> {
        let leave = match &wish.service {
            None => Leave::Standby,
            Some(name) => {
                let found = self.context.settings.services.iter().find(|s| s.name == *name);
                let service = found.ok_or_else(|| Trouble::failed(format!("there is no service {name}")))?;
                Leave::Ban { service: name.clone(), resource: service.clone.resource.clone() }
            }
        };
        let Wish { purpose, node, operator, reason, overrides, .. } = wish.clone();
        Ok(Request { purpose, node, operator, reason, overrides, leave })
    }

    /// The plan; what may come by itself is waited for, and whoever must stand in before a drain does then.
    async fn plan(&self, request: &Request) -> Result<(Survey, Plan), Trouble> {
        let acting = self.acting(&request.reason);
        let stage = self.stage(&acting);
        if request.purpose == Purpose::Drain
            && let Some(report) = stage.resume_stand_in().await.map_err(stopped)?
        {
            came(&report)?;
        }
        loop {
            let (survey, plan) = patient(&self.context, request).await.map_err(refused)?;
            match self.context.first(request, &survey).await.map_err(refused)? {
                None => return Ok((survey, plan)),
                Some(first) => came(&stage.run(&first, &survey).await.map_err(stopped)?)?,
            }
        }
    }

    fn acting(&self, reason: &str) -> Acting {
        Acting { reason: reason.to_owned(), yes: true, operator: Some(self.operator.clone()) }
    }

    fn stage<'s>(&'s self, acting: &'s Acting) -> Stage<'s> {
        let out = Out { json: self.global.json, quiet: self.global.quiet };
        Stage { global: &self.global, context: &self.context, out, acting }
    }

    /// How a run ended, once whoever stood in for a node that is back has gone.
    async fn over(&self, run: &RunId) -> Result<RunEnd, Trouble> {
        let end = self.ending(run).await?;
        let mut report = RunReport::of(&*self.context.journal, run, false).await.map_err(stopped)?;
        let acting = self.acting("its stand-in goes");
        self.stage(&acting).afterwards(&mut report).await.map_err(refused)?;
        match report.stand_ins.iter().find(|gone| !matches!(gone.code(), Code::Done)) {
            Some(stays) => Ok(RunEnd::Held(stays.text())),
            None => Ok(end),
        }
    }

    async fn ending(&self, run: &RunId) -> Result<RunEnd, Trouble> {
        let report = RunReport::of(&*self.context.journal, run, false).await.map_err(stopped)?;
        let why = || report.why.clone().unwrap_or_else(|| "told to stop".into());
        Ok(match (report.result, &report.undo) {
            ("done", _) => RunEnd::Done,
            ("aborted", None) => RunEnd::Aborted(why()),
            ("aborted", Some(undo)) if undo.result == "done" => RunEnd::Aborted(why()),
            ("paused", _) => return Err(Trouble::Stopped(format!("{run} was told to stop"))),
            _ => RunEnd::Held(why()),
        })
    }
}

/// A failure to look or to write is nobody's decision: the play is taken up again later.
fn stopped(failure: Failure) -> Trouble {
    Trouble::Stopped(failure.text())
}

/// What gates refuse is a person's to decide.
fn refused(failure: Failure) -> Trouble {
    if failure.code == Code::Refused { Trouble::Failed(failure.message) } else { stopped(failure) }
}

/// Only who really stands in lets the drain begin.
fn came(report: &RunReport) -> Result<(), Trouble> {
    match report.result {
        "done" => Ok(()),
        "paused" => Err(Trouble::Stopped(report.text())),
        _ => Err(Trouble::Held(report.text())),
    }
}

#[async_trait(?Send)]
impl Runs for ByCommand {
    async fn verdict(&self, node: &NodeName) -> Result<Vec<Gate>, Trouble> {
        let wish = Wish {
            purpose: Purpose::Drain,
            node: node.clone(),
            service: None,
            operator: self.operator.clone(),
            reason: String::new(),
            overrides: Vec::new(),
        };
        let request = self.request(&wish)?;
        let survey = self.context.survey(|topology| context::wants(&request, topology)).await.map_err(stopped)?;
        self.context.decide(&request, &survey).await.map(|(gates, _)| gates).map_err(stopped)
    }

    async fn open(&self, wish: &Wish) -> Result<RunId, Trouble> {
        let request = self.request(wish)?;
        let (survey, plan) = self.plan(&request).await?;
        let desk = Desk::new(&self.global, &self.context, &survey);
        let (run, lease) = desk.engine.open(&plan).await.map_err(|e| stopped(e.into()))?;
        if let Ok(mut opened) = self.opened.lock() {
            *opened = Some((run.clone(), lease, survey));
        }
        Ok(run)
    }

    async fn execute(&self, run: &RunId) -> Result<RunEnd, Trouble> {
        let opened = self.opened.lock().ok().and_then(|mut opened| opened.take()).filter(|(own, ..)| own == run);
        let last = last_of(&*self.context.journal, run).await.map_err(stopped)?;
        if last.summary.ending.is_some() {
            return self.over(run).await;
        }
        let (run_now, lease, survey, desk) = match opened {
            Some((own, lease, survey)) => {
                let desk = Desk::new(&self.global, &self.context, &survey);
                (own, lease, survey, desk)
            }
            None => {
                let survey = self.context.survey(|_| Wants::default()).await.map_err(stopped)?;
                let desk = Desk::new(&self.global, &self.context, &survey);
                let lease = desk.engine.take().await.map_err(|e| stopped(e.into()))?;
                (last.summary.run.clone(), lease, survey, desk)
            }
        };
        desk.execute(&run_now, lease, survey.seen).await.map_err(stopped)?;
        self.over(run).await
    }

    async fn find(&self, wish: &Wish, since: Timestamp) -> Result<Option<RunId>, Trouble> {
        let runs = self.context.journal.runs(context::RUNS_READ).await?;
        let ours = runs.into_iter().find(|summary| {
            let request = &summary.plan.request;
            let same = request.purpose == wish.purpose && request.node == wish.node && request.reason == wish.reason;
            same && summary.plan.parent.is_none() && summary.opened_at >= since
        });
        Ok(ours.map(|summary| summary.run))
    }

    async fn is_out(&self, node: &NodeName, run: &RunId) -> Result<bool, Trouble> {
        if self.is_open(run).await? {
            return Ok(true);
        }
        let runs = self.context.journal.runs(context::RUNS_READ).await?;
        Ok(ledger::outstanding(&runs, node).as_ref() == Some(run))
    }

    async fn is_open(&self, run: &RunId) -> Result<bool, Trouble> {
        let last: Reading = last_of(&*self.context.journal, run).await.map_err(stopped)?;
        Ok(last.summary.ending.is_none())
    }

    async fn ask_to_give_up(&self, run: &RunId, why: &str) -> Result<(), Trouble> {
        let last = last_of(&*self.context.journal, run).await.map_err(stopped)?;
        match last.summary.run == *run && last.summary.ending.is_none() {
            true => Ok(self.context.journal.request_abort(run, why, SystemClock.now()).await?),
            false => Ok(()),
        }
    }

    async fn give_up(&self, run: &RunId, why: &str) -> Result<RunEnd, Trouble> {
        let by = format!("{}: {why}", self.operator);
        abort::unasked(&self.global, &self.context, run, &by).await.map_err(stopped)?;
        self.over(run).await
    }

    async fn adopt(&self, service: &ServiceName, reason: &str) -> Result<(), Trouble> {
        let args = Keeper::unasked(service, self.operator.clone(), reason.to_owned());
        let out = Out { json: self.global.json, quiet: self.global.quiet };
        let done = keeper::perform(&self.global, out, Direction::Adopt, args).await;
        match done {
            Ok((Code::Done, ..)) => Ok(()),
            Ok((_, _, words)) => Err(Trouble::Held(words)),
            Err(failure) if failure.code == Code::Refused => Err(Trouble::Failed(failure.message)),
            Err(failure) => Err(stopped(failure)),
        }
    }
}
