//! Steps, and the faults of drills.

use std::path::Path;

use super::{
    super::{
        condition::Condition,
        fault::{Fault, Place},
        model::{Action, Step, Through},
    },
    command,
    condition::{check_port, condition},
};
use crate::{
    config::{reader::Reader, report::Problems, show},
    model::{InstanceName, NodeName, ServiceName, UnitName},
};

pub(super) fn step(r: &Reader<'_>, folder: &Path, problems: &mut Problems) -> Option<Step> {
    let mut all = |key: &str| -> Option<Vec<Condition>> {
        let read: Vec<_> = r.tables(key).iter().map(|r| condition(r, problems)).collect();
        read.into_iter().collect()
    };
    let (require, ensure) = (all("require"), all("ensure"));
    let action = action(r, folder, problems);
    let on_failure = if r.has("on-failure") { Some(r.choice("on-failure")?) } else { None };
    Some(Step { name: r.text("name")?, action: action?, require: require?, ensure: ensure?, on_failure })
}

fn action(r: &Reader<'_>, folder: &Path, problems: &mut Problems) -> Option<Action> {
    Some(match r.variant()? {
        "gate" => Action::Gate,
        "drain" => Action::Drain { service: r.text("service").map(ServiceName::new) },
        "restore" => Action::Restore,
        "run" => Action::Run {
            command: command(r, "command")?,
            on: r.choice("on")?,
            timeout: r.duration("timeout")?,
            expect: if r.has("expect") { r.integers("expect")? } else { vec![0] },
            keep: r.integer("keep")?,
        },
        "copy" => Action::Copy {
            from: folder.join(r.text("from")?),
            to: r.text("to")?,
            mode: u32::from_str_radix(&r.text("mode")?, 8).ok()?,
            timeout: r.duration("timeout")?,
        },
        "reboot" => Action::Reboot { timeout: r.duration("timeout")? },
        "wait-until" => {
            let condition = condition(&r.table("until")?, problems);
            let (hold, timeout) = (r.duration("hold")?, r.duration("timeout")?);
            if hold >= timeout {
                let message = format!("it shall hold for {}, and is given {}", show(hold), show(timeout));
                r.spot("hold").report(problems, message, "it must be shorter than `timeout`");
            }
            Action::WaitUntil { condition: condition?, hold, timeout }
        }
        "pause" => Action::Pause { message: r.text("message")?, timeout: r.duration("timeout")? },
        "check" => Action::Check { condition: condition(&r.table("that")?, problems)? },
        "notify" => notify(r, problems)?,
        "adopt" => Action::Adopt { service: ServiceName::new(r.text("service")?) },
        "fault" => {
            let place = if r.has("at") { Some(place(&r.table("at")?, problems)?) } else { None };
            Action::Fault { fault: fault(&r.table("break")?)?, place, lasts: r.duration("lasts")? }
        }
        "observe" => Action::Observe { lasts: r.duration("lasts")? },
        _ => return None,
    })
}

fn notify(r: &Reader<'_>, problems: &mut Problems) -> Option<Action> {
    let through = match (r.has("webhook"), r.has("command")) {
        (true, false) => {
            check_port(r, "webhook", problems);
            Through::Webhook(r.text("webhook")?)
        }
        (false, true) => Through::Command(command(r, "command")?),
        (both, _) => {
            let message = if both { "two ways to tell it" } else { "nobody is told" };
            r.here().report(problems, message, "`webhook` or `command`: one of the two");
            return None;
        }
    };
    Some(Action::Notify {
        through,
        message: r.text("message")?,
        required: r.boolean("required")?,
        timeout: r.duration("timeout")?,
    })
}

fn place(r: &Reader<'_>, problems: &mut Problems) -> Option<Place> {
    match (r.has("node"), r.has("host")) {
        (true, false) => {
            if r.has("instance") {
                r.spot("instance").report(problems, "a node is no instance here", "it goes with `host`");
            }
            Some(Place::Node(NodeName::new(r.text("node")?)))
        }
        (false, true) => {
            let instance = if r.has("instance") { Some(InstanceName::new(r.text("instance")?)) } else { None };
            Some(Place::Host { host: r.text("host")?, instance })
        }
        (both, _) => {
            let message = if both { "two places" } else { "no place" };
            r.here().report(problems, message, "`node` or `host`: one of the two");
            None
        }
    }
}

fn fault(r: &Reader<'_>) -> Option<Fault> {
    let service = || r.text("service").map(ServiceName::new);
    let unit = || r.text("unit").map(UnitName::new);
    Some(match r.variant()? {
        "unit-killed" => Fault::UnitKilled { service: service()? },
        "service-hung" => Fault::ServiceHung { service: service()? },
        "not-ready" => Fault::NotReady { off: command(r, "off")?, on: command(r, "on")? },
        "pacemaker-killed" => Fault::PacemakerKilled,
        "node-fenced" => Fault::NodeFenced,
        "power-cut" => Fault::PowerCut,
        "link-cut" => Fault::LinkCut { interface: r.text("interface") },
        "one-way-partition" => Fault::OneWayPartition,
        "disk-full" => Fault::DiskFull { path: r.text("path")? },
        "balancer-lost" => Fault::BalancerLost { unit: unit()? },
        "secondary-lost" => Fault::SecondaryLost { unit: unit()? },
        "announcer-lost" => Fault::AnnouncerLost { unit: unit()? },
        _ => return None,
    })
}
