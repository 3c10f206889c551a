//! The journal's events in words, the same for live progress, `show` and logs.

use crate::{
    journal::{Ending, Event, Held},
    model::{Before, Effect, Receipt},
    plan::{Action, Plan, steps::policy_words},
    run::{state::Status, waiting::Waiting},
};

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// What changes the course of a run, and what failed.
    News,
    /// A step of the plan.
    Step,
    /// Single effects and their acknowledgements.
    Detail,
}

/// An event as one line, and how much it matters.
pub fn event(plan: &Plan, event: &Event) -> (Weight, String) {
    match event {
        Event::Taken { by } => (Weight::Detail, format!("taken up by {by}")),
        Event::StepBegun { step } => (Weight::Step, format!("{} begins", step_name(plan, *step))),
        Event::StepDone { step } => (Weight::Step, format!("{} proven", step_name(plan, *step))),
        Event::Intended { effect, .. } => (Weight::Detail, format!("about to change: {effect}")),
        Event::Accepted { effect: effect @ (Effect::CloseOld { .. } | Effect::CloseSockets { .. }), .. } => {
            (Weight::News, effect.to_string())
        }
        Event::Accepted { effect, .. } => (Weight::Detail, format!("accepted: {effect}")),
        Event::Acknowledged { effect, .. } => (Weight::Detail, format!("read back: {effect}")),
        Event::NotAccepted { effect, error, .. } => (Weight::News, format!("not accepted: {effect}: {error}")),
        Event::AlreadySo { receipt, .. } => (Weight::News, format!("already so, left alone: {}", thing(receipt))),
        Event::Changed { target, planned, now } => {
            let (server, instance, route) = (&target.server, &target.instance, &target.route);
            let how = planned.differences(now);
            (
                Weight::News,
                format!("{server} at {instance} ({route}) changed since the plan: {how}; a restore leaves it so"),
            )
        }
        Event::Unrehearsed { differences } => {
            (Weight::News, format!("the cluster did not do what it had rehearsed: {}", differences.join("; ")))
        }
        Event::Reasserted { target, saw } => {
            (Weight::News, format!("{} at {} ({}) was {saw}: set again", target.server, target.instance, target.route))
        }
        Event::Overruled { target, saw } => {
            let (server, instance, route) = (&target.server, &target.instance, &target.route);
            (Weight::News, format!("{server} at {instance} ({route}) was {saw} by another hand"))
        }
        Event::Drifted { target, saw, drift } => {
            let (server, instance, route) = (&target.server, &target.instance, &target.route);
            (Weight::News, format!("{server} at {instance} ({route}), while out: {saw} ({drift})"))
        }
        Event::Drained { listener } => {
            (Weight::Detail, format!("{listener} has no connections left on {}", plan.node()))
        }
        Event::DeadlineReached { listener, remaining, policy, .. } => (
            Weight::News,
            format!("deadline reached with {remaining} connections of {listener} left: {}", policy_words(*policy)),
        ),
        Event::Stragglers { listener, remaining, verdict, .. } => {
            (Weight::News, format!("{remaining} connection{} of {listener} left; {verdict}", plural(*remaining)))
        }
        Event::Cutting { listener, through } => (
            Weight::Detail,
            format!("about to cut the connections of {listener}: {}", held(through).trim_end_matches(", ")),
        ),
        Event::Cut { listener, through, sockets: 0, remaining: 0 } if through.iter().all(|h| h.connections == 0) => {
            (Weight::News, format!("no connection of {listener} was there to be cut"))
        }
        Event::Cut { listener, through, sockets, remaining } => {
            let left = if *remaining == 0 { "none is left".to_owned() } else { format!("{remaining} are left") };
            let on_node = format!("{sockets} on {} itself", plan.node());
            (Weight::News, format!("connections of {listener} cut: {}{on_node}; {left}", held(through)))
        }
        Event::DrainLost { listener, residual, .. } => {
            (Weight::News, format!("{residual} connections of {listener} came back: the wait begins again"))
        }
        Event::RampStage { step, stage, .. } => {
            (Weight::Detail, format!("{} of its weight", percent(plan, *step, *stage)))
        }
        Event::RampBackedOff { step, stage, why } => {
            (Weight::News, format!("taken out again at {}: {why}", percent(plan, *step, *stage)))
        }
        Event::Held { why } => (Weight::News, format!("held: {why}")),
        Event::AbortRequested { by } => (Weight::News, format!("abort asked for by {by}")),
        Event::Ended { ending } => (Weight::News, format!("ended: {}", self::ending(ending))),
    }
}

/// The stragglers that an event lists, a line each.
pub fn stragglers(event: &Event) -> Vec<String> {
    match event {
        Event::DeadlineReached { left, .. } => left.iter().map(ToString::to_string).collect(),
        Event::Stragglers { oldest, .. } => oldest.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// At most so many lines, indented, and how many more there are.
pub fn few(lines: &[String], most: usize) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(most).map(|line| format!("    {line}")).collect();
    if lines.len() > shown.len() {
        shown.push(format!("    and {} more", lines.len() - shown.len()));
    }
    shown
}

fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// `25 through lb-01, 24 through lb-02, `.
fn held(through: &[Held]) -> String {
    through.iter().map(|held| format!("{} through {}, ", held.connections, held.instance)).collect()
}

/// `2 of 4, connections drained`.
pub fn step_name(plan: &Plan, step: usize) -> String {
    let title = plan.action(step).map_or("no such step", Action::title);
    format!("step {} of {}, {title}", step + 1, plan.steps.len())
}

/// How a run ended.
pub fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Done => "done".to_owned(),
        Ending::Aborted { why, undo: Some(undo) } => format!("aborted ({why}); {undo} puts things back"),
        Ending::Aborted { why, undo: None } => format!("aborted ({why}); there was nothing to put back"),
        Ending::Stuck { why } => format!("stuck: {why}"),
        Ending::Acknowledged { by } => format!("stuck, acknowledged by {by}"),
    }
}

/// The state of a run in one word, as `--json` and the history have it.
pub fn status_word(status: &Status, executor_alive: bool) -> &'static str {
    match status {
        Status::Ended { ending: Ending::Done } => "done",
        Status::Ended { ending: Ending::Aborted { .. } } => "aborted",
        Status::Ended { ending: Ending::Stuck { .. } } => "stuck",
        Status::Ended { ending: Ending::Acknowledged { .. } } => "acknowledged",
        Status::Held { .. } => "held",
        Status::Open | Status::Active | Status::Aborting { .. } if executor_alive => "running",
        Status::Aborting { .. } => "aborting",
        Status::Open | Status::Active => "paused",
    }
}

/// What is missing, in one line.
pub fn waits(waits: &[Waiting]) -> String {
    waits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// More about what is missing, a line each, indented.
pub fn wait_details(waits: &[Waiting]) -> Vec<String> {
    waits.iter().flat_map(Waiting::details).map(|line| format!("    {line}")).collect()
}

fn percent(plan: &Plan, step: usize, stage: usize) -> String {
    let percent = match plan.action(step) {
        Some(Action::ReadmitRoutes { readmissions, .. }) => {
            readmissions.iter().filter(|r| r.serving).find_map(|r| r.ramp.get(stage)).copied().unwrap_or(100)
        }
        _ => 100,
    };
    format!("{percent} %")
}

fn thing(receipt: &Receipt) -> String {
    match &receipt.before {
        Before::Route { route, instance, server, .. } => format!("{server} at {instance} ({route})"),
        Before::Standby { attribute } => {
            format!("standby attribute {}", attribute.as_deref().unwrap_or("absent"))
        }
        Before::Clone { resource, instances } => format!("clone-max of {resource} {instances}"),
        Before::UnitFile { unit, enabled } => {
            format!("{unit} {}", if *enabled { "enabled at boot" } else { "not enabled at boot" })
        }
        Before::Unit { unit, active } => format!("{unit} {}", if *active { "active" } else { "not active" }),
    }
}
