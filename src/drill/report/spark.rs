//! A line of numbers in the height of one line of text.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character a number, from nothing to the greatest of them; `·` where there is none.
pub fn sparkline(values: &[Option<f64>]) -> String {
    let known = |value: &Option<f64>| value.filter(|v| v.is_finite() && *v >= 0.0);
    let most = values.iter().filter_map(known).fold(0.0, f64::max);
    let level = |value: f64| {
        let step = if most > 0.0 { value / most * 7.0 } else { 0.0 };
        // What is more than nothing is shown as more than nothing.
        let least = usize::from(value > 0.0 && most > 0.0);
        LEVELS[(step.round() as usize).clamp(least, 7)]
    };
    values.iter().map(|value| known(value).map_or('·', level)).collect()
}

/// At most `width` numbers: each the worst of those that it stands for, by `worse`.
pub(super) fn squeezed(values: &[Option<f64>], width: usize, worse: fn(f64, f64) -> f64) -> Vec<Option<f64>> {
    let per = values.len().div_ceil(width.max(1)).max(1);
    values.chunks(per).map(|chunk| chunk.iter().filter_map(|v| *v).reduce(worse)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_and_a_gap_are_seen() {
        assert_eq!(sparkline(&[Some(0.0), Some(1.0), None, Some(1000.0)]), "▁▂·█");
        assert_eq!(sparkline(&[Some(0.0), Some(0.0)]), "▁▁");
        let mut long = vec![Some(0.0); 10_000];
        long[7_777] = Some(1.0);
        let short = squeezed(&long, 60, f64::max);
        assert!(short.len() <= 60 && sparkline(&short).contains('█'));
        assert!(squeezed(&[], 60, f64::max).is_empty());
    }
}
