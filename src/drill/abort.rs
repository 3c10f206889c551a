//! What ends a drill early: looked at all the time while it is played. Pure.

use std::{collections::BTreeSet, time::Duration};

use crate::playbook::model::Abort;

/// Requests below which a share of failures says nothing.
const ENOUGH: u64 = 20;

/// How long Prometheus may be silent: some lost answers are no reason, and a drill that nobody warns of is one.
const SILENCE: Duration = Duration::from_secs(10);

/// What is known at one moment. What nobody measures is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// Requests that ended lately, and those of them that failed.
    pub recent: Option<(u64, u64)>,
    /// Nodes that are ready.
    pub ready: Option<u32>,
    /// Alerts that fire, by name, apart from those that fired before.
    pub alerts: BTreeSet<String>,
    /// How long nobody has said which alerts fire, where anybody is asked.
    pub unsaid: Duration,
}

/// Why the drill must end now; `None` where it may go on.
pub fn against(limits: &Abort, now: &Moment) -> Option<String> {
    if let (Some(limit), Some((all, failed))) = (limits.error_ratio, now.recent)
        && all >= ENOUGH
    {
        let ratio = failed as f64 / all as f64;
        if ratio > limit {
            let over = seconds(limits.over);
            return Some(format!(
                "{failed} of {all} requests failed within {over}; more than {:.1} % ends the drill",
                limit * 100.0
            ));
        }
    }
    if let (Some(least), Some(ready)) = (limits.ready_below, now.ready)
        && ready < least
    {
        return Some(format!("{ready} nodes are ready; fewer than {least} ends the drill"));
    }
    if !limits.alerts {
        return None;
    }
    if !now.alerts.is_empty() {
        let names: Vec<&str> = now.alerts.iter().map(String::as_str).collect();
        return Some(format!("an alert fires: {}", names.join(", ")));
    }
    (now.unsaid > SILENCE)
        .then(|| format!("nobody has said for {} which alerts fire; any that does ends the drill", seconds(now.unsaid)))
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Abort {
        Abort { error_ratio: Some(0.1), over: Duration::from_secs(5), ready_below: Some(2), alerts: true }
    }

    #[test]
    fn each_limit_ends_it_and_few_requests_say_nothing() {
        let fine = Moment { recent: Some((100, 10)), ready: Some(2), ..Moment::default() };
        assert_eq!(against(&limits(), &fine), None);
        assert!(against(&limits(), &Moment { recent: Some((100, 11)), ..fine.clone() }).is_some());
        assert_eq!(against(&limits(), &Moment { recent: Some((10, 10)), ..fine.clone() }), None);
        assert!(against(&limits(), &Moment { ready: Some(1), ..fine.clone() }).is_some());
        let alert = Moment { alerts: BTreeSet::from(["DiskFull".to_owned()]), ..fine.clone() };
        assert_eq!(against(&limits(), &alert).as_deref(), Some("an alert fires: DiskFull"));
        assert_eq!(against(&Abort { alerts: false, ..limits() }, &alert), None);
        let silent = Moment { unsaid: Duration::from_secs(11), ..fine.clone() };
        assert!(against(&limits(), &silent).is_some_and(|why| why.contains("for 11 s")), "silence is no calm");
        assert_eq!(against(&limits(), &Moment { unsaid: Duration::from_secs(9), ..fine.clone() }), None);
        assert_eq!(against(&Abort { alerts: false, ..limits() }, &silent), None);
        assert_eq!(against(&Abort::default(), &Moment { recent: Some((100, 100)), ready: Some(0), ..alert }), None);
    }
}
