//! Few requests never alarm, true skew does, and nothing that is no skew makes one.

use proptest::prelude::*;

use super::*;

fn cells(pairs: &[(f64, f64)]) -> Vec<Cell> {
    pairs.iter().map(|(measured, expected)| Cell { measured: *measured, expected: *expected }).collect()
}

#[test]
fn thirty_requests_never_alarm() {
    let all_on_one = cells(&[(30.0, 10.0), (0.0, 10.0), (0.0, 10.0)]);
    let verdict = judge(&all_on_one, Some(1.0), None);
    assert!(!verdict.exceeds(1.0), "{verdict:?}");
    assert_eq!(verdict.shares[0].skew, Some(3.0), "it is told, and not taken for certain");
}

#[test]
fn twice_as_much_at_a_thousand_a_minute_alarms() {
    let five_minutes = cells(&[(3333.0, 2500.0), (1667.0, 2500.0)]);
    let verdict = judge(&five_minutes, Some(1.0), None);
    assert!(verdict.exceeds(1.25) && verdict.likelihood < 1e-6, "{verdict:?}");
    let one_minute = cells(&[(667.0, 500.0), (333.0, 500.0)]);
    assert!(judge(&one_minute, Some(1.0), None).exceeds(1.25));
    assert!(!judge(&five_minutes, Some(40.0), None).exceeds(1.25), "those are 125 choices");
    assert!(!judge(&five_minutes, Some(1.0), Some(40.0)).exceeds(1.25), "and those as well");
    assert!(!judge(&five_minutes, None, None).exceeds(1.0), "what is not known passes nothing");
}

#[test]
fn a_drained_node_takes_part_in_no_skew() {
    let verdict = judge(&cells(&[(500.0, 500.0), (490.0, 500.0), (10.0, 0.0)]), Some(1.0), None);
    assert_eq!((verdict.shares[2].skew, verdict.shares[2].certain), (None, 1.0));
    assert_eq!(verdict.shares[2].measured, Some(0.01));
    assert!(!verdict.exceeds(1.1));
}

#[test]
fn independent_buckets_have_a_dispersion_of_one_and_bursts_more() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut drawn = |burst: usize, skewed: bool| {
        let bucket = |rng: &mut fastrand::Rng, late: bool| {
            let mut cells = cells(&[(0.0, 100.0), (0.0, 100.0)]);
            for _ in 0..200 / burst {
                let first = if skewed && late { 0.8 } else { 0.5 };
                cells[usize::from(rng.f64() >= first)].measured += burst as f64;
            }
            cells
        };
        let buckets: Vec<_> = (0..180).map(|n| bucket(&mut rng, n >= 90)).collect();
        dispersion(&buckets).expect("enough")
    };
    assert!((1.0..1.4).contains(&drawn(1, false)), "{}", drawn(1, false));
    assert!((7.0..14.0).contains(&drawn(10, false)), "{}", drawn(10, false));
    assert!(drawn(1, true) < 3.0, "a skew that begins is in one comparison of 179 only");
    let step = |n: usize| {
        if n < 12 { cells(&[(400.0, 400.0), (400.0, 400.0)]) } else { cells(&[(300.0, 400.0), (500.0, 400.0)]) }
    };
    for length in 13..180 {
        let found = dispersion(&(0..length).map(step).collect::<Vec<_>>()).expect("enough");
        assert!(found < 4.0, "a skew hides itself after {length} intervals: {found}");
    }
    assert_eq!(dispersion(&vec![cells(&[(5.0, 5.0), (5.0, 5.0)]); 3]), None, "too little to tell");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn shares_add_up_and_few_are_never_certain(counts in prop::collection::vec((0.0..90.0_f64, 0.0..90.0_f64), 1..12), factor in 1.0..50.0_f64) {
        let counts: Vec<(f64, f64)> = counts.iter().map(|(m, e)| (m.floor(), e.floor())).collect();
        let verdict = judge(&cells(&counts), Some(factor), None);
        let measured: f64 = verdict.shares.iter().filter_map(|s| s.measured).sum();
        prop_assert!(verdict.samples == 0.0 || (measured - 1.0).abs() < 1e-9);
        prop_assert!(verdict.shares.iter().all(|s| s.certain >= 1.0 && s.certain.is_finite()));
        prop_assert!((0.0..=1.0).contains(&verdict.likelihood));
        if verdict.samples / factor < SAMPLE {
            prop_assert!(!verdict.exceeds(1.0));
        }
    }

    /// What is certain is never more than what is measured, and a larger sample with the same shares is more certain.
    #[test]
    fn certainty_grows_with_the_sample_up_to_what_is_measured(share in 0.05..0.95_f64, n in 100.0..1e5_f64, more in 1.0..50.0_f64) {
        let at = |n: f64| {
            let verdict = judge(&cells(&[(n * share, n / 2.0), (n * (1.0 - share), n / 2.0)]), Some(1.0), None);
            (verdict.shares[0].certain, verdict.shares[0].skew.unwrap_or(1.0))
        };
        let ((small, skew), (large, _)) = (at(n), at(n * more));
        prop_assert!(small <= large + 1e-9, "{small} {large}");
        prop_assert!(large <= skew.max(1.0 / skew) + 1e-9);
    }

    #[test]
    fn dispersion_is_at_least_one_and_finite(buckets in prop::collection::vec(prop::collection::vec((0.0..1e4_f64, 0.0..1e4_f64), 3), 0..40)) {
        let buckets: Vec<Vec<Cell>> = buckets.iter().map(|b| cells(b)).collect();
        if let Some(found) = dispersion(&buckets) {
            prop_assert!(found >= 1.0 && found.is_finite(), "{found}");
        }
    }
}
