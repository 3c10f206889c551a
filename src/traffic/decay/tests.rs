//! The statistics, against series whose truth is known.

use super::*;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).expect("a time")
}

/// A series of these totals, one a second.
fn series(totals: impl IntoIterator<Item = u64>) -> Series {
    let mut series = Series::default();
    for (second, left) in totals.into_iter().enumerate() {
        series.push(at(second as f64), left, false);
    }
    series
}

/// What is seen for `seconds` of `n` connections that live for `mean` seconds on average, and how long the last one of
/// those that are left then really stays.
fn dying(seed: u64, n: usize, mean: f64, seconds: usize) -> (Series, f64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let ends: Vec<f64> = (0..n).map(|_| -mean * (1.0 - rng.f64()).ln()).collect();
    let seen = series((0..=seconds).map(|t| ends.iter().filter(|end| **end > t as f64).count() as u64));
    let last = ends.iter().copied().fold(0.0, f64::max);
    (seen, (last - seconds as f64).max(0.0))
}

fn left(verdict: Option<Verdict>) -> Option<f64> {
    match verdict {
        Some(Verdict::Soon { left } | Verdict::Slow { left, .. }) => Some(left.as_secs_f64()),
        _ => None,
    }
}

#[test]
fn too_little_is_no_verdict() {
    assert_eq!(series([]).verdict(), None);
    assert_eq!(series([5]).verdict(), None);
    assert_eq!(series([9, 7, 5, 3]).verdict(), None, "three seconds");
    assert_eq!(series(std::iter::repeat_n(5, 40)).verdict(), None, "nobody left, not for long enough");
    assert_eq!(series([5; 12].into_iter().chain([4; 12])).verdict(), None, "one departure");
    assert_eq!(series([5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0]).verdict(), None, "none is left");
    let mut still = Series::default();
    (0..1000).for_each(|_| still.push(at(3.0), 5, false));
    assert_eq!(still.verdict(), None, "a clock that stands still");
    still.push(at(1.0), 4, false);
    assert_eq!(still.verdict(), None, "a clock that went backwards");
}

/// The estimate is a mean: over many worlds it must neither promise too much nor too little.
#[test]
fn the_estimate_is_right_on_average() {
    for (n, mean, seconds) in [(50, 60.0, 30), (50, 60.0, 90), (400, 30.0, 40), (8, 120.0, 120), (2000, 600.0, 60)] {
        let (mut said, mut true_, mut count) = (0.0, 0.0, 0_u32);
        for seed in 0..400 {
            let (seen, really) = dying(seed, n, mean, seconds);
            if let Some(left) = left(seen.verdict()) {
                (said, true_, count) = (said + left, true_ + really, count + 1);
            }
        }
        let ratio = said / true_;
        assert!(count > 250, "{n} of {mean} s: a verdict in {count} of 400 worlds");
        assert!((0.75..1.5).contains(&ratio), "{n} of {mean} s after {seconds} s: {ratio:.2} of the truth");
    }
}

#[test]
fn a_single_estimate_is_of_the_right_size() {
    let within = (0..400).filter(|seed| {
        let (seen, _) = dying(*seed, 100, 60.0, 60);
        let expected = 60.0 * harmonic(seen.newest.map_or(0, |s| s.left));
        left(seen.verdict()).is_some_and(|said| (0.6..1.7).contains(&(said / expected)))
    });
    assert!(within.count() >= 380, "fewer than 95 in 100 estimates within a factor of 1.7");
}

#[test]
fn soon_and_slow_are_told_apart() {
    let (quick, _) = dying(7, 200, 5.0, 12);
    assert!(matches!(quick.verdict(), Some(Verdict::Soon { .. })), "{:?}", quick.verdict());
    let (slow, _) = dying(7, 200, 300.0, 30);
    assert!(matches!(slow.verdict(), Some(Verdict::Slow { gone: 5.., .. })), "{:?}", slow.verdict());
}

#[test]
fn never_takes_a_whole_window_in_which_the_same_ones_stay() {
    assert_eq!(series([12; 60]).verdict(), None);
    assert_eq!(series([12; 61]).verdict(), Some(Verdict::Never { since: Duration::from_secs(60) }));
    // Requests that end leave the streams behind: what left before is no rate for those.
    let (mut tail, mut said) = (series((0..10).map(|t| 40 - 3 * t)), Vec::new());
    for t in 10..200 {
        tail.push(at(f64::from(t)), 13, false);
        let word = tail.verdict().map_or("nothing", |v| v.word());
        if said.last() != Some(&word) {
            said.push(word);
        }
    }
    assert!(said.first() != Some(&"never") && said.last() == Some(&"never"), "{said:?}");
    assert_eq!(tail.verdict(), Some(Verdict::Never { since: Duration::from_secs(190) }));
}

/// Twenty connections that live for an hour: none leaves in a minute, and still they leave.
#[test]
fn a_rare_departure_is_not_never_for_long() {
    let mut wrong = 0;
    for seed in 0..100 {
        let (seen, _) = dying(seed, 20, 3600.0, 1800);
        wrong += u32::from(!matches!(seen.verdict(), Some(Verdict::Slow { .. })));
    }
    // In the half hour's later half 3.5 of them leave on average: in 3 of 100 worlds nobody does.
    assert!(wrong <= 8, "{wrong} of 100 worlds misjudged");
}

/// A silence that the rate makes very unlikely is believed more than the rate.
#[test]
fn a_rate_that_has_ended_is_not_believed() {
    let fast = || (0..10).map(|t| 100 - 9 * t);
    let early = series(fast().chain(std::iter::repeat_n(10, 20)));
    assert_eq!(early.verdict(), None, "the short ones have left, and nobody knows the others yet");
    // Two minutes in which they came down evenly, then 70 seconds in which none of ten left: 700 connection-seconds.
    let even = (0..121).map(|t| 100 - 3 * t / 4);
    let seen = series(even.chain(std::iter::repeat_n(10, 70)));
    let Some(said) = left(seen.verdict()) else { panic!("no verdict: {:?}", seen.verdict()) };
    assert!((1_700.0..2_400.0).contains(&said), "{said}");
}

#[test]
fn clients_that_come_back_are_a_verdict_of_their_own() {
    let mut series = Series::default();
    for t in 0..90_u32 {
        series.push(at(f64::from(t)), 2 + u64::from(t % 5 == 0), false);
    }
    assert!(matches!(series.verdict(), Some(Verdict::Returning { .. })), "{:?}", series.verdict());
    // Seen by the count of requests only.
    let mut flat = Series::default();
    (0..90_u32).for_each(|t| flat.push(at(f64::from(t)), 2, t % 5 == 0));
    assert!(matches!(flat.verdict(), Some(Verdict::Returning { .. })), "{:?}", flat.verdict());
    // They stay away from now on: what is left then is judged by itself.
    (90..200_u32).for_each(|t| flat.push(at(f64::from(t)), 2, false));
    assert!(matches!(flat.verdict(), Some(Verdict::Never { .. })), "{:?}", flat.verdict());
    // The last clients that were let in before the drain was seen everywhere are no such thing.
    let mut drained = Series::default();
    (0..61_u32).for_each(|t| drained.push(at(f64::from(t)), 9 - u64::from(t / 10), t == 1));
    assert!(matches!(drained.verdict(), Some(Verdict::Slow { .. })), "{:?}", drained.verdict());
}

#[test]
fn a_day_is_remembered_in_few_samples() {
    let mut series = Series::default();
    // Looks ten times a second, then once a second, for a day; one of 50 leaves every half hour.
    for tenth in 0..6_000_u32 {
        series.push(at(f64::from(tenth) / 10.0), 50, false);
    }
    for second in 600..86_400_u32 {
        series.push(at(f64::from(second)), 50 - u64::from(second / 1_800), false);
        assert!(series.kept.len() < MOST);
    }
    let Some(Verdict::Slow { gone, over, .. }) = series.verdict() else { panic!("{:?}", series.verdict()) };
    assert!(over >= Duration::from_secs(43_200), "{over:?}");
    assert!((23..=25).contains(&gone), "half of the day's: {gone}");
}

#[test]
fn an_arrival_between_two_kept_samples_is_not_lost() {
    let mut series = Series::default();
    for tenth in 0..900_u32 {
        series.push(at(f64::from(tenth) / 10.0), 4, tenth % 50 == 3);
    }
    assert!(matches!(series.verdict(), Some(Verdict::Returning { .. })), "{:?}", series.verdict());
}

#[test]
fn the_sum_of_fractions_is_exact_enough() {
    assert!((harmonic(1) - 1.0).abs() < 1e-12 && (harmonic(3) - 11.0 / 6.0).abs() < 1e-12);
    let exact: f64 = (1..=101).map(|k| 1.0 / f64::from(k)).sum();
    assert!((harmonic(101) - exact).abs() < 1e-5);
}

#[test]
fn the_words_say_what_the_estimate_rests_on() {
    let second = Duration::from_secs;
    let said = |verdict: Verdict| verdict.to_string();
    assert_eq!(
        said(Verdict::Slow { left: second(840), gone: 4, over: second(125) }),
        "slow: roughly 14 min at the present rate (4 left in 2 min)"
    );
    assert_eq!(said(Verdict::Soon { left: second(12) }), "the last one leaves in about 12 s at the present rate");
    assert_eq!(said(Verdict::Never { since: second(75) }), "never: the same ones have stayed for 75 s");
    assert_eq!(said(Verdict::Returning { since: second(40) }), "others keep coming, for 40 s already");
}
