//! The gate over blocked windows. It is asked before a drain begins and not again: a run that has begun is not stopped
//! halfway by the clock.

use std::collections::BTreeSet;

use super::{Answer, Facts, Gate, routes::targets};
use crate::{
    config::settings::Blocked,
    model::{ServiceName, observed::age},
};

/// Windows that may follow one another; after so many nobody looks for the end.
const MAX_CHAIN: usize = 64;

/// Nothing where no window is configured.
pub(super) fn calendar(facts: &Facts<'_>) -> Option<Gate> {
    let taken = taken(facts);
    let concerns = |w: &&Blocked| w.services.is_empty() || w.services.iter().any(|s| taken.contains(s));
    let windows: Vec<&Blocked> = facts.settings.calendar.iter().filter(concerns).collect();
    if facts.settings.calendar.is_empty() {
        return None;
    }
    let open: Vec<(&Blocked, _)> = windows.iter().filter_map(|w| Some((*w, w.until(facts.now)?))).collect();
    let Some((first, _)) = open.first() else { return Some(outside(facts, &windows)) };
    let said: Vec<String> =
        open.iter().map(|(w, until)| format!("{} ({}) until {}", w.name, w.why, w.words(*until))).collect();
    let detail = format!("no drain may start now: {}", said.join("; "));
    let remedy = match end(&windows, facts) {
        Some(end) => format!("wait until {}", first.words(end)),
        None => "windows follow one another without an end: look at `[[calendar]]`".to_owned(),
    };
    let remedy = format!("{remedy}; or say why it may be: `--override calendar=REASON`");
    Some(Gate::new("calendar", Answer::Refuse, detail).remedy(remedy))
}

/// No window is open. One that opens while connections may still be waited for is worth knowing.
fn outside(facts: &Facts<'_>, windows: &[&Blocked]) -> Gate {
    let next = windows.iter().filter_map(|w| Some((*w, w.next(facts.now)?))).min_by_key(|(_, from)| *from);
    let Some((window, from)) = next else { return Gate::new("calendar", Answer::Pass, "no blocked window is near") };
    let longest = facts.settings.services.iter().map(|s| s.connections.deadline).max().unwrap_or_default();
    let detail = format!("the next blocked window, {}, begins {}", window.name, window.words(from));
    match age(from, facts.now) <= longest {
        true => Gate::new("calendar", Answer::Warn, format!("{detail}: before connections must have ended")),
        false => Gate::new("calendar", Answer::Pass, detail),
    }
}

/// When the last of the windows ends that follow one another.
fn end(windows: &[&Blocked], facts: &Facts<'_>) -> Option<jiff::Timestamp> {
    let mut at = facts.now;
    for _ in 0..MAX_CHAIN {
        match windows.iter().filter_map(|w| w.until(at)).max() {
            Some(until) => at = until,
            None => return Some(at),
        }
    }
    None
}

/// The services that lose something by this drain.
fn taken(facts: &Facts<'_>) -> BTreeSet<ServiceName> {
    let member = facts.topology.nodes.contains(facts.node());
    let own = facts.topology.services.iter().filter(|_| member).map(|s| s.name.clone());
    own.chain(targets(facts).map(|t| t.service)).collect()
}
