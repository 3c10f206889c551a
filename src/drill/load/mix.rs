//! Which request comes next: to which target, on what kind of connection, slow or not.

use std::sync::Arc;

use super::LoadPlan;

/// One request, before it is sent.
pub(super) struct Job {
    pub(super) target: usize,
    pub(super) keep_alive: bool,
    pub(super) slow: Option<Arc<str>>,
}

/// Deals out slow and kept-alive requests evenly, and each kind of them evenly over the targets: with one counter
/// for all, two targets and every second request kept alive would give one target all of the kept-alive ones.
pub(super) struct Mix {
    keep_alive_share: u32,
    slow: Option<(u32, Arc<str>)>,
    number: u32,
    owed: [u32; 2],
    turns: [usize; 4],
}

impl Mix {
    pub(super) fn new(plan: &LoadPlan) -> Self {
        Self {
            keep_alive_share: u32::from(plan.keep_alive_share.min(100)),
            slow: plan.slow.as_ref().map(|s| (s.every.max(1), s.path.as_str().into())),
            number: 0,
            owed: [0; 2],
            turns: [0; 4],
        }
    }

    pub(super) fn next(&mut self, targets: usize) -> Job {
        self.number = self.number.wrapping_add(1);
        let slow = self.slow.as_ref().filter(|(every, _)| self.number.is_multiple_of(*every)).map(|(_, p)| p.clone());
        let owed = &mut self.owed[usize::from(slow.is_some())];
        *owed += self.keep_alive_share;
        let keep_alive = *owed >= 100;
        if keep_alive {
            *owed -= 100;
        }
        let turn = &mut self.turns[usize::from(slow.is_some()) * 2 + usize::from(keep_alive)];
        *turn = (*turn + 1) % targets;
        Job { target: *turn, keep_alive, slow }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::load::Slow;

    #[test]
    fn kinds_of_requests_are_spread_over_the_targets() {
        let mut mix = Mix::new(&LoadPlan {
            slow: Some(Slow { every: 10, path: "/slow".into() }),
            ..LoadPlan::new(Vec::new(), 1, Duration::from_secs(1))
        });
        let mut counts = std::collections::BTreeMap::<(usize, bool, bool), u32>::new();
        for _ in 0..800 {
            let job = mix.next(2);
            *counts.entry((job.target, job.keep_alive, job.slow.is_some())).or_default() += 1;
        }
        assert_eq!(counts.len(), 8, "{counts:?}");
        assert!(counts.iter().all(|((_, _, slow), n)| *n == if *slow { 20 } else { 180 }), "{counts:?}");
    }
}
