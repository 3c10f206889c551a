//! The clones as a person reads them: differences as `from → to`, the commands that do the same, tables.

use std::fmt::Write as _;

use super::{
    super::{can_drain, table::Table},
    look::{Picture, Pictured, Row},
};
use crate::{
    clone::{Change, history::Applied},
    plan::gates::Gate,
};

/// What would be changed, and every gate.
pub(super) fn plan(picture: &Picture) -> String {
    let mut text = String::new();
    for service in &picture.services {
        let _ = writeln!(text, "{}", heading(service));
        text += &changes(&service.changes);
        if service.found.clone.is_none() && !service.changes.is_empty() {
            for value in service.wanted.values() {
                let _ = writeln!(text, "      {:<18} {}", value.place, value.value);
            }
        }
        let _ = writeln!(text);
    }
    if let (Ok(rehearsal), false) = (&picture.rehearsal, picture.changes.is_empty()) {
        let moves: Vec<String> = rehearsal.moves.iter().map(ToString::to_string).collect();
        let would = if moves.is_empty() { "start or stop nothing".to_owned() } else { moves.join(", ") };
        let _ = writeln!(text, "The cluster would {would}.\n");
    }
    if !picture.around.is_empty() {
        text += &can_drain::table(&picture.around);
    }
    for service in &picture.services {
        let _ = write!(text, "\n{}\n{}", service.service.name, can_drain::table(&service.gates));
    }
    let against = picture.gates().filter(|g| !g.passes()).count();
    let _ = match (against, picture.changes.len()) {
        (0, 0) => writeln!(text, "\nEverything is as declared."),
        (0, _) => writeln!(text, "\n`tidegate clone apply` does it."),
        (1, _) => writeln!(text, "\nIt cannot be applied now: one gate is against it."),
        (n, _) => writeln!(text, "\nIt cannot be applied now: {n} gates are against it."),
    };
    text
}

fn heading(service: &Pictured) -> String {
    let (name, resource) = (&service.service.name, &service.wanted.resource);
    let state = match (&service.found.clone, service.changes.len()) {
        (None, _) => format!("{resource} is not in the cluster"),
        (Some(clone), 0) => format!("{} is as declared", clone.id),
        (Some(clone), 1) => format!("{} has one difference", clone.id),
        (Some(clone), n) => format!("{} has {n} differences", clone.id),
    };
    format!("{name}: {state} (configuration {})", service.found.version)
}

fn changes(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let _ = writeln!(text, "  {change}");
        for command in change.pcs() {
            let _ = writeln!(text, "      {command}");
        }
    }
    text
}

/// Every service on every node.
pub(super) fn status(picture: &Picture, rows: &[Row], last: Option<&Applied>) -> String {
    let mut text = String::new();
    for service in &picture.services {
        let _ = writeln!(text, "{}", heading(service));
        for change in &service.changes {
            let _ = writeln!(text, "  {change}");
        }
        for constraint in &service.found.constraints {
            let _ = writeln!(text, "  constraint: {constraint}");
        }
    }
    let mut table = Table::new(["service", "node", "cluster", "unit", "at boot", "ready"]).unbroken(3);
    for row in rows {
        table.row([row.service.as_str(), row.node.as_str(), &row.cluster, &row.unit, &row.boot, &row.ready]);
    }
    let _ = write!(text, "\n{table}");
    if let Some(last) = last {
        let n = last.changes.len();
        let _ = writeln!(
            text,
            "\nLast applied at {} by {} ({}): {n} changes, which `tidegate clone undo` takes back.",
            last.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            last.operator,
            last.reason
        );
    }
    text
}

/// What an undo would do.
pub(super) fn undo(last: &Applied, changes: &[Change], gates: &[Gate]) -> String {
    let proven = if last.proven { "" } else { ", whose outcome is not known" };
    let mut text = format!("the apply of {} by {} ({}){proven} is taken back:\n", last.at, last.operator, last.reason);
    text += &self::changes(changes);
    format!("{text}\n{}", can_drain::table(gates))
}

/// What became of it.
pub(super) fn done(changes: &[Change], missing: &[String]) -> String {
    let mut text = String::new();
    for change in changes {
        let _ = writeln!(text, "{change}");
    }
    let _ = match (changes.is_empty(), missing.is_empty()) {
        (true, true) => writeln!(text, "Everything is as declared, and every instance serves."),
        (true, false) => writeln!(text, "Everything is as declared. What does not serve:"),
        (false, true) => writeln!(text, "Done; every instance that is expected serves."),
        (false, false) => writeln!(text, "The changes are made, but this is missing:"),
    };
    for line in missing {
        let _ = writeln!(text, "  {line}");
    }
    text
}
