//! Scales: from values to heights, and the round numbers that stand beside them.

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Scale {
    /// From nothing to this.
    Linear {
        /// The largest.
        top: f64,
    },
    /// By powers of ten, from the one to the other. Both are more than nothing.
    Log {
        /// The smallest.
        bottom: f64,
        /// The largest.
        top: f64,
    },
}

impl Scale {
    /// From nothing to a round number that is not below the largest of these, and never of no height.
    pub(in super::super) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let step = step_for(most, 4);
        Self::Linear { top: ((most / step).ceil() * step).max(step) }
    }

    /// By powers of ten where the values span more than a factor of thirty, else from nothing.
    pub(in super::super) fn fitting(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|v| v.is_finite() && *v > 0.0).collect();
        let (least, most) = values.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
        if !least.is_finite() || most / least <= 30.0 {
            return Self::linear(values);
        }
        // Not below a thousandth of a millisecond: what is faster was not measured.
        let down = |v: f64| 10_f64.powf(v.max(0.001).log10().floor());
        let top = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * down(most)).find(|v| *v >= most).unwrap_or(most);
        Self::Log { bottom: down(least), top }
    }

    /// Where a value is, from 0 at the bottom to 1 at the top.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { top } => value / top,
            Self::Log { bottom, top } => (value.max(bottom) / bottom).ln() / (top / bottom).ln(),
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The values that stand beside the axis.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { top } => {
                let step = step_for(top, 4);
                (0..=12).map(|n| f64::from(n) * step).take_while(|v| *v <= top * 1.0001).collect()
            }
            Self::Log { bottom, top } => {
                let decades = (top / bottom).log10();
                let between: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let tens = (0..=decades.ceil().min(12.0) as i32).map(|n| bottom * 10_f64.powi(n));
                tens.flat_map(|ten| between.iter().map(move |m| m * ten)).filter(|v| *v <= top * 1.0001).collect()
            }
        }
    }
}

/// The round step that divides this into about so many.
fn step_for(most: f64, parts: i32) -> f64 {
    if !(most.is_finite() && most > 0.0) {
        return 1.0;
    }
    let rough = most / f64::from(parts);
    let ten = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * ten).find(|step| *step >= rough * 0.9999).unwrap_or(rough)
}

/// The moments that stand below the axis: seconds and how they are written.
pub(in super::super) fn ticks_of_time(length: f64) -> Vec<(f64, String)> {
    const STEPS: [u32; 17] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
    let fits = |step: &&u32| length / f64::from(**step) <= 10.0;
    let step = STEPS.iter().find(fits).copied().unwrap_or_else(|| (length / 10.0).ceil() as u32).max(1);
    (0..=11)
        .map(|n| n * step)
        .take_while(|at| f64::from(*at) <= length)
        .map(|at| (f64::from(at), clock(at, length)))
        .collect()
}

fn clock(at: u32, length: f64) -> String {
    match length {
        l if l < 120.0 => format!("{at} s"),
        l if l < 7_200.0 => format!("{}:{:02}", at / 60, at % 60),
        _ => format!("{}:{:02} h", at / 3600, at % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_every_value() {
        for most in [0.0, 0.07, 1.0, 3.0, 199.0, 201.0, 12_345.0] {
            let scale = Scale::linear([most]);
            let ticks = scale.ticks();
            assert!((2..=6).contains(&ticks.len()), "{most}: {ticks:?}");
            assert!(ticks.last().is_some_and(|top| *top >= most), "{most}: {ticks:?}");
        }
        assert_eq!(Scale::linear([199.0]).ticks(), [0.0, 50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn latency_is_by_powers_of_ten_only_where_it_spans_them() {
        assert!(matches!(Scale::fitting([1.0, 4.0, 20.0]), Scale::Linear { .. }));
        assert_eq!(Scale::fitting([1.2, 2_000.0]), Scale::Log { bottom: 1.0, top: 2_000.0 });
        assert_eq!(Scale::fitting([1.2, 2_000.0]).ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert!((Scale::Log { bottom: 1.0, top: 100.0 }.place(10.0) - 0.5).abs() < 1e-9);
        assert!(matches!(Scale::fitting([]), Scale::Linear { .. }));
    }

    #[test]
    fn nothing_lands_outside() {
        for scale in [Scale::Linear { top: 10.0 }, Scale::Log { bottom: 1.0, top: 10.0 }] {
            let places = [f64::NAN, f64::INFINITY, -1.0, 0.0, 99.0].map(|v| scale.place(v));
            assert!(places.iter().all(|p| (0.0..=1.0).contains(p)), "{places:?}");
        }
    }

    #[test]
    fn time_is_written_as_long_as_it_is() {
        let words = |length: f64| ticks_of_time(length).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(words(4.0), ["0 s", "1 s", "2 s", "3 s", "4 s"]);
        assert_eq!(words(600.0).last().map(String::as_str), Some("10:00"));
        assert!(words(90_000.0).len() <= 12 && words(1e9).len() <= 12);
    }
}
