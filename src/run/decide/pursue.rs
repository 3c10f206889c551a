//! Pursuing one effect: seen → proven; not seen → set it, or wait for what an earlier attempt will show.

use super::{Act, Progress, SEEN_WITHIN, Situation, retry_after};
use crate::{
    journal::Event,
    model::{Before, Effect, Receipt, observed::age},
    run::{
        state::{Attempt, Outcome},
        waiting::Waiting,
    },
};

impl Situation<'_> {
    /// Goes on with one effect. `before` is the state now, kept as the receipt where nothing was kept yet.
    pub(super) fn pursue(&self, step: usize, effect: Effect, before: Option<Before>) -> Progress {
        let attempt = self.state.attempt(step, &effect);
        let accepted = attempt.filter(|a| matches!(a.outcome, Outcome::Accepted | Outcome::Acknowledged)).map(|a| a.at);
        let shown = match self.look.shows(&effect, accepted) {
            Ok(shown) => shown,
            Err(waiting) => return Progress::wait(waiting),
        };
        let receipt = before
            .filter(|b| !self.has_receipt(b) || self.state.only_refused(b))
            .map(|before| Receipt { before, at: self.look.now });
        let act =
            |receipt| Progress { acts: vec![Act { step, effect: effect.clone(), receipt }], ..Progress::default() };
        match (shown, attempt) {
            (true, None) => match receipt {
                Some(receipt) => Progress::record(Event::AlreadySo { step, receipt }),
                None => Progress::default(),
            },
            (true, Some(attempt)) if attempt.outcome == Outcome::Acknowledged => Progress::default(),
            // Nothing of it is our doing: it is as another hand made it.
            (true, Some(Attempt { outcome: Outcome::Refused(_), .. })) => match receipt {
                Some(receipt) if !self.state.receipts.iter().any(|r| r.before == receipt.before) => {
                    Progress::record(Event::AlreadySo { step, receipt })
                }
                _ => Progress::default(),
            },
            (true, Some(_)) => {
                let generation = self.generation(&effect);
                Progress::record(Event::Acknowledged { step, effect: effect.clone(), generation })
            }
            (false, None) => act(receipt),
            (false, Some(attempt)) => {
                let since = age(self.look.now, attempt.at);
                match &attempt.outcome {
                    // In doubt means that an executor died with it: it did not happen, so it is done now.
                    // Acknowledged and no longer so: somebody or something took it back.
                    Outcome::InDoubt | Outcome::Acknowledged => act(None),
                    Outcome::Accepted if since >= SEEN_WITHIN => act(None),
                    Outcome::Accepted => Progress::wait(Waiting::Acknowledgement { effect: effect.to_string() }),
                    Outcome::Failed(_) if since >= retry_after(attempt.tries) => act(None),
                    Outcome::Refused(_) if since >= retry_after(attempt.tries) => act(receipt),
                    Outcome::Failed(error) | Outcome::Refused(error) => Progress::wait(Waiting::Retry {
                        effect: effect.to_string(),
                        error: error.clone(),
                        tries: attempt.tries,
                    }),
                }
            }
        }
    }

    /// The process that shows an effect on a route.
    fn generation(&self, effect: &Effect) -> Option<String> {
        let Effect::Route { route, instance, .. } = effect else { return None };
        self.look.instance(route, instance).ok().map(|view| view.generation.clone())
    }

    fn has_receipt(&self, before: &Before) -> bool {
        self.state.receipts.iter().any(|r| r.before.same_thing(before))
    }
}
