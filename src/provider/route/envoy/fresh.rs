//! Checks that were asked for, and what is known of them.
//!
//! Envoy's active checks cannot be reset, nor does it say when the last one was. But they never stop. So a check has passed
//! since it was asked for, where a host was seen to fail since, and passes; or where it passed all the time for as long as
//! Envoy needs to notice a failure. Until then the host reads as failing: nothing better is known of it.
//!
//! This is remembered by one program. Another one asks for a check of its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::{Health, InstanceName, InstanceView, MemberView};

/// The checks that were asked for.
#[derive(Default)]
pub(super) struct Fresh(Mutex<HashMap<(InstanceName, String), Asked>>);

#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    failed: bool,
    passed: Option<Instant>,
}

impl Fresh {
    fn all(&self) -> MutexGuard<'_, HashMap<(InstanceName, String), Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only a later check counts.
    pub fn ask(&self, instance: &InstanceName, server: &str) {
        let asked = Asked { at: Instant::now(), failed: false, passed: None };
        self.all().insert((instance.clone(), server.to_owned()), asked);
    }

    /// Judges the members by what was asked; `period` is how long Envoy needs to notice a failure.
    pub fn judge(&self, instance: &InstanceName, view: &mut InstanceView, period: Duration) {
        let mut all = self.all();
        for (server, member) in &mut view.members {
            if let Some(asked) = all.get_mut(&(instance.clone(), server.clone())) {
                asked.judge(member, period);
            }
        }
    }
}

impl Asked {
    fn judge(&mut self, member: &mut MemberView, period: Duration) {
        match member.health {
            Health::Failing { .. } => (self.failed, self.passed) = (true, None),
            Health::Unchecked => {}
            Health::Passing if self.failed || self.at.elapsed() >= period => {
                let passed = *self.passed.get_or_insert_with(Instant::now);
                member.since_change = Some(passed.elapsed());
            }
            Health::Passing => {
                let left = period.saturating_sub(self.at.elapsed()).as_secs_f64();
                let reason = format!("whether a check has passed since it was asked for shows within {left:.1} s");
                member.health = Health::Failing { reason };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_counts_when_it_is_later() {
        let (fresh, lb, period) = (Fresh::default(), InstanceName::new("lb-01"), Duration::from_secs(3));
        let seen = |health: Health| {
            let member = MemberView { health, ..MemberView::default() };
            let mut view = InstanceView { members: [("a".to_owned(), member)].into(), ..InstanceView::default() };
            fresh.judge(&lb, &mut view, period);
            view.members["a"].clone()
        };
        let failing = || Health::Failing { reason: "503".into() };
        assert_eq!(seen(Health::Passing).health, Health::Passing, "nobody asked");
        fresh.ask(&lb, "a");
        assert!(matches!(seen(Health::Passing).health, Health::Failing { .. }));
        tokio::time::advance(period).await;
        assert_eq!(seen(Health::Passing).since_change, Some(Duration::ZERO));
        tokio::time::advance(period).await;
        assert_eq!(seen(Health::Passing).since_change, Some(period));
        // A failure that was seen is proof, and needs no time.
        fresh.ask(&lb, "a");
        assert_eq!(seen(failing()).health, failing());
        assert_eq!(seen(Health::Passing).health, Health::Passing);
        assert_eq!(seen(Health::Unchecked).health, Health::Unchecked);
    }
}
