//! The order of steps on a node. It is in, then drained, then brought back; what takes it away (a reboot) is between
//! the two. There is no other way out than a drain, and a playbook that leaves a node out says so.

use crate::config::{
    reader::{Reader, Spot},
    report::Problems,
};

/// Where a node is, as far as the steps before say.
enum State {
    In,
    /// Out since this step.
    Out(Spot),
    /// One of its services is, since this step.
    Part(Spot),
}

/// Follows a node through the steps.
pub(super) fn order(root: &Reader<'_>, problems: &mut Problems) {
    let steps = root.tables("step");
    let written = root.raw().get("step").and_then(|entry| entry.node.list()).map_or(0, <[_]>::len);
    // With a step unknown, everything after it would be told for nothing.
    if !root.has("nodes") || steps.len() < written || steps.iter().any(|step| step.variant().is_none()) {
        return;
    }
    let mut state =
        if root.boolean("begins-out") == Some(true) { State::Out(root.spot("begins-out")) } else { State::In };
    for step in steps {
        state = after(state, &step, problems);
    }
    let leaves_out = root.boolean("leaves-out") == Some(true);
    match state {
        State::Out(since) | State::Part(since) if !leaves_out => {
            since.report(
                problems,
                "the node is not brought back",
                "end with a step `do = \"restore\"`, or say `leaves-out = true`",
            );
        }
        State::In if leaves_out => {
            root.spot("leaves-out").report(problems, "every node is in when this playbook ends", "leave it out");
        }
        _ => {}
    }
}

/// The state after a step.
fn after(state: State, step: &Reader<'_>, problems: &mut Problems) -> State {
    let spot = step.spot("do");
    let mut tell = |message: &str, help: &str| spot.report(problems, message, help);
    match (step.variant().unwrap_or_default(), state) {
        ("drain", State::In) if step.has("service") => State::Part(spot),
        ("drain", State::In) => State::Out(spot),
        ("drain", out) => {
            tell("this drains a node that is drained already", "bring it back with `do = \"restore\"` first");
            out
        }
        ("restore", State::In) => {
            tell(
                "this brings back a node that is not out",
                "it comes after a `do = \"drain\"`; with `begins-out = true` another run drained it",
            );
            State::In
        }
        ("restore", _) => State::In,
        ("reboot", state @ State::In) => {
            tell("this reboots a node that is in traffic", "drain it first, and bring it back after it");
            state
        }
        ("reboot", state @ State::Part(_)) => {
            tell("this reboots a node of which only a service is drained", "drain all of it: leave `service` out");
            state
        }
        ("gate", state @ (State::Out(_) | State::Part(_))) => {
            tell("this asks whether a node may be drained that is drained already", "ask before the drain");
            state
        }
        (_, state) => state,
    }
}
