//! Health checks of one load balancer: `GET /ready`, with `rise` and `fall`.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Admin, Edge};
use crate::demo::http_get;

/// How servers are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Time between two checks of a server.
    pub interval: Duration,
    /// Time limit of one.
    pub timeout: Duration,
    /// Passes in a row that bring a server up.
    pub rise: u32,
    /// Failures in a row that bring it down.
    pub fall: u32,
}

/// What the checks of one server have found.
#[derive(Clone, Debug)]
pub(super) struct CheckState {
    up: bool,
    streak: u32,
    reason: String,
    /// Rises when all former checks are declared void; a check that began before does not count any more.
    pub(super) epoch: u64,
}

impl CheckState {
    /// Up without a check, as a load balancer takes a server when it begins.
    pub(super) fn assumed_up() -> Self {
        Self { up: true, streak: 0, reason: String::new(), epoch: 0 }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    pub(super) fn why_down(&self) -> Option<&str> {
        (!self.up).then_some(self.reason.as_str())
    }

    /// Down until checks have passed that begin from now on.
    pub(super) fn void(&mut self) {
        *self = Self { up: false, streak: 0, reason: "no check has passed yet".to_owned(), epoch: self.epoch + 1 };
    }

    /// Up whatever was found before.
    pub(super) fn assume_up(&mut self) {
        *self = Self { epoch: self.epoch + 1, ..Self::assumed_up() };
    }

    /// Takes note of one check; says whether the server's health changed.
    pub(super) fn note(&mut self, result: Result<(), String>, checks: &Checks) -> bool {
        let agrees = result.is_ok() == self.up;
        if let Err(reason) = result {
            self.reason = reason;
        }
        self.streak = if agrees { 0 } else { self.streak + 1 };
        let needed = if self.up { checks.fall } else { checks.rise };
        let turns = self.streak >= needed.max(1);
        if turns {
            self.up = !self.up;
            self.streak = 0;
        }
        turns
    }
}

impl Edge {
    /// Checks one server for as long as the edge lives; not while it is in maintenance.
    pub(super) async fn keep_checking(self, server: String, address: SocketAddr) {
        let checks = self.0.checks;
        // Not all at the same moment.
        let mut next = Instant::now() + checks.interval.mul_f64(fastrand::f64());
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.0.check_now.notified() => {}
            }
            next = Instant::now() + checks.interval;
            let before = self.change(&server, |s| (s.setting.admin, s.health.epoch));
            let Ok((admin, epoch)) = before else { return };
            if admin == Admin::Maint {
                continue;
            }
            let result = match http_get(Some(self.0.source), address, "/ready", checks.timeout).await {
                Ok(200) => Ok(()),
                Ok(status) => Err(format!("status {status}")),
                Err(reason) => Err(reason),
            };
            // The server was there a moment ago, and none is ever removed.
            let _ = self.change(&server, |s| s.note_check(epoch, result, &checks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: Checks =
        Checks { interval: Duration::from_secs(1), timeout: Duration::from_secs(1), rise: 2, fall: 3 };

    fn fails() -> Result<(), String> {
        Err("status 503".to_owned())
    }

    #[test]
    fn health_changes_after_so_many_in_a_row() {
        let mut state = CheckState::assumed_up();
        assert!(!state.note(fails(), &CHECKS) && !state.note(fails(), &CHECKS));
        assert!(!state.note(Ok(()), &CHECKS), "a pass in between begins the count again");
        assert!(!state.note(fails(), &CHECKS) && !state.note(fails(), &CHECKS) && state.is_up());
        assert!(state.note(fails(), &CHECKS) && state.why_down() == Some("status 503"));
        assert!(!state.note(Ok(()), &CHECKS) && !state.is_up());
        assert!(state.note(Ok(()), &CHECKS) && state.is_up());
    }

    #[test]
    fn fresh_checks_forget_what_was_found_before() {
        let mut state = CheckState::assumed_up();
        let epoch = state.epoch;
        state.void();
        assert!(!state.is_up() && state.epoch != epoch);
        state.note(Ok(()), &CHECKS);
        assert!(!state.is_up());
        state.note(Ok(()), &CHECKS);
        assert!(state.is_up());
    }
}
