//! When Envoy stops to care: its panic threshold, computed for hosts as they are and as they would be.
//!
//! Where too few hosts of a priority are available, Envoy sends clients to all of them, those that are being drained
//! included. What counts (*measured* with 1.40, and by its sources):
//! * a priority is in panic where the share of its available hosts is below the threshold, 50 % by default;
//! * hosts that are excluded do not count at all. A draining host is, from 1.29 on; earlier it counts as not available.
//!   One that was unhealthy before it was drained is not, so Envoy's own number of excluded hosts goes first;
//! * nobody panics where the hosts of all priorities, overrated by the overprovisioning factor, make 100 %: with 1.4,
//!   and whatever the threshold, 72 of 100 available hosts are enough.

/// A host, as far as this computation needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub priority: u32,
    pub healthy: bool,
    pub degraded: bool,
    pub excluded: bool,
}

/// The rule of one cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    /// In percent.
    pub threshold: f64,
    /// In percent.
    pub overprovisioning: u32,
    /// Whether hosts count by weight where priorities are compared. Then nothing is sure to make 100 %.
    pub weighted: bool,
    /// Whether a healthy host that is drained is excluded.
    pub excludes_draining: bool,
}

/// A priority below the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panic {
    pub priority: u32,
    pub available: usize,
    pub of: usize,
}

/// The priorities that are in panic.
pub(super) fn panics(hosts: &[Host], rule: Rule) -> Vec<Panic> {
    let mut priorities: Vec<u32> = hosts.iter().map(|h| h.priority).collect();
    priorities.sort_unstable();
    priorities.dedup();
    let states: Vec<Panic> = priorities.iter().map(|p| state(hosts, *p)).collect();
    // Envoy computes with whole numbers here.
    let factor = usize::try_from(rule.overprovisioning).unwrap_or(usize::MAX);
    let overrated = |s: &Panic| factor.saturating_mul(s.available).checked_div(s.of).unwrap_or(0).min(100);
    if !rule.weighted && states.iter().map(overrated).sum::<usize>() >= 100 {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 hosts")]
    let share = |s: &Panic| if s.of == 0 { 0.0 } else { 100.0 * s.available as f64 / s.of as f64 };
    states.into_iter().filter(|s| share(s) < rule.threshold).collect()
}

/// Whether hosts of this priority get nobody, because those before it are enough for all. Where they are only nearly
/// enough, some clients come here; how many is not computed.
pub(super) fn is_spared(hosts: &[Host], overprovisioning: u32, priority: u32) -> bool {
    let mut before: Vec<u32> = hosts.iter().map(|h| h.priority).filter(|p| *p < priority).collect();
    before.sort_unstable();
    before.dedup();
    let factor = usize::try_from(overprovisioning).unwrap_or(usize::MAX);
    let overrated = |p: &u32| {
        let s = state(hosts, *p);
        factor.saturating_mul(s.available).checked_div(s.of).unwrap_or(0).min(100)
    };
    before.iter().map(overrated).sum::<usize>() >= 100
}

fn state(hosts: &[Host], priority: u32) -> Panic {
    let here = || hosts.iter().filter(|h| h.priority == priority);
    let available = here().filter(|h| h.healthy || h.degraded).count();
    Panic { priority, available, of: here().filter(|h| !h.excluded).count() }
}

/// The priorities that a drain of one host would bring into panic.
pub(super) fn after_drain(hosts: &[Host], index: usize, rule: Rule) -> Vec<Panic> {
    let mut after = hosts.to_vec();
    if let Some(host) = after.get_mut(index) {
        host.excluded |= rule.excludes_draining && (host.healthy || host.degraded);
        (host.healthy, host.degraded) = (false, false);
    }
    panics(&after, rule)
}

/// The same hosts, with as many excluded as Envoy itself counts. Where it is not clear which ones those are, none is:
/// that makes panic likelier, never less likely.
pub(super) fn as_counted(mut hosts: Vec<Host>, excluded: usize) -> Vec<Host> {
    if hosts.iter().filter(|h| h.excluded).count() != excluded {
        hosts.iter_mut().for_each(|host| host.excluded = false);
        if hosts.iter().all(|host| host.priority == 0) {
            let able = hosts.iter_mut().filter(|host| !host.healthy && !host.degraded);
            able.take(excluded).for_each(|host| host.excluded = true);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { threshold: 50.0, overprovisioning: 140, weighted: false, excludes_draining: true };

    /// `h` healthy, `u` unhealthy, `d` draining, `g` degraded; upper case in priority 1.
    fn hosts(text: &str) -> Vec<Host> {
        let host = |c: char| Host {
            priority: u32::from(c.is_ascii_uppercase()),
            healthy: c.eq_ignore_ascii_case(&'h'),
            degraded: c.eq_ignore_ascii_case(&'g'),
            excluded: c.eq_ignore_ascii_case(&'d'),
        };
        text.chars().map(host).collect()
    }

    fn panics_at(text: &str, rule: Rule) -> Vec<u32> {
        panics(&hosts(text), rule).iter().map(|p| p.priority).collect()
    }

    /// What 1.40 did, one by one.
    #[test]
    fn as_envoy_did() {
        for (text, panic) in [("hhhh", false), ("dhhh", false), ("ddhh", false), ("dddh", false), ("uuuh", true)] {
            assert_eq!(!panics_at(text, RULE).is_empty(), panic, "{text}");
        }
        let strict = Rule { threshold: 90.0, ..RULE };
        for (text, panic) in [("uhhh", false), ("uuhh", true)] {
            assert_eq!(!panics_at(text, strict).is_empty(), panic, "{text} at 90 %");
        }
        assert_eq!(panics_at("dddd", RULE), [0], "nobody is left");
    }

    #[test]
    fn a_drain_that_would_cause_it() {
        let after = |text: &str, rule| after_drain(&hosts(text), 0, rule);
        assert_eq!(after("hhh", RULE), []);
        assert_eq!(after("hhuu", RULE), [Panic { priority: 0, available: 1, of: 3 }]);
        let old = Rule { excludes_draining: false, ..RULE };
        assert_eq!(after("hhh", old), []);
        assert_eq!(after("hh", old), [], "half is not below half");
        assert_eq!(after("hhu", old), [Panic { priority: 0, available: 1, of: 3 }]);
        // An unhealthy one takes nobody along.
        assert_eq!(after("uhh", RULE), []);
    }

    #[test]
    fn another_priority_can_hold_it_up() {
        assert_eq!(panics_at("uuuhHHH", RULE), Vec::<u32>::new());
        assert_eq!(panics_at("uuuhUUUH", RULE), [0, 1]);
        assert_eq!(panics_at("uuuhHHH", Rule { weighted: true, ..RULE }), [0]);
        assert_eq!(panics_at("uuuu", Rule { threshold: 0.0, ..RULE }), Vec::<u32>::new(), "switched off");
        assert_eq!(panics_at("uugg", RULE), Vec::<u32>::new());
    }

    #[test]
    fn envoys_own_count_goes_first() {
        let excluded = |text: &str, n| as_counted(hosts(text), n).iter().filter(|h| h.excluded).count();
        assert_eq!((excluded("ddhh", 2), excluded("ddhh", 1), excluded("hhhh", 0)), (2, 1, 0));
        assert_eq!(excluded("ddHH", 1), 0, "which one?");
    }
}
