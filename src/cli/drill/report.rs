//! `tidegate drill report`: the evidence of a run or a play, as a person or a program wants it.
//!
//! A run's evidence is made of its journal each time, and is the same each time; a play's was measured while it went on,
//! and is read back as it was written.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::{
    args::{Global, run_name},
    context,
    exit::{Code, Failure, Result},
    out::Out,
};
use crate::{
    drill::report::{self, Evidence, guard_remarks, of_run},
    journal::{Journal, JournalError, Notebook, Plays, chain, sqlite::SqliteJournal},
    model::{PlayId, RunId},
    playbook::PlayEvent,
};

/// Notes of the guard that are looked through.
const NOTES_READ: usize = 10_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The run as `tidegate history` names it, or the play or drill as `tidegate playbook status` does
    #[arg(value_name = "RUN", value_parser = run_name)]
    run: RunId,
    /// What to write
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    format: Format,
    /// Write it into this file, and nothing onto stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// One HTML file, with charts, that needs nothing else
    Html,
    /// The evidence itself
    Json,
}

/// Writes the report of one run or play.
pub(super) async fn command(global: &Global, out: Out, args: &ReportArgs) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let journal = SqliteJournal::open(&settings.journal.path).await?;
    let evidence = evidence(&journal, &args.run).await?;
    let text = match args.format {
        Format::Md => report::markdown(&evidence),
        Format::Html => report::html(&evidence),
        Format::Json => report::json(&evidence).map_err(unwritable)?,
    };
    let Some(file) = &args.output else {
        out.result(&evidence, &text);
        return Ok(Code::Done);
    };
    write(file, &text)?;
    out.say(&format!("{}: {}", file.display(), evidence.verdict.outcome.words()));
    let written = json!({
        "run": evidence.id,
        "kind": evidence.kind,
        "verdict": evidence.verdict,
        "output": file,
        "sha256": evidence.signature.sha256,
    });
    out.result(&written, "");
    Ok(Code::Done)
}

/// The evidence of a run or a play, sealed. Fails where neither is in the journal, where its chain is broken, and where
/// evidence that was written down is not what was sealed.
async fn evidence(journal: &SqliteJournal, id: &RunId) -> Result<Evidence> {
    match journal.run(id).await {
        Ok(summary) => {
            let records = journal.records(id).await?;
            chain::verify(&records).map_err(|seq| broken(id.as_str(), seq))?;
            let mut evidence = of_run(&summary, &records);
            let notes = journal.notes(NOTES_READ).await?;
            evidence.remarks.extend(guard_remarks(&notes, evidence.started, evidence.ended));
            evidence.remarks.sort_by_key(|remark| remark.at);
            evidence.seal().map_err(unwritable)
        }
        Err(JournalError::NoSuchRun(_)) => of_play(journal, id).await,
        Err(error) => Err(error.into()),
    }
}

async fn of_play(journal: &SqliteJournal, id: &RunId) -> Result<Evidence> {
    let records = match journal.play_records(&PlayId::new(id.as_str())).await {
        // Neither a run nor a play: what was asked for was a run.
        Err(JournalError::NoSuchPlay(_)) => return Err(JournalError::NoSuchRun(id.clone()).into()),
        other => other?,
    };
    let measured = records.into_iter().rev().find_map(|record| match record.event {
        PlayEvent::Measured { evidence } => Some(evidence),
        _ => None,
    });
    let measured = measured.ok_or_else(|| {
        Failure::new(Code::Failed, format!("{id} has no evidence yet: it is written when the play is over"))
    })?;
    let evidence: Evidence = serde_json::from_value(measured)
        .map_err(|error| Failure::new(Code::Failed, format!("the evidence of {id} cannot be read: {error}")))?;
    evidence.verify().map_err(unwritable)?;
    Ok(evidence)
}

fn broken(id: &str, seq: u64) -> Failure {
    Failure::new(Code::Failed, format!("{id}: the hash chain is broken at record {seq}: the journal was changed"))
        .next(format!("`tidegate show {id}` shows what is there. No report is made of it."))
}

fn unwritable(error: report::Mismatch) -> Failure {
    Failure::new(Code::Failed, error.to_string())
}

/// Writes a file as a whole: a reader never sees half of it.
fn write(file: &Path, text: &str) -> Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(|error| {
        // What could not be put in place is of no use; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&beside);
        Failure::new(Code::Failed, format!("{} cannot be written: {error}", file.display()))
    })
}
