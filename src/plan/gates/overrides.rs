//! Overrides: a person takes a gate upon himself, by its name and with a reason. They are part of the request, so the plan
//! and the journal have them.

use serde::{Deserialize, Serialize};

use super::{Answer, Gate};

/// Gates that a person may answer for. Quorum, votes and the last route are none, nor is anything that is only unknown:
/// nobody can vouch for what nobody sees.
pub const OVERRIDABLE: [&str; 10] = [
    "alerts",
    "arrivals",
    "calendar",
    "capacity",
    "collateral",
    "drift",
    "fencing",
    "headroom",
    "instances",
    "resources",
];

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The gate's code.
    pub gate: String,
    /// Why.
    pub reason: String,
}

impl std::str::FromStr for Override {
    type Err = String;

    /// `GATE=REASON`, for the gates of a drain.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(text, &OVERRIDABLE)
    }
}

impl Override {
    /// `GATE=REASON`, for one of these gates.
    ///
    /// # Errors
    /// It is another gate, or there is no reason.
    pub fn of(text: &str, overridable: &[&str]) -> Result<Self, String> {
        let (gate, reason) = text.split_once('=').ok_or("it needs a reason: GATE=REASON")?;
        let (gate, reason) = (gate.trim(), reason.trim());
        if !overridable.contains(&gate) {
            return Err(format!("{gate} cannot be overridden; these can: {}", overridable.join(", ")));
        }
        if reason.is_empty() {
            return Err(format!("say why {gate} is overridden: {gate}=REASON"));
        }
        Ok(Self { gate: gate.into(), reason: reason.into() })
    }
}

/// Lets through what a person answers for, with a warning that says so.
pub(super) fn apply(overrides: &[Override], gates: &mut [Gate]) {
    for gate in gates.iter_mut().filter(|g| g.answer == Answer::Refuse && !g.unknown) {
        let Some(by) = overrides.iter().find(|o| o.gate == gate.code) else { continue };
        gate.answer = Answer::Warn;
        gate.detail = format!("{} (overridden: {})", gate.detail, by.reason);
        gate.remedy = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_gates_and_only_with_a_reason() {
        let read = |text: &str| text.parse::<Override>();
        assert_eq!(read("collateral= db may move ").expect("one").reason, "db may move");
        assert!(read("quorum=never mind").expect_err("none").contains("cannot be overridden"));
        assert!(read("last-route=x").is_err());
        assert!(read("collateral=").is_err());
        assert!(read("collateral").is_err());
    }

    #[test]
    fn what_is_unknown_stays_so() {
        let mut gates = [
            Gate::new("capacity", Answer::Refuse, "x"),
            Gate { unknown: true, ..Gate::new("capacity", Answer::Refuse, "x") },
            Gate::new("capacity", Answer::Hold, "x"),
            Gate::new("fencing", Answer::Refuse, "x"),
        ];
        apply(&[Override { gate: "capacity".into(), reason: "night".into() }], &mut gates);
        assert_eq!(
            gates.iter().map(|g| g.answer).collect::<Vec<_>>(),
            [Answer::Warn, Answer::Refuse, Answer::Hold, Answer::Refuse]
        );
        assert_eq!(gates[0].detail, "x (overridden: night)");
    }
}
