//! `[[calendar]]`: windows in which no drain may start. A window is one span between two dates, or comes every week. Its
//! times are those of a time zone, whose rules come with the machine and are read once, with the configuration.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{cluster::Context, nearest::nearest, reader::Reader, report::Problems};
use crate::model::ServiceName;

/// `[[calendar]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Its name.
    pub name: String,
    /// Why nothing is drained then.
    pub why: String,
    /// The services that it is about; all of them where there is none.
    pub services: Vec<ServiceName>,
    /// The zone of its times.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
    /// When.
    pub when: When,
}

/// When a window is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Once, from the first moment up to the second.
    Once(Timestamp, Timestamp),
    /// Every week.
    Weekly {
        /// On these days.
        days: Vec<Day>,
        /// From this time on.
        from: Time,
        /// Up to this time, of the next day where it is not later than `from`; `None` is midnight.
        to: Option<Time>,
    },
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the days are known")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Monday,
            Day::Tue => Self::Tuesday,
            Day::Wed => Self::Wednesday,
            Day::Thu => Self::Thursday,
            Day::Fri => Self::Friday,
            Day::Sat => Self::Saturday,
            Day::Sun => Self::Sunday,
        }
    }
}

impl Blocked {
    /// The end of the window that is open at `now`, where one is.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let open = |(from, until): &(Timestamp, Timestamp)| *from <= now && now < *until;
        self.around(now).into_iter().find(open).map(|(_, until)| until)
    }

    /// The beginning of the next window after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.around(now).into_iter().map(|(from, _)| from).find(|from| *from > now)
    }

    /// A moment as people read it, in the window's own zone.
    pub fn words(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }

    /// The windows from yesterday's to those of the next eight days, in order.
    fn around(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let (days, from, to) = match &self.when {
            When::Once(from, until) => return vec![(*from, *until)],
            When::Weekly { days, from, to } => (days, *from, to.unwrap_or(Time::midnight())),
        };
        let today = now.to_zoned(self.zone.clone()).date();
        let window = |day: Date| {
            let last = if to > from { day } else { day.checked_add(1.day()).ok()? };
            Some((self.moment(day.to_datetime(from))?, self.moment(last.to_datetime(to))?))
        };
        let near = (-1..=8).filter_map(|n| today.checked_add(i64::from(n).days()).ok());
        near.filter(|day| days.iter().any(|d| Weekday::from(*d) == day.weekday())).filter_map(window).collect()
    }

    fn moment(&self, at: DateTime) -> Option<Timestamp> {
        at.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp())
    }
}

/// Reads all windows; `None` where one is wrong, which has been reported then.
pub(super) fn calendar(readers: &[Reader<'_>], context: &Context, problems: &mut Problems) -> Option<Vec<Blocked>> {
    let windows: Vec<Option<Blocked>> = readers.iter().map(|r| blocked(r, context, problems)).collect();
    windows.into_iter().collect()
}

fn blocked(r: &Reader<'_>, context: &Context, problems: &mut Problems) -> Option<Blocked> {
    let zone = r.text("time-zone").and_then(|name| {
        let zone = TimeZone::get(&name).ok();
        if zone.is_none() {
            let help = "a name of the IANA database, as in `time-zone = \"Europe/Berlin\"`";
            r.spot("time-zone").report(problems, format!("there is no time zone \"{name}\" on this machine"), help);
        }
        zone
    });
    let services = services(r, context, problems);
    let weekly = r.has("days") || r.has("to");
    let when = match (weekly, zone.as_ref()) {
        (true, _) => every_week(r, problems),
        (false, Some(zone)) => once(r, zone, problems),
        (false, None) => None,
    };
    Some(Blocked { name: r.text("name")?, why: r.text("why")?, services: services?, zone: zone?, when: when? })
}

fn services(r: &Reader<'_>, context: &Context, problems: &mut Problems) -> Option<Vec<ServiceName>> {
    let listed = if r.has("services") { r.texts("services")? } else { Vec::new() };
    for (spot, name) in &listed {
        if !context.services.iter().any(|s| s.as_str() == name) {
            let near = nearest(name, context.services.iter().map(ServiceName::as_str));
            let help = near.map_or_else(|| "name a service".to_owned(), |n| format!("did you mean \"{n}\"?"));
            spot.report(problems, format!("there is no service \"{name}\""), help);
        }
    }
    Some(listed.into_iter().map(|(_, name)| ServiceName::new(name)).collect())
}

/// `from` and `until`, each a date or a date with a time. A date alone is that whole day.
fn once(r: &Reader<'_>, zone: &TimeZone, problems: &mut Problems) -> Option<When> {
    for key in ["from", "until"] {
        if !r.has(key) {
            let help = "a window is `from` and `until` (dates), or `days` with `from` and `to` (times)";
            r.here().report(problems, format!("`{key}` is missing"), help);
        }
    }
    let moment = |key: &str, whole_day: i64| {
        let text = r.text(key)?.replacen(' ', "T", 1);
        let at = match text.parse::<Date>().ok().filter(|_| !text.contains('T')) {
            Some(day) => day.checked_add(whole_day.days()).ok()?.to_datetime(Time::midnight()),
            None => text.parse::<DateTime>().ok()?,
        };
        Some(at.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let mut read = |key: &str, whole_day: i64| {
        let at = moment(key, whole_day);
        if at.is_none() && r.has(key) && r.text(key).is_some() {
            let help = "a date, with a time where it is not the whole day: \"2026-12-20\", \"2026-12-20 18:00\"";
            r.spot(key).report(problems, format!("`{key}` is no date"), help);
        }
        at
    };
    let (from, until) = (read("from", 0), read("until", 1));
    let (from, until) = (from?, until?);
    if until <= from {
        r.spot("until").report(problems, "the window ends before it begins", "`until` must be later than `from`");
    }
    Some(When::Once(from, until))
}

/// `days`, and `from` and `to` as times.
fn every_week(r: &Reader<'_>, problems: &mut Problems) -> Option<When> {
    if !r.has("days") {
        r.here().report(problems, "`days` is missing", "`to` goes with `days`; the end of dates is `until`");
    }
    if r.has("until") {
        r.spot("until").report(problems, "`until` goes with dates", "the end of a weekly window is `to`, a time");
    }
    let mut time = |key: &str| match r.text(key).filter(|text| text != "24:00") {
        None => Some(None),
        Some(text) => {
            let time = text.parse::<Time>().ok();
            if time.is_none() {
                r.spot(key).report(problems, format!("`{key}` is no time"), "as in \"18:00\"");
            }
            time.map(Some)
        }
    };
    let (from, to) = (time("from"), time("to"));
    let days = r.texts("days")?.into_iter().map(|(_, day)| day_of(&day)).collect::<Option<Vec<Day>>>()?;
    Some(When::Weekly { days, from: from?.unwrap_or(Time::midnight()), to: to? })
}

fn day_of(text: &str) -> Option<Day> {
    Some(match text {
        "mon" => Day::Mon,
        "tue" => Day::Tue,
        "wed" => Day::Wed,
        "thu" => Day::Thu,
        "fri" => Day::Fri,
        "sat" => Day::Sat,
        "sun" => Day::Sun,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(zone: &str, when: When) -> Blocked {
        let zone = TimeZone::get(zone).expect("a zone");
        Blocked { name: "w".into(), why: "because".into(), services: Vec::new(), zone, when }
    }

    fn weekly(days: &[Day], from: &str, to: Option<&str>) -> When {
        let time = |text: &str| text.parse::<Time>().expect("a time");
        When::Weekly { days: days.to_vec(), from: time(from), to: to.map(time) }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_weekly_window_is_at_its_zones_hours_in_summer_and_in_winter() {
        let office = window("Europe/Berlin", weekly(&[Day::Mon], "08:00", Some("18:00")));
        assert_eq!(office.until(at("2026-01-05T07:30:00Z")), Some(at("2026-01-05T17:00:00Z")), "winter");
        assert_eq!(office.until(at("2026-01-05T06:59:59Z")), None);
        assert_eq!(office.until(at("2026-07-06T06:30:00Z")), Some(at("2026-07-06T16:00:00Z")), "summer");
        assert_eq!(office.until(at("2026-07-06T16:00:00Z")), None, "its end is not in it");
        assert_eq!(office.until(at("2026-07-07T10:00:00Z")), None, "a Tuesday");
        assert_eq!(office.next(at("2026-07-07T10:00:00Z")), Some(at("2026-07-13T06:00:00Z")));
    }

    #[test]
    fn a_window_goes_over_midnight_and_a_day_without_times_is_whole() {
        let night = window("UTC", weekly(&[Day::Fri], "22:00", Some("06:00")));
        assert_eq!(night.until(at("2026-01-03T05:00:00Z")), Some(at("2026-01-03T06:00:00Z")), "Saturday morning");
        assert_eq!(night.until(at("2026-01-02T05:00:00Z")), None, "Friday morning");
        let sunday = window("UTC", weekly(&[Day::Sun], "00:00", None));
        assert_eq!(sunday.until(at("2026-01-04T12:00:00Z")), Some(at("2026-01-05T00:00:00Z")));
    }

    #[test]
    fn a_span_has_its_beginning_in_it_and_its_end_not() {
        let (from, until) = (at("2026-12-20T00:00:00Z"), at("2027-01-03T00:00:00Z"));
        let freeze = window("UTC", When::Once(from, until));
        assert_eq!(freeze.until(from), Some(until));
        assert_eq!((freeze.until(until), freeze.next(until)), (None, None));
        assert_eq!(freeze.next(at("2026-12-19T00:00:00Z")), Some(from));
        assert_eq!(freeze.words(from), "Sun 2026-12-20 00:00 UTC");
    }
}
