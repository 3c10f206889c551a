//! `tidegate clone adopt` and `clone release`: a service's unit goes from systemd's hands into the cluster's, or back, a
//! node at a time, with its clients elsewhere meanwhile. What is left to do follows from the cluster and the journal, so
//! the same command goes on after whatever ended it.

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{
        act::{confirm, may_ask, patient},
        args::{self, Acting, Global},
        context::{Context, Survey},
        execute::Desk,
        exit::{Code, Failure, Result},
        out::Out,
        report::RunReport,
    },
    apply::Work,
    look::{Picture, view},
    refused, text,
};
use crate::{
    clone::{
        Change,
        adoption::{self, Direction, Next},
    },
    journal::Note,
    model::{NodeName, RunId, ServiceName, topology::ServiceShape},
    plan::{Purpose, Request, gates::Gate},
    run::wants::Wants,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Keeper {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    #[command(flatten)]
    overrides: args::Overrides,
    #[command(flatten)]
    acting: Acting,
}

impl Keeper {
    /// As a playbook asks for it: without a question.
    pub(in crate::cli) fn unasked(service: &ServiceName, operator: String, reason: String) -> Self {
        let acting = Acting { reason, yes: true, operator: Some(operator) };
        Self { service: service.to_string(), overrides: args::Overrides::default(), acting }
    }
}

/// Takes the service's unit over on every node, or gives it back.
pub(super) async fn command(global: &Global, out: Out, direction: Direction, args: Keeper) -> Result<Code> {
    let (code, object, words) = perform(global, out, direction, args).await?;
    out.result(&object, &words);
    Ok(code)
}

/// The same without a last word: the exit code, and the result for machines and for people.
pub(in crate::cli) async fn perform(
    global: &Global,
    out: Out,
    direction: Direction,
    args: Keeper,
) -> Result<(Code, Value, String)> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let move_ = Move { global, out, context: &context, direction, args: &args };
    let service = move_.service()?;
    move_.begin(&service).await?;
    let mut runs: Vec<RunReport> = Vec::new();
    loop {
        let survey = move_.look().await?;
        let shape = shape(&survey, &service)?;
        let nodes = &survey.topology.nodes;
        // Each node is two runs, and one may have been open; more means that somebody else moves the other way.
        if runs.len() > 2 * nodes.len() + 1 {
            let why = format!("{direction} {service}: what was done is taken back again by another hand");
            return Err(Failure::new(Code::Held, why).next("`tidegate clone status` and `tidegate history` show it."));
        }
        let next = adoption::next(direction, &shape, nodes, view(&survey)?, &survey.runs)
            .map_err(|why| Failure::new(Code::Refused, format!("{direction} {service}: {why}")))?;
        let report = match next {
            Next::Done => break,
            Next::Resume(run) => move_.resume(&survey, &run).await?,
            Next::Drain(node) => move_.run(Purpose::Drain, &shape, node).await?,
            Next::Restore(node) => move_.run(Purpose::Restore, &shape, node).await?,
        };
        out.say(&report.text());
        let code = report.code();
        runs.push(report);
        if !matches!(code, Code::Done) {
            let again = format!("`tidegate clone {direction} {service}` goes on with it");
            let object = json!({ "result": "held", "service": service, "runs": runs, "next": again });
            return Ok((code, object, again));
        }
    }
    let changes = move_.end(&service).await?;
    Ok((Code::Done, object(&service, &runs, &changes), words(direction, &service, &runs)))
}

fn object(service: &ServiceName, runs: &[RunReport], changes: &[Change]) -> Value {
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    json!({ "result": "done", "service": service, "runs": runs, "changes": texts, "next": "`tidegate clone status`" })
}

fn words(direction: Direction, service: &ServiceName, runs: &[RunReport]) -> String {
    let keeper = if direction == Direction::Adopt { "the cluster" } else { "systemd" };
    let how = if runs.is_empty() { "already" } else { "now" };
    format!("{keeper} runs {service} on every node {how}; `tidegate clone status` shows it\n")
}

/// One adoption or release.
struct Move<'m> {
    global: &'m Global,
    out: Out,
    context: &'m Context,
    direction: Direction,
    args: &'m Keeper,
}

impl Move<'_> {
    fn service(&self) -> Result<ServiceName> {
        let services = &self.context.settings.services;
        let known = || services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = services.iter().find(|s| s.name.as_str() == self.args.service);
        let unknown = || Failure::usage(format!("there is no service {}; these are: {}", self.args.service, known()));
        found.map(|s| s.name.clone()).ok_or_else(unknown)
    }

    /// The cluster, and what the journal says.
    async fn look(&self) -> Result<Survey> {
        let cluster = Wants { cluster: Some(std::time::Duration::ZERO), ..Wants::default() };
        self.context.survey(|_| cluster).await
    }

    /// Before an adoption the clone must be there, with every node withheld from it: the cluster knows of it then and
    /// touches no unit.
    async fn begin(&self, service: &ServiceName) -> Result<()> {
        let picture = Picture::withheld(self.context, service).await?;
        let there = picture.services.iter().all(|s| s.found.clone.is_some());
        let keeper = if self.direction == Direction::Adopt { "the cluster" } else { "systemd" };
        if there || self.direction == Direction::Release {
            return self.agreed(&format!("{} {service}: {keeper} is to run it on every node?", self.direction));
        }
        if !picture.passes() {
            return Err(refused(&picture.gates().cloned().collect::<Vec<Gate>>()));
        }
        self.out.say(&text::plan(&picture));
        self.agreed(&format!(
            "{} {service}: then {keeper} runs it on every node, one after the other?",
            self.direction
        ))?;
        self.change(&picture, &picture.changes).await
    }

    /// After a release nothing is left that the clone would be for.
    async fn end(&self, service: &ServiceName) -> Result<Vec<Change>> {
        if self.direction == Direction::Adopt {
            return Ok(Vec::new());
        }
        let picture = Picture::withheld(self.context, service).await?;
        let gone = |s: &super::look::Pictured| {
            s.found.clone.as_ref().map(|_| Change::Delete { declaration: Box::new(s.wanted.clone()) })
        };
        let changes: Vec<Change> = picture.services.iter().filter_map(gone).collect();
        if changes.is_empty() {
            return Ok(changes);
        }
        match self.change(&picture, &changes).await {
            Ok(()) => Ok(changes),
            // Somebody else made it, or changed it: it runs nowhere, and whether it goes is theirs to say.
            Err(refused) if refused.code == Code::Refused => {
                let resource = changes.first().map(Change::about).unwrap_or_default();
                self.out
                    .say(&format!("{}\nThe clone stays; `pcs resource delete {resource}` removes it.", refused.text()));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Under the lease and with a note before, as every change of a clone.
    async fn change(&self, picture: &Picture, changes: &[Change]) -> Result<()> {
        let note = Note::CloneChanging {
            operator: self.args.acting.operator(),
            reason: format!("{}: {}", self.direction, self.args.acting.reason),
            changes: changes.to_vec(),
            undoes: None,
        };
        let work = Work { global: self.global, context: self.context, survey: &picture.survey, changes };
        work.carry_out(note, &[], &super::verify::Expected::default()).await.map(drop)
    }

    fn agreed(&self, question: &str) -> Result<()> {
        if self.args.acting.yes { Ok(()) } else { confirm(question) }
    }

    /// Goes on with a run of ours that was ended.
    async fn resume(&self, survey: &Survey, run: &RunId) -> Result<RunReport> {
        let desk = Desk::new(self.global, self.context, survey);
        let lease = desk.engine.take().await?;
        desk.execute(run, lease, survey.seen.clone()).await
    }

    async fn run(&self, purpose: Purpose, shape: &ServiceShape, node: NodeName) -> Result<RunReport> {
        let request = Request {
            purpose,
            node,
            operator: self.args.acting.operator(),
            reason: format!("{} {}: {}", self.direction, shape.name, self.args.acting.reason),
            overrides: self.args.overrides.list.clone(),
            leave: self.direction.leave(shape),
        };
        let (survey, plan) = patient(self.context, &request).await?;
        let desk = Desk::new(self.global, self.context, &survey);
        let (run, lease) = desk.engine.open(&plan).await?;
        desk.execute(&run, lease, survey.seen).await
    }
}

fn shape(survey: &Survey, service: &ServiceName) -> Result<ServiceShape> {
    let found = survey.topology.services.iter().find(|s| s.name == *service);
    found.cloned().ok_or_else(|| Failure::usage(format!("there is no service {service}")))
}
