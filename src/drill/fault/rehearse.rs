//! What stands against a fault, before it is played.

use std::time::Duration;

use super::{
    Injector,
    machine::{Machine, name, why},
    play::Stage,
};
use crate::playbook::{Fault, Place};

const CHECKS: &str = include_str!("scripts/checks.sh");
/// What every fault needs, where it runs. The cluster's own tools are asked for where a fault needs them.
const TOOLS: [&str; 4] = ["systemd-run", "systemctl", "flock", "timeout"];

impl Injector {
    /// All that stands against it, each with its machine.
    pub(super) async fn against(&self, fault: &Fault, place: &Place, lasts: Duration) -> Vec<String> {
        let Stage { recipe, seat, machine, look } = match self.stage(fault, place, lasts).await {
            Ok(stage) => stage,
            Err(error) => return vec![format!("{}: {error}", name(place))],
        };
        let mut checks: Vec<(&str, &str)> = vec![("free", "")];
        checks.extend(TOOLS.iter().map(|tool| ("tool", *tool)));
        checks.extend(recipe.checks.iter().map(|(word, argument)| (*word, argument.as_str())));
        let mut against = asked(&machine, look.sudo, name(&seat), &checks).await;
        // What dies must not have a fault of its own, and must come back by itself.
        if seat != *place {
            let own = [("free", ""), ("failures", name(place)), ("boots", "pacemaker.service")];
            against.extend(match self.machine(place) {
                Ok(there) => match there.look().await {
                    Ok(look) => asked(&there, look.sudo, name(place), &own).await,
                    Err(error) => vec![format!("{}: {error}", name(place))],
                },
                Err(error) => vec![error.to_string()],
            });
        }
        against
    }
}

async fn asked(machine: &Machine, sudo: bool, name: &str, checks: &[(&str, &str)]) -> Vec<String> {
    let arguments: Vec<&str> = checks.iter().flat_map(|(word, argument)| [*word, *argument]).collect();
    match machine.script(sudo, CHECKS, &arguments, &[]).await {
        Ok(output) if output.code == Some(0) => {
            output.stdout.lines().filter(|line| !line.is_empty()).map(|line| format!("{name}: {line}")).collect()
        }
        Ok(output) => vec![format!("{name}: nothing can be looked at as root: {}", why(&output))],
        Err(error) => vec![format!("{name}: {error}")],
    }
}
