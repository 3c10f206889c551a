//! The times in logs, each written as its program likes, all as seconds since 1970. The lab's machines live in UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads the time at the start of a line that has this format (strptime's); none where the line has none.
pub(super) fn at_start(line: &str, format: &str, length: usize) -> Option<f64> {
    seconds(DateTime::strptime(format, line.get(..length)?).ok()?)
}

/// The same for a time without a year, which is the year of `now` or the one before.
pub(super) fn without_year(line: &str, format: &str, length: usize, now: jiff::Timestamp) -> Option<f64> {
    let year = now.to_zoned(TimeZone::UTC).year();
    let text = line.get(..length)?;
    let read = |year: i16| seconds(DateTime::strptime(format!("%Y {format}"), format!("{year} {text}")).ok()?);
    read(year).filter(|time| *time < now.as_second() as f64 + 86_400.0).or_else(|| read(year - 1))
}

fn seconds(time: DateTime) -> Option<f64> {
    let stamp = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(stamp.as_microsecond() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_programs_time_is_read_to_the_millisecond() {
        let bird = at_start("2026-11-21 10:08:33.680 <TRACE> node_1", "%Y-%m-%d %H:%M:%S%.f", 23);
        let named = at_start("2026-11-21T10:08:33.680Z update: info", "%Y-%m-%dT%H:%M:%S%.f", 23);
        assert_eq!(bird, Some(1_795_255_713.68));
        assert_eq!(bird, named);
        assert_eq!(at_start("no time here, but long enough", "%Y-%m-%d %H:%M:%S%.f", 23), None);
    }

    #[test]
    fn a_line_without_a_year_is_of_the_last_twelve_months() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let read = |line| without_year(line, "%b %d %H:%M:%S%.f", 19, now);
        assert_eq!(read("Nov 21 10:08:33.680 node-1 pacemaker"), Some(1_795_255_713.68));
        let december = read("Dec 31 23:59:59.000 node-1 pacemaker").expect("a time");
        assert!(december < 1_795_255_713.0);
    }
}
