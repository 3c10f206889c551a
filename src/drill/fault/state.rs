//! What a machine says of a fault, as a state; and the faults that it has.

use super::{FaultState, Injected, Leftover, machine::failed};
use crate::{
    playbook::Fault,
    provider::{ProviderError, Result, access::Output},
};

/// What the state is, by what the machine shows.
pub(super) fn state(injected: &Injected, shown: &str) -> FaultState {
    let has = |line: &str| shown.lines().any(|l| l == line);
    let Some(boot) = shown.lines().find_map(|l| l.strip_prefix("boot ")) else {
        return FaultState::Unknown(format!("{} does not say which boot it is in", injected.host));
    };
    let (armed, begun, undone) = (has("mark injected.json"), has("mark begun"), has("mark undone"));
    match (armed || undone, begun, undone) {
        (_, true, true) => FaultState::Undone,
        (_, false, true) => FaultState::NeverBegun,
        (_, true, false) => FaultState::Active,
        // Armed, and not begun: if it was asked to begin, that may be on its way.
        (true, false, false) if has("timer") => {
            FaultState::Unknown("its timer waits, and it has not begun: it may be on its way".into())
        }
        (true, false, false) => FaultState::NeverBegun,
        (false, false, false) if boot == injected.boot => FaultState::NeverBegun,
        (false, false, false) => restarted(&injected.fault),
    }
}

/// What is left of a fault on a machine that has restarted since.
fn restarted(fault: &Fault) -> FaultState {
    let why = match fault {
        Fault::NotReady { .. } => {
            "the machine has restarted, and whether what turned it off outlives that is not known"
        }
        Fault::PowerCut => {
            "the member with the timer has restarted, and whether the node got its power back is not known"
        }
        _ => return FaultState::Undone,
    };
    FaultState::Unknown(why.into())
}

/// The faults in a list, a line each.
pub(super) fn leftovers(output: &Output) -> Result<Vec<Leftover>> {
    if output.code != Some(0) {
        return Err(failed("the list of faults", output));
    }
    let odd = |line: &str| ProviderError::Unexpected(format!("in the list of faults: {line:.100}"));
    let one = |line: &str| {
        let (how, json) = line.split_once(' ').ok_or_else(|| odd(line))?;
        let injected = serde_json::from_str(json).map_err(|_| odd(line))?;
        let state = match how {
            "begun" => FaultState::Active,
            "armed" => FaultState::Unknown("its timer waits, and it has not begun: it may be on its way".into()),
            _ => return Err(odd(line)),
        };
        Ok(Leftover { injected, state })
    };
    output.stdout.lines().filter(|l| !l.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests;
