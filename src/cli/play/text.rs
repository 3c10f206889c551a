//! A play as people and programs read it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::table::{Table, printable};
use crate::{
    journal::{PlayReading, PlayRecord, PlaySummary, holder},
    play::Came,
    playbook::{PlayEnding, PlayEvent, Spot, SpotState, next},
};

/// In one word: done, failed, given-up, held, running, paused.
pub(in crate::cli) fn result(reading: &PlayReading) -> &'static str {
    match (&reading.summary.ending, &reading.state.held) {
        (Some(ending), _) => ending.word(),
        // A drill that is held gives itself up.
        (None, Some(_)) if reading.summary.opening.playbook.drill.is_some() && is_worked_on(&reading.summary) => {
            "running"
        }
        (None, Some(_)) => "held",
        (None, None) if is_worked_on(&reading.summary) => "running",
        (None, None) => "paused",
    }
}

fn is_worked_on(summary: &PlaySummary) -> bool {
    summary.holder.as_deref().is_some_and(|holder| !holder::is_dead(holder))
}

/// For programs.
pub(in crate::cli) fn object(reading: &PlayReading, came: Option<&Came>) -> Value {
    let (summary, state) = (&reading.summary, &reading.state);
    let opening = &summary.opening;
    let steps: Vec<Value> = state.spots.iter().map(|(spot, at)| {
        json!({
            "part": spot.part, "wave": spot.wave, "node": spot.node, "step": next::name(opening, spot),
            "result": word(at), "since": at.since, "done": at.done, "run": at.run, "why": at.failed, "told": at.told,
            "code": at.said.as_ref().and_then(|said| said.0), "output": at.said.as_ref().map(|said| &said.1),
        })
    }).collect();
    json!({
        "play": summary.play, "playbook": opening.playbook.name, "digest": opening.playbook.digest, "result": result(reading),
        "why": why(reading, came), "opened_at": summary.opened_at, "ended_at": summary.ended_at, "operator": opening.operator,
        "reason": opening.reason, "waves": opening.waves, "out": state.out(opening), "steps": steps, "next": next_command(reading),
        "chain": { "records": summary.head.0, "head": summary.head.1 }, "drill": opening.playbook.drill.is_some(),
        "seconds": seconds(reading), "given_up_at": given_up_at(reading), "asks": asks(reading),
    })
}

/// What a person is asked.
fn asks(reading: &PlayReading) -> Vec<Value> {
    let asking = reading.state.spots.iter().filter(|(_, at)| at.asks());
    let one = |(spot, at): (&Spot, &SpotState)| {
        let step = next::name(&reading.summary.opening, spot);
        json!({ "node": spot.node, "step": step, "message": at.question, "until": at.asked })
    };
    asking.map(one).collect()
}

fn given_up_at(reading: &PlayReading) -> Option<Timestamp> {
    let gives_up = |record: &&PlayRecord| matches!(record.event, PlayEvent::GivenUp { .. });
    reading.records.iter().find(gives_up).map(|record| record.at)
}

fn word(at: &SpotState) -> &'static str {
    match (at.done.is_some(), at.failed.is_some(), at.asks()) {
        (true, ..) => "done",
        (_, true, _) => "failed",
        (_, _, true) => "asking",
        _ if at.mended.is_some() => "undone",
        _ => "begun",
    }
}

fn why(reading: &PlayReading, came: Option<&Came>) -> Option<String> {
    match (&reading.summary.ending, came) {
        (Some(ending), _) => ending.why().map(str::to_owned),
        (None, Some(Came::Held(why) | Came::Stopped(why))) => Some(why.clone()),
        (None, _) => reading.state.held.clone(),
    }
}

fn seconds(reading: &PlayReading) -> f64 {
    let last = reading.records.last().map_or(reading.summary.opened_at, |record: &PlayRecord| record.at);
    let took = crate::model::observed::age(last, reading.summary.opened_at);
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What a person can do next.
fn next_command(reading: &PlayReading) -> String {
    if reading.summary.opening.playbook.drill.is_some() {
        return next_of_drill(reading);
    }
    let play = &reading.summary.play;
    let asking = reading.state.spots.values().any(SpotState::asks);
    match result(reading) {
        "running" if reading.state.given_up.is_some() => format!(
            "Whoever carries it out brings everything back; `tidegate playbook status {play} --follow` tells when that is done."
        ),
        "held" | "paused" => {
            let out: Vec<String> =
                reading.state.out(&reading.summary.opening).keys().map(ToString::to_string).collect();
            let state = if out.is_empty() {
                "No node is out by it.".to_owned()
            } else {
                format!("Out of traffic and the cluster: {}.", out.join(", "))
            };
            format!(
                "{state} `tidegate playbook resume {play}` goes on where it stopped, `tidegate playbook abort {play}` brings everything back."
            )
        }
        "running" if asking => {
            format!("`tidegate playbook approve {play}` says yes, `tidegate playbook abort {play}` no.")
        }
        "running" => format!("`tidegate playbook abort {play}` gives it up and brings everything back."),
        "failed" | "given-up" => {
            let out: Vec<String> =
                reading.state.out(&reading.summary.opening).keys().map(|n| format!("`tidegate restore {n}`")).collect();
            if out.is_empty() {
                "Every node that it took out is back.".to_owned()
            } else {
                format!("Still out: {}.", out.join(", "))
            }
        }
        _ => format!("`tidegate drill report {play}` writes its report."),
    }
}

/// The same of a drill, which is never gone on with: it is ended, and reported.
fn next_of_drill(reading: &PlayReading) -> String {
    let (play, state) = (&reading.summary.play, &reading.state);
    let out: Vec<String> = state.out(&reading.summary.opening).keys().map(ToString::to_string).collect();
    let mut is = Vec::new();
    if state.faults().next().is_some() {
        is.push("What it broke may be broken still, until its timer ends it.".to_owned());
    }
    if !out.is_empty() {
        is.push(format!("Out of traffic and the cluster: {}.", out.join(", ")));
    }
    let word = result(reading);
    if reading.summary.ending.is_some() {
        is.extend(out.iter().map(|node| format!("`tidegate restore {node}` brings it back.")));
    }
    is.push(match word {
        "held" | "paused" => format!("`tidegate drill stop {play}` mends it, brings everything back and closes it."),
        "running" if state.given_up.is_some() => {
            format!("Whoever plays it ends it now; `tidegate playbook status {play} --follow` tells when that is done.")
        }
        "running" => format!("`tidegate drill stop {play}` ends it at once."),
        _ => format!("`tidegate drill report {play}` writes its report."),
    });
    is.join(" ")
}

/// For people.
pub(in crate::cli) fn words(reading: &PlayReading, came: Option<&Came>) -> String {
    let (summary, state) = (&reading.summary, &reading.state);
    let opening = &summary.opening;
    let mut text = format!("{} ({}): {}", opening.playbook.name, summary.play, result(reading));
    if let Some(why) = why(reading, came) {
        text += &format!(": {}", printable(&why));
    }
    text += &format!(
        "\n{} by {}: {}\n\n",
        time(summary.opened_at),
        printable(&opening.operator),
        printable(&opening.reason)
    );
    let mut table = Table::new(["where", "step", "result", "took", ""]).unbroken(3);
    let mut spots: Vec<_> = state.spots.iter().collect();
    spots.sort_by_key(|(_, at)| at.since);
    for (spot, at) in spots {
        let place = spot.node.as_ref().map_or_else(String::new, ToString::to_string);
        let name = next::name(opening, spot);
        let name = name.rsplit_once(", ").map_or(name.as_str(), |(_, step)| step);
        let took = at.since.zip(at.done).map_or_else(String::new, |(since, done)| {
            format!("{:.1} s", crate::model::observed::age(done, since).as_secs_f64())
        });
        let question = at.asks().then(|| question(at));
        let note = at.failed.as_deref().or(at.told.as_deref()).or(question.as_deref());
        let note = note.map(printable).unwrap_or_default();
        table.row([&place, name, word(at), &took, &note]);
    }
    text + &table.to_string() + "\n" + &next_command(reading) + "\n"
}

fn question(at: &SpotState) -> String {
    let until = at.asked.map(|until| format!(" (until {})", time(until))).unwrap_or_default();
    format!("{}{until}", at.question.as_deref().unwrap_or("a person is asked"))
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// All plays, for programs.
pub(in crate::cli) fn list_object(plays: &[PlaySummary]) -> Value {
    let one = |p: &PlaySummary| {
        json!({
            "play": p.play, "playbook": p.opening.playbook.name, "opened_at": p.opened_at, "ended_at": p.ended_at,
            "result": p.ending.as_ref().map_or("open", PlayEnding::word), "operator": p.opening.operator,
            "reason": p.opening.reason, "drill": p.opening.playbook.drill.is_some(),
        })
    };
    json!({ "plays": plays.iter().map(one).collect::<Vec<_>>() })
}

/// All plays, for people.
pub(in crate::cli) fn list(plays: &[PlaySummary]) -> String {
    if plays.is_empty() {
        return "no plays yet\n".to_owned();
    }
    let mut table = Table::new(["play", "result", "by", "reason"]).unbroken(3);
    for play in plays {
        let result = play.ending.as_ref().map_or("open", PlayEnding::word);
        table.row([play.play.as_str(), result, &play.opening.operator, &play.opening.reason]);
    }
    table.to_string()
}
