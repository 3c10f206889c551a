//! Whether Envoy would fail open: its panic mode, computed for a drain before there is one.
//!
//! Of each priority Envoy takes the share of members that are available (healthy or degraded). Where that is below
//! the threshold, and all priorities together cannot take the load either, it sends requests to *every* member of the
//! priority: also to those that fail their checks, and to those that drain (*measured*: a draining member got its full
//! share). That is what a drain must not lead to.
//!
//! How draining members count was *measured* with 1.40: they are excluded, like members that were not checked yet. So
//! they are in neither number, and to drain one of 3 healthy members leaves 2 of 2. Before that, they were in the whole
//! like those that are ill: 2 of 3. The runtime switch between the two is gone from 1.37 on; versions before 1.36
//! are taken to count them, which refuses more.
//!
//! Not visible from here: subsets of members, each of which panics by itself.

/// One member, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// Its priority; 0 is the first.
    pub priority: u32,
    /// Healthy or degraded.
    pub available: bool,
    /// In neither number.
    pub excluded: bool,
}

/// What a cluster says of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold {
    /// Percent below which it panics; 0 never.
    pub percent: u32,
    /// Whether it fails all requests then, instead of sending them anywhere.
    pub fails: bool,
    /// Whether a policy of the endpoints changes how far healthy members can take more than their share.
    pub has_policy: bool,
}

/// Percent of its share that a member is taken to bear, where nothing else is said.
const OVERPROVISIONING: usize = 140;

/// Why these hosts make Envoy panic, in numbers; `None` where they do not.
pub(super) fn reason(hosts: &[Host], threshold: Threshold) -> Option<String> {
    let priorities: std::collections::BTreeSet<u32> = hosts.iter().map(|h| h.priority).collect();
    let counts = priorities.into_iter().map(|priority| {
        let these = hosts.iter().filter(|h| h.priority == priority && !h.excluded);
        (priority, these.clone().filter(|h| h.available).count(), these.count())
    });
    let counts: Vec<(u32, usize, usize)> = counts.collect();
    let borne = counts.iter().filter_map(|(_, available, all)| (OVERPROVISIONING * available).checked_div(*all));
    // With another factor, this could be wrong in either direction; without it, only in the one that refuses.
    if borne.map(|share| share.min(100)).sum::<usize>() >= 100 && !threshold.has_policy {
        return None;
    }
    let limit = usize::try_from(threshold.percent.min(100)).unwrap_or(100);
    let below = |(_, available, all): &&(u32, usize, usize)| 100 * available < limit * (*all).max(1);
    let (priority, available, all) = counts.iter().find(below)?;
    let share = (100 * available).checked_div(*all).unwrap_or(0);
    let place = if *priority == 0 { String::new() } else { format!(" of priority {priority}") };
    let what = if threshold.fails { "fails every request" } else { "sends requests to every member, drained ones too" };
    Some(format!(
        "{available} of {all} members{place} available ({share} %) is below its panic threshold of {} %, where it {what}",
        threshold.percent
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Threshold = Threshold { percent: 50, fails: false, has_policy: false };

    /// `h`ealthy, `u`nhealthy, e`x`cluded.
    fn hosts(letters: &str) -> Vec<Host> {
        letters.chars().map(|c| Host { priority: 0, available: c == 'h', excluded: c == 'x' }).collect()
    }

    #[test]
    fn what_was_measured() {
        // Each of these was an Envoy 1.40 with such members, and its counter `lb_healthy_panic`.
        assert_eq!(reason(&hosts("hhuux"), HALF), None);
        assert_eq!(reason(&hosts("hxxx"), HALF), None);
        let why = reason(&hosts("huux"), HALF).expect("a panic");
        assert!(why.contains("1 of 3 members available (33 %) is below its panic threshold of 50 %"), "{why}");
        assert!(reason(&hosts("xx"), HALF).is_some());
    }

    #[test]
    fn the_whole_load_can_be_borne_below_the_threshold() {
        // 3 of 4 bear 105 %: no panic, however high the threshold.
        let strict = Threshold { percent: 90, ..HALF };
        assert_eq!(reason(&hosts("hhhu"), strict), None);
        assert!(reason(&hosts("hhu"), strict).is_some());
        assert!(reason(&hosts("hhhu"), Threshold { has_policy: true, ..strict }).is_some());
        assert_eq!(reason(&hosts("huuu"), Threshold { percent: 0, ..HALF }), None);
    }

    #[test]
    fn a_second_priority_bears_what_the_first_cannot() {
        let mut all = hosts("huu");
        all.extend(hosts("hh").into_iter().map(|h| Host { priority: 1, ..h }));
        assert_eq!(reason(&all, HALF), None);
        all.truncate(3);
        all.extend(hosts("huuuuu").into_iter().map(|h| Host { priority: 1, ..h }));
        assert!(reason(&all, HALF).is_some());
        let fails = reason(&hosts("huu"), Threshold { fails: true, ..HALF }).expect("a panic");
        assert!(fails.contains("fails every request"), "{fails}");
    }
}
