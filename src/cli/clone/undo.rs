//! `tidegate clone undo`: the last apply taken back, exactly, and only where nobody changed it since.

use super::{
    super::{
        act::{confirm, may_ask},
        args::Global,
        context::Context,
        exit::{Code, Failure, Result},
        out::Out,
    },
    Undo,
    apply::{Work, done},
    look::{around, view, wants},
    refused, text, verify,
};
use crate::{
    clone::{Change, history},
    config::settings::Service,
    journal::Note,
    provider::ProviderError,
};

pub(super) async fn command(global: &Global, out: Out, args: Undo) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let standing = history::standing(&context.notebook.clone_notes().await?);
    let Some(last) = standing.last() else {
        return Err(Failure::usage("there is no apply that could be undone; nothing was touched"));
    };
    let changes = last.undo();
    let survey = context.survey(|t| wants(t.nodes.iter().cloned().collect())).await?;
    let rehearsal = context.clones(&survey.topology.nodes).clones.rehearse_changes(&changes).await;
    if let Err(ProviderError::Refused(why)) = &rehearsal {
        let message = format!("the apply of {} cannot be undone: {why}; nothing was touched", last.at);
        return Err(Failure::new(Code::Refused, message)
            .next("What a person changed since then is not overwritten; change the rest with pcs."));
    }
    let gates = around(&context, &survey, view(&survey)?, &changes, &rehearsal, &args.overrides.list);
    out.say(&text::undo(last, &changes, &gates));
    if !gates.iter().all(crate::plan::gates::Gate::passes) {
        return Err(refused(&gates));
    }
    if !args.acting.yes {
        confirm("undo?")?;
    }
    let services: Vec<&Service> = context.settings.services.iter().filter(|s| concerns(&changes, s)).collect();
    let expected = rehearsal.as_ref().map(|r| verify::expected(r, &services)).unwrap_or_default();
    let note = Note::CloneChanging {
        operator: args.acting.operator(),
        reason: args.overrides.reason(&args.acting),
        changes: changes.clone(),
        undoes: Some(last.seq),
    };
    let work = Work { global, context: &context, survey: &survey, changes: &changes };
    let missing = work.carry_out(note, &services, &expected).await?;
    out.result(&done(&changes, &missing), &text::done(&changes, &missing));
    Ok(if missing.is_empty() { Code::Done } else { Code::Held })
}

/// Whether changes of the cluster are about this service: it has to serve again then.
fn concerns(changes: &[Change], service: &Service) -> bool {
    changes.iter().any(|c| c.is_of_cluster() && c.about() == service.clone.resource)
}
