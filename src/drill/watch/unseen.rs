//! What nobody has seen yet: a drill begins once every way and every instance that it is about has answered, for what was
//! not seen before cannot be missed.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::watch;

use super::super::detect::{Sighting, Standing};

/// The names that are waited for.
#[derive(Clone, Debug)]
pub(super) struct Unseen(watch::Sender<BTreeSet<String>>);

impl Unseen {
    pub(super) fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(watch::Sender::new(names.into_iter().collect()))
    }

    /// Takes a sighting in: who answers is seen.
    pub(super) fn take(&self, sighting: &Sighting) {
        let way = match sighting {
            Sighting::Way { standing: Standing::Silent(_), .. } | Sighting::Instance { sends: None, .. } => return,
            Sighting::Way { way, .. } | Sighting::Instance { way, .. } => way.to_string(),
            Sighting::Told { .. } | Sighting::Ready { .. } | Sighting::Member { .. } => return,
        };
        self.0.send_if_modified(|names| names.remove(&way));
    }

    /// Waits until all were seen, or says who was not.
    pub(super) async fn none_left(&self, limit: Duration) -> Result<(), String> {
        let mut names = self.0.subscribe();
        let waited = tokio::time::timeout(limit, names.wait_for(BTreeSet::is_empty)).await.is_ok();
        if waited {
            return Ok(());
        }
        let missing: Vec<String> = self.0.borrow().iter().cloned().collect();
        Err(format!("{} did not answer within {:.0} s", missing.join(", "), limit.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::detect::Way;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_silent_is_waited_for_and_named() {
        let way = |name: &str| Way { route: "web/haproxy:app".into(), instance: name.into() };
        let unseen = Unseen::of(["lb-1", "lb-2"].map(|name| way(name).to_string()));
        unseen.take(&Sighting::Way { way: way("lb-1"), standing: Standing::Out });
        unseen.take(&Sighting::Instance { way: way("lb-2"), sends: None });
        let why = unseen.none_left(Duration::from_secs(5)).await.expect_err("one is silent");
        assert_eq!(why, "web/haproxy:app at lb-2 did not answer within 5 s");
        unseen.take(&Sighting::Instance { way: way("lb-2"), sends: Some(BTreeSet::new()) });
        assert_eq!(unseen.none_left(Duration::from_secs(5)).await, Ok(()));
    }
}
