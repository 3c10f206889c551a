//! `tidegate clone apply`: look, ask, write down, change, read back, wait until everything serves.

use serde_json::{Value, json};

use super::{
    super::{
        act::{confirm, may_ask},
        args::Global,
        context::{Context, RUNS_READ, Survey},
        execute::Desk,
        exit::{Code, Failure, Result},
        out::Out,
    },
    Apply,
    look::Picture,
    refused, text, verify,
};
use crate::{
    clone::Change,
    config::settings::Service,
    journal::Note,
    plan::{gates::Gate, ledger},
    provider::ProviderError,
    run::executor::with_lease,
};

/// Times that a change is asked for whose outcome was not told; it is guarded by what it leads away from.
const TRIES: usize = 3;

pub(super) async fn command(global: &Global, out: Out, args: Apply) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let only = args.asked.service();
    let mut picture = Picture::take(&context, only.as_ref(), &args.overrides.list).await?;
    let gates = |picture: &Picture| picture.gates().cloned().collect::<Vec<Gate>>();
    if !picture.passes() {
        return Err(refused(&gates(&picture)));
    }
    if picture.changes.is_empty() {
        return unchanged(out, &picture);
    }
    out.say(&text::plan(&picture));
    if !args.acting.yes {
        confirm("apply?")?;
        let asked = std::mem::take(&mut picture.changes);
        picture = Picture::take(&context, only.as_ref(), &args.overrides.list).await?;
        if !picture.passes() {
            return Err(refused(&gates(&picture)));
        }
        if picture.changes != asked {
            let message = "the systems changed in the meantime; nothing was changed";
            return Err(Failure::new(Code::Failed, message).next("`tidegate clone plan` shows what would happen now."));
        }
    }
    let note = Note::CloneChanging {
        operator: args.acting.operator(),
        reason: args.overrides.reason(&args.acting),
        changes: picture.changes.clone(),
        undoes: None,
    };
    let services: Vec<&Service> = picture.services.iter().map(|s| &s.service).collect();
    let work = Work { global, context: &context, survey: &picture.survey, changes: &picture.changes };
    let expected = picture.rehearsal.as_ref().map(|r| verify::expected(r, &services)).unwrap_or_default();
    let missing = work.carry_out(note, &services, &expected).await?;
    out.result(&done(&picture.changes, &missing), &text::done(&picture.changes, &missing));
    out.say("`tidegate clone undo` takes it back.");
    Ok(if missing.is_empty() { Code::Done } else { Code::Held })
}

/// Nothing to do. Whether everything serves is said all the same.
fn unchanged(out: Out, picture: &Picture) -> Result<Code> {
    let services: Vec<&Service> = picture.services.iter().map(|s| &s.service).collect();
    let expected = picture.rehearsal.as_ref().map(|r| verify::expected(r, &services)).unwrap_or_default();
    let missing = verify::missing(&picture.survey.seen, &services, &expected);
    out.result(&done(&[], &missing), &text::done(&[], &missing));
    Ok(Code::Done)
}

/// For machines.
pub(super) fn done(changes: &[Change], missing: &[String]) -> Value {
    let result = if missing.is_empty() || changes.is_empty() { "done" } else { "held" };
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    json!({ "result": result, "changed": !changes.is_empty(), "changes": changes, "texts": texts, "missing": missing })
}

/// Changes that somebody said yes to.
pub(super) struct Work<'w> {
    pub(super) global: &'w Global,
    pub(super) context: &'w Context,
    pub(super) survey: &'w Survey,
    pub(super) changes: &'w [Change],
}

impl Work<'_> {
    /// Under the cluster's lease: writes the intent down, makes the changes, reads them back, waits until everything
    /// serves. Hands back what is missing when the patience is over.
    pub(super) async fn carry_out(
        &self,
        note: Note,
        services: &[&Service],
        expected: &verify::Expected,
    ) -> Result<Vec<String>> {
        let desk = Desk::new(self.global, self.context, self.survey);
        let lease = desk.engine.take().await?;
        let work = async {
            self.alone().await?;
            self.note(note).await?;
            self.in_cluster().await?;
            self.on_nodes().await?;
            self.note(Note::CloneChanged).await?;
            Ok(verify::settled(self.context, self.survey, services, expected).await)
        };
        let done = with_lease(&desk.engine, &lease, work).await;
        desk.engine.journal.release(&lease).await?;
        done
    }

    /// A run that was opened since the look stands against it.
    async fn alone(&self) -> Result<()> {
        match ledger::open(&self.context.journal.runs(RUNS_READ).await?) {
            None => Ok(()),
            Some(open) => {
                let message = format!("run {} was opened in the meantime; nothing was touched", open.run);
                Err(Failure::new(Code::Refused, message).next(format!("`tidegate show {}`", open.run)))
            }
        }
    }

    async fn note(&self, note: Note) -> Result<()> {
        Ok(self.context.notebook.note(&[note], self.survey.world.clock.now()).await?)
    }

    /// The cluster's part. An outcome that was not told is looked for by asking again: what is there already is not
    /// made twice, and what somebody else changed is refused.
    async fn in_cluster(&self) -> Result<()> {
        if !self.changes.iter().any(Change::is_of_cluster) {
            return Ok(());
        }
        let clones = self.context.clones(&self.survey.topology.nodes).clones;
        let mut said = None;
        for attempt in 0..TRIES {
            match clones.make(self.changes).await {
                Ok(()) => return Ok(()),
                Err(ProviderError::Refused(why)) => {
                    // Only the first answer says that nothing was done.
                    if attempt == 0 {
                        self.note(Note::CloneUnchanged { error: why.clone() }).await?;
                        let message = format!("the cluster did not take the changes: {why}; nothing was changed");
                        return Err(Failure::new(Code::Refused, message).next("`tidegate clone plan` looks again."));
                    }
                    said = Some(why);
                    break;
                }
                Err(error) => said = Some(error.to_string()),
            }
            tokio::time::sleep(self.context.settings.run.poll).await;
        }
        let message = format!("it is not known what became of the changes: {}", said.unwrap_or_default());
        Err(Failure::new(Code::Failed, message)
            .next("`tidegate clone plan` shows what is left to do; `tidegate clone undo` takes back what was done."))
    }

    /// The nodes' part, each read back.
    async fn on_nodes(&self) -> Result<()> {
        let files = self.context.clones(&self.survey.topology.nodes).files;
        let mut failed = Vec::new();
        for change in self.changes {
            let Change::Boot { node, unit, from, to } = change else { continue };
            let done = async {
                let now = files.files(node, unit).await?.enablement;
                if now.at_boot() == to.at_boot() {
                    return Ok(());
                }
                if &now != from {
                    return Err(ProviderError::Refused(format!("it is {now} and no longer {from}")));
                }
                files.set_boot(node, unit, from, to).await?;
                let now = files.files(node, unit).await?.enablement;
                match now.at_boot() == to.at_boot() {
                    true => Ok(()),
                    false => Err(ProviderError::Unexpected(format!("it is still {now}"))),
                }
            };
            if let Err(error) = done.await {
                failed.push(format!("{unit} on {node}: {error}"));
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Code::Failed,
            format!("the clones are as declared, but not every unit: {}", failed.join("; ")),
        )
        .next("`tidegate clone apply` goes on with it; `tidegate clone undo` takes back what was done."))
    }
}
