//! Exact thresholds, a flapper at every distance of probes, and what a penalty does.

use proptest::prelude::*;

use super::*;
use crate::health::failure::Kind;

fn rules(unhealthy: u32) -> Rules {
    let damping = Some(Damping::usual(Duration::from_secs(1)));
    Rules { unhealthy, healthy: 3, grace: Duration::ZERO, damping }
}

fn status() -> Failure {
    Failure::new(Kind::Status, "status 503")
}

fn tell(judge: &mut Judge, at: Duration, ready: bool) -> State {
    let failure = status();
    judge.absorb(at, if ready { Ok(()) } else { Err(&failure) }).state()
}

/// Feeds a service that turns every three seconds, for two minutes, through probes that are `interval` apart, give or
/// take a tenth. Hands back how often it changed between healthy and not, and the last state.
fn flap(interval: Duration, seed: u64) -> (u32, State) {
    let damping = Some(Damping::usual(interval));
    let mut judge = Judge::new(Rules { unhealthy: 2, healthy: 3, grace: Duration::ZERO, damping });
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut at, mut was, mut changes) = (Duration::ZERO, State::Unknown, 0);
    let starts = interval * 4;
    let ends = starts + Duration::from_secs(120);
    while at < ends + Duration::from_secs(150) {
        let flapping = (starts..ends).contains(&at);
        let ready = !flapping || (at - starts).as_secs() / 3 % 2 == 1;
        let is = tell(&mut judge, at, ready);
        changes += u32::from(was != State::Unknown && (is == State::Healthy) != (was == State::Healthy));
        was = is;
        at += interval.mul_f64(random.f64().mul_add(0.2, 0.9));
    }
    (changes, was)
}

#[test]
fn a_flapper_of_three_seconds_changes_at_most_twice() {
    for interval in [100, 250, 500, 1000, 1500, 2000, 3000, 4000, 5000] {
        for seed in 0..200 {
            let (changes, last) = flap(Duration::from_millis(interval), seed);
            assert!(changes <= 2 && last == State::Healthy, "every {interval} ms, {seed}: {changes} times, {last:?}");
        }
    }
}

#[test]
fn failures_within_the_grace_do_not_count() {
    let mut judge = Judge::new(Rules { grace: Duration::from_secs(10), ..rules(2) });
    let mut at = |s| tell(&mut judge, Duration::from_secs(s), false);
    assert_eq!([at(0), at(5), at(9), at(10)], [State::Starting; 4]);
    assert_eq!(at(11), State::Unhealthy);
}

#[test]
fn a_start_begins_the_grace_again() {
    let mut judge = Judge::new(Rules { grace: Duration::from_secs(10), ..rules(2) });
    for s in 0..20 {
        tell(&mut judge, Duration::from_secs(s), false);
    }
    assert_eq!(judge.verdict().state(), State::Unhealthy);
    judge.started(Duration::from_secs(20));
    assert_eq!(judge.verdict().state(), State::Starting);
    assert_eq!(tell(&mut judge, Duration::from_secs(29), false), State::Starting);
    assert_eq!(tell(&mut judge, Duration::from_secs(30), false), State::Starting);
    assert_eq!(tell(&mut judge, Duration::from_secs(31), false), State::Unhealthy);
}

#[test]
fn a_healthy_target_has_no_grace_left() {
    let mut judge = Judge::new(Rules { grace: Duration::from_secs(100), healthy: 1, ..rules(2) });
    let mut at = |s, ready| tell(&mut judge, Duration::from_secs(s), ready);
    assert_eq!([at(0, false), at(1, true), at(2, false)], [State::Starting, State::Healthy, State::Healthy]);
    assert_eq!(at(3, false), State::Unhealthy);
}

#[test]
fn the_last_failure_is_the_reason() {
    let mut judge = Judge::new(rules(1));
    judge.absorb(Duration::ZERO, Err(&status()));
    let refused = Failure::new(Kind::Refused, "refused");
    let verdict = judge.absorb(Duration::from_secs(1), Err(&refused));
    assert_eq!(*verdict, Verdict::Unhealthy { reason: refused, suppressed: false });
}

#[test]
fn who_returns_after_a_long_outage_is_not_held_back() {
    let mut judge = Judge::new(rules(2));
    let states: Vec<State> =
        (0..100).map(|s| tell(&mut judge, Duration::from_secs(s), !(3..=63).contains(&s))).collect();
    let changes: Vec<(usize, State)> =
        (1..100).filter(|s| states[s - 1] != states[*s]).map(|s| (s, states[s])).collect();
    assert_eq!(changes, [(2, State::Healthy), (4, State::Unhealthy), (66, State::Healthy)]);
}

#[test]
fn without_damping_every_threshold_counts() {
    let mut judge = Judge::new(Rules { damping: None, healthy: 1, ..rules(1) });
    for s in 0..20 {
        let expected = if s % 2 == 0 { State::Healthy } else { State::Unhealthy };
        assert_eq!(tell(&mut judge, Duration::from_secs(s), s % 2 == 0), expected);
    }
    assert_eq!(judge.penalty(), 0.0);
}

proptest! {
    #[test]
    fn unhealthy_after_exactly_the_configured_failures(
        unhealthy in 1_u32..20,
        noise in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        // Whatever came before, damped or not: once it is healthy, it takes exactly so many failures.
        let mut judge = Judge::new(rules(unhealthy));
        let mut at = Duration::ZERO;
        let mut next = |judge: &mut Judge, ready| { at += Duration::from_secs(1); tell(judge, at, ready) };
        for ready in noise {
            next(&mut judge, ready);
        }
        let settled = (0..200).any(|_| next(&mut judge, true) == State::Healthy);
        prop_assert!(settled, "nobody is held back for ever");
        for failure in 1..=unhealthy {
            let is = next(&mut judge, false);
            prop_assert_eq!(is == State::Healthy, failure < unhealthy);
        }
    }

    #[test]
    fn a_penalty_halves_after_its_half_life(flaps in 1_u64..6) {
        let mut judge = Judge::new(Rules { healthy: 1, ..rules(1) });
        (0..=flaps).for_each(|s| { tell(&mut judge, Duration::from_secs(s), s % 2 == 0); });
        let before = judge.penalty();
        prop_assert!(before > 900.0);
        tell(&mut judge, Duration::from_secs(flaps + 15), flaps % 2 == 0);
        prop_assert!((judge.penalty() - before / 2.0).abs() < 1e-6);
    }

    #[test]
    fn suppression_ends_after_its_longest_time(flaps in 2_u64..200) {
        let mut judge = Judge::new(Rules { healthy: 1, ..rules(1) });
        (0..=flaps * 2).for_each(|s| { tell(&mut judge, Duration::from_millis(s * 100), s % 2 == 0); });
        let last = Duration::from_millis(flaps * 200);
        prop_assert_eq!(tell(&mut judge, last + Duration::from_secs(61), true), State::Healthy);
    }
}
