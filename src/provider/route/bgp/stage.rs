//! Where an announcement is on its way out, and where it goes next. Pure.
//!
//! Marking and withdrawing are two steps with a wait between them, and no call waits: each call takes the step that is
//! due now. The run calls again for as long as the member is still seen in traffic.

use std::time::Duration;

use crate::model::Desired;

/// Where an announcement is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// As the operator wants it.
    Announced,
    /// With the graceful-shutdown community: still there, and chosen last.
    Marked,
    /// Not announced by what Tidegate drives.
    Withdrawn,
}

/// What is done now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Move<'a, S> {
    /// Nothing: it is so already, or the wait after marking is not over.
    Stay,
    /// To `Marked`.
    Mark,
    /// To `Withdrawn`.
    Withdraw,
    /// To `Announced`.
    Announce,
    /// To the state of a receipt.
    PutBack(&'a S),
}

/// The move from `stage` towards what is desired. `marked` is how long it has been seen marked; `grace` is how long that
/// should last, where it is wanted at all.
pub(super) fn towards<'a, S>(
    stage: Stage,
    desired: &Desired,
    receipt: Option<&'a S>,
    grace: Option<Duration>,
    marked: Option<Duration>,
) -> Move<'a, S> {
    match (desired, stage) {
        (Desired::Exactly { .. }, _) => receipt.map_or(Move::Stay, Move::PutBack),
        // Nothing checks a prefix, so there is no check to begin anew.
        (Desired::FreshCheck, _) => Move::Stay,
        (Desired::Serving { weight: 1.. }, Stage::Announced) => Move::Stay,
        (Desired::Serving { weight: 1.. }, _) => Move::Announce,
        (Desired::Drained | Desired::Closed | Desired::Serving { .. }, Stage::Announced) if grace.is_some() => {
            Move::Mark
        }
        (Desired::Drained | Desired::Closed | Desired::Serving { .. }, Stage::Announced) => Move::Withdraw,
        (Desired::Drained | Desired::Closed | Desired::Serving { .. }, Stage::Marked) => match (grace, marked) {
            (Some(grace), None) if !grace.is_zero() => Move::Stay,
            (Some(grace), Some(marked)) if marked < grace => Move::Stay,
            _ => Move::Withdraw,
        },
        (Desired::Drained | Desired::Closed | Desired::Serving { .. }, Stage::Withdrawn) => Move::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn next(stage: Stage, desired: &Desired, grace: Option<u32>, marked: Option<u32>) -> Move<'static, ()> {
        towards(stage, desired, Some(&()), grace.map(|s| s * SECOND), marked.map(|s| s * SECOND))
    }

    #[test]
    fn without_a_grace_a_drain_withdraws_at_once() {
        assert_eq!(next(Stage::Announced, &Desired::Drained, None, None), Move::Withdraw);
        // Marked by hand: it goes all the same.
        assert_eq!(next(Stage::Marked, &Desired::Drained, None, None), Move::Withdraw);
        assert_eq!(next(Stage::Withdrawn, &Desired::Drained, None, None), Move::Stay);
    }

    #[test]
    fn with_a_grace_it_is_marked_waited_for_and_withdrawn() {
        assert_eq!(next(Stage::Announced, &Desired::Drained, Some(10), None), Move::Mark);
        assert_eq!(next(Stage::Marked, &Desired::Drained, Some(10), None), Move::Stay);
        assert_eq!(next(Stage::Marked, &Desired::Drained, Some(10), Some(9)), Move::Stay);
        assert_eq!(next(Stage::Marked, &Desired::Drained, Some(10), Some(10)), Move::Withdraw);
        assert_eq!(next(Stage::Withdrawn, &Desired::Drained, Some(10), Some(10)), Move::Stay);
    }

    #[test]
    fn any_weight_but_none_announces() {
        for stage in [Stage::Marked, Stage::Withdrawn] {
            assert_eq!(next(stage, &Desired::Serving { weight: 1 }, Some(10), None), Move::Announce);
        }
        assert_eq!(next(Stage::Announced, &Desired::Serving { weight: 7 }, Some(10), None), Move::Stay);
        assert_eq!(next(Stage::Announced, &Desired::Serving { weight: 0 }, None, None), Move::Withdraw);
    }

    #[test]
    fn a_fresh_check_announces_nothing() {
        for stage in [Stage::Announced, Stage::Marked, Stage::Withdrawn] {
            assert_eq!(next(stage, &Desired::FreshCheck, Some(10), Some(99)), Move::Stay);
        }
    }
}
