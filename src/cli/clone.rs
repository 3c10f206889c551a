//! `tidegate clone`: the clones that the configuration declares, against those that the cluster has.
//!
//! `plan` shows the difference and every gate, `apply` makes it and waits until each instance serves, `undo` takes the last
//! apply back, `status` shows who runs what. Everything is written down before it is done, with what was there.

mod apply;
pub(super) mod keeper;
mod look;
mod text;
mod undo;
mod verify;

use clap::{Args, Subcommand};
use serde_json::json;

use self::look::Picture;
use super::{
    args::{Acting, Global},
    context::Context,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    clone::{adoption::Direction, gates::OVERRIDABLE, history},
    model::ServiceName,
    plan::gates::{Answer, Gate, Override},
};

#[derive(Debug, Subcommand)]
pub(super) enum Clone {
    /// Show what would be changed, with the equivalent pcs commands and every gate, and change nothing
    Plan(Asked),
    /// Make the clones as they are declared, and wait until every instance serves
    Apply(Apply),
    /// Show every service on every node: the cluster's instance, the unit, readiness
    Status(Asked),
    /// Have the cluster run what systemd runs today, node by node, with no client on the node meanwhile
    Adopt(keeper::Keeper),
    /// Have systemd run what the cluster runs today, node by node, with no client on the node meanwhile
    Release(keeper::Keeper),
    /// Take the last apply back: exactly the values that it found, unless somebody changed them since
    Undo(Undo),
}

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Only this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    acting: Acting,
}

/// Gates of clones that a person answers for.
#[derive(Clone, Debug, Default, Args)]
struct Overrides {
    /// Answer for a gate that refuses: its name, and why; kept in the journal. May be given more than once
    #[arg(long = "override", value_name = "GATE=REASON", value_parser = overridden)]
    list: Vec<Override>,
}

impl Overrides {
    /// The reason as the journal keeps it: with what was overridden, and why.
    fn reason(&self, acting: &Acting) -> String {
        let overridden = self.list.iter().map(|o| format!("; {} overridden: {}", o.gate, o.reason));
        std::iter::once(acting.reason.clone()).chain(overridden).collect()
    }
}

/// Runs one of the commands.
pub(super) async fn command(global: &Global, out: Out, clone: Clone) -> Result<Code> {
    match clone {
        Clone::Plan(asked) => plan(global, out, &asked).await,
        Clone::Apply(args) => apply::command(global, out, args).await,
        Clone::Status(asked) => status(global, out, &asked).await,
        Clone::Adopt(args) => keeper::command(global, out, Direction::Adopt, args).await,
        Clone::Release(args) => keeper::command(global, out, Direction::Release, args).await,
        Clone::Undo(args) => undo::command(global, out, args).await,
    }
}

async fn plan(global: &Global, out: Out, asked: &Asked) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let picture = Picture::take(&context, asked.service().as_ref(), &[]).await?;
    out.result(&picture.json(), &text::plan(&picture));
    Ok(if picture.passes() { Code::Done } else { Code::Refused })
}

async fn status(global: &Global, out: Out, asked: &Asked) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let picture = Picture::take(&context, asked.service().as_ref(), &[]).await?;
    let rows: Vec<_> = picture.rows();
    let applied = history::standing(&context.notebook.clone_notes().await?);
    let mut object = picture.json();
    if let Some(object) = object.as_object_mut() {
        object.insert("instances".into(), json!(rows));
        object.insert("applied".into(), json!(applied));
    }
    out.result(&object, &text::status(&picture, &rows, applied.last()));
    Ok(Code::Done)
}

/// The refusal of everything that does not pass.
fn refused(gates: &[Gate]) -> Failure {
    let against: Vec<&Gate> = gates.iter().filter(|g| !g.passes()).collect();
    let mut message = "the clones cannot be changed now; nothing was touched\n".to_owned();
    for gate in &against {
        let how = if gate.answer == Answer::Hold { "holds" } else { "refuses" };
        message += &format!("  {} {how}: {}\n", gate.code, gate.detail);
        if let Some(remedy) = &gate.remedy {
            message += &format!("    {remedy}\n");
        }
    }
    Failure::new(Code::Refused, message)
        .next("`tidegate clone plan` shows all of it; the gates are in docs/guide.md.")
        .detail("refusals", json!(against))
}

impl Asked {
    fn service(&self) -> Option<ServiceName> {
        self.service.as_deref().map(ServiceName::new)
    }
}

fn overridden(text: &str) -> std::result::Result<Override, String> {
    Override::of(text, &OVERRIDABLE)
}
