//! `tidegate guard`: what the guard has taken out of routes by itself, and what it saw and did lately.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{
    args::Global,
    context,
    exit::{Code, Result},
    out::Out,
    table::Table,
};
use crate::{
    config::guard::Mode,
    journal::{Note, Notebook, Noted, Withdrawal, sqlite::SqliteJournal},
    model::{RouteTarget, observed::age},
    provider::{Clock, SystemClock},
    run::waiting::Short,
};

#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    /// Notes to show, at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

/// Shows what is withdrawn and the newest notes.
pub(super) async fn command(global: &Global, out: Out, args: GuardArgs) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let journal = SqliteJournal::open(&settings.journal.path).await?;
    let notes = journal.notes(usize::from(args.limit)).await?;
    let withdrawn: Vec<(RouteTarget, Withdrawal)> = journal.withdrawn().await?.into_iter().collect();
    let listed: Vec<_> = withdrawn.iter().map(|(target, was)| json!({ "target": target, "withdrawal": was })).collect();
    let value = json!({ "mode": settings.guard.mode, "withdrawn": listed, "notes": notes });
    out.result(&value, &text(settings.guard.mode, &withdrawn, &notes));
    Ok(Code::Done)
}

fn text(mode: Mode, withdrawn: &[(RouteTarget, Withdrawal)], notes: &[Noted]) -> String {
    let now = SystemClock.now();
    let mut text = format!("mode {mode} (`tidegate serve` works by it, unless told otherwise with --guard)\n\n");
    if withdrawn.is_empty() {
        text += "nothing is withdrawn\n";
    } else {
        let mut table = Table::new(["withdrawn", "from", "at", "since", "why"]).unbroken(4);
        for (target, was) in withdrawn {
            let since = format!("{} ago", Short(age(now, was.since)));
            let since = if was.acknowledged.is_some() { since } else { format!("{since}, not yet seen") };
            table.row([was.node.as_str(), target.route.as_str(), target.instance.as_str(), &since, &was.why]);
        }
        let _ = writeln!(text, "{table}\nEach comes back exactly as it was once its node serves again.");
    }
    if notes.is_empty() {
        return text + "\nno notes yet\n";
    }
    let mut table = Table::new(["when", "what", "about", "why"]).unbroken(3);
    for noted in notes {
        let (about, why) = about(&noted.note);
        let when = format!("{} ago", Short(age(now, noted.at)));
        table.row([&when, noted.note.word(), &about, &why]);
    }
    let _ = write!(text, "\n{table}");
    text
}

/// What a note is about, and why it was written.
fn about(note: &Note) -> (String, String) {
    let place = |target: &RouteTarget| match target.role.is_driven() {
        true => format!("{} at {}", target.server, target.instance),
        false => format!("session with {} at {}", target.server, target.instance),
    };
    match note {
        Note::Withdrawing { target, why, .. }
        | Note::Advised { target, why, .. }
        | Note::Would { target, why, .. }
        | Note::FailOpen { target, why, .. } => (place(target), why.clone()),
        Note::Withdrawn { target } | Note::Returning { target } | Note::Returned { target } => {
            (place(target), String::new())
        }
        Note::Refused { target, error } => (place(target), error.clone()),
        Note::OutOfOrder { node } => (node.to_string(), "in standby, and nobody drained it".to_owned()),
        Note::Blind { why } => (String::new(), why.clone()),
        Note::Sighted => (String::new(), "the cluster is seen again".to_owned()),
        Note::CloneChanging { changes, reason, .. } => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            (changes.join("; "), reason.clone())
        }
        Note::CloneChanged => (String::new(), "the clones are as declared".to_owned()),
        Note::CloneUnchanged { error } => (String::new(), error.clone()),
        Note::Turned { node, service, to, why } => {
            let why = if why.is_empty() { to.clone() } else { format!("{to}: {why}") };
            (format!("{service} on {node}"), why)
        }
    }
}
