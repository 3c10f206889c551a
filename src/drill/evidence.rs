//! What a play leaves behind: its journal, the journals of its runs, and what was measured, as one piece of evidence. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    detect::{Question, Times, Took, times},
    fault::Injected,
    meter::Counted,
    report::{
        self, Chain, Configuration, Evidence, FaultSeen, Kind, Measured, Phase, ReadyNodes, Remark, RemarkKind, Tick,
        Traffic, Verdict, of_run,
    },
    skew,
    unmeasured::{self, Measuring},
    watch::Record as Watched,
};
use crate::{
    journal::{PlayReading, Record, RunSummary},
    model::RunId,
    playbook::{Action, Fault, Intent, Opening, Place, PlayEnding, PlayEvent, Spot, SpotState, next, state},
};

/// All that is known at the end.
pub struct Known<'k> {
    /// The play.
    pub reading: &'k PlayReading,
    /// How it ended by its steps.
    pub ending: &'k PlayEnding,
    /// Its runs, with their journals.
    pub runs: &'k [(RunSummary, Vec<Record>)],
    /// What was counted, or why nothing was; none where it is no drill.
    pub counted: Option<&'k Result<Counted, String>>,
    /// What was seen of routes and readiness.
    pub watched: Option<&'k Watched>,
    /// The instances of the service among which an even share is reckoned.
    pub instances: usize,
    /// The configuration.
    pub configuration: Option<Configuration>,
    /// The version of Pacemaker, where the cluster said it.
    pub pacemaker: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// The evidence, not yet sealed.
pub fn of(known: &Known<'_>) -> Evidence {
    let (summary, state) = (&known.reading.summary, &known.reading.state);
    let opening = &summary.opening;
    let book = &opening.playbook;
    let kind = match (&book.drill, book.is_unplanned()) {
        (None, _) => Kind::Playbook,
        (Some(_), false) => Kind::PlannedDrill,
        (Some(_), true) => Kind::UnplannedDrill,
    };
    let mut evidence = Evidence::new(kind, summary.play.as_str(), &book.name, summary.opened_at);
    evidence.hypothesis = book.drill.as_ref().map(|drill| drill.hypothesis.clone());
    evidence.operator.clone_from(&opening.operator);
    evidence.reason.clone_from(&opening.reason);
    evidence.nodes = opening.waves.iter().flatten().cloned().collect();
    evidence.ended = Some(known.now);
    evidence.configuration.clone_from(&known.configuration);
    evidence.versions.pacemaker.clone_from(&known.pacemaker);
    evidence.versions.playbook = Some(book.digest.clone());
    evidence.versions.tidegate = Some(env!("CARGO_PKG_VERSION").into());
    let runs: Vec<Evidence> = known.runs.iter().map(|(summary, records)| of_run(summary, records)).collect();
    evidence.phases = phases(opening, &state.spots, &runs);
    evidence.remarks = remarks(known, &runs);
    evidence.residual = runs.iter().flat_map(|run| run.residual.clone()).collect();
    let rehearsed = runs.iter().filter_map(|run| run.differences.as_ref());
    evidence.differences = rehearsed.fold(None, |all: Option<Vec<String>>, some| {
        Some(all.into_iter().flatten().chain(some.iter().cloned()).collect())
    });
    evidence.signature.chains = runs.iter().flat_map(|run| run.signature.chains.clone()).collect();
    let (records, head) = summary.head.clone();
    evidence.signature.chains.insert(0, Chain { id: evidence.id.clone(), records, head });
    measured(known, &mut evidence);
    evidence
}

/// What was measured beside what had to come out, and the verdict.
fn measured(known: &Known<'_>, evidence: &mut Evidence) {
    let book = &known.reading.summary.opening.playbook;
    let counted = known.counted.and_then(|counted| counted.as_ref().ok());
    let fault = fault(known);
    evidence.traffic = counted.map(|counted| counted.traffic.clone());
    evidence.series = counted.map(|counted| counted.series.clone()).unwrap_or_default();
    if let Some(traffic) = &evidence.traffic {
        evidence.series.skew = skew::over_time(&traffic.seconds, traffic.from, known.instances);
    }
    if let Some(watched) = known.watched {
        let ready = watched.ready.iter().map(|(at, ready)| ReadyNodes { at: *at, ready: Some(*ready) });
        evidence.series.ready = ready.collect();
    }
    let Some(drill) = &book.drill else {
        evidence.verdict = match known.ending {
            PlayEnding::Done => Verdict { outcome: report::Outcome::Kept, why: None },
            PlayEnding::Failed { why } => Verdict { outcome: report::Outcome::Missed, why: Some(why.clone()) },
            PlayEnding::GivenUp { why } => Verdict::aborted(why.clone()),
        };
        return;
    };
    let times = fault.as_ref().zip(known.watched).map(|(fault, watched)| fault.times(watched));
    let seconds = |of: fn(&Times) -> &Took| times.as_ref().and_then(|times| of(times).seconds());
    let seen = Measured {
        failover_s: fault.as_ref().and_then(|fault| failover(fault.at, counted?)),
        detection_s: seconds(|t| &t.detection),
        recovery_s: seconds(|t| &t.recovery),
        error_ratio: counted.and_then(|c| error_ratio(c, drill.objectives.max_error_ratio)),
        latency_p99_ms: counted.and_then(|c| c.traffic.latency).map(|latency| latency.p99_ms),
        skew: counted.and_then(|c| skew::at_the_end(since(&c.traffic, last_step(known)), known.instances)),
        fewest_ready: known.watched.and_then(|w| w.ready.iter().map(|(_, ready)| *ready).min()),
    };
    evidence.objectives = report::against(&drill.objectives, &seen);
    let measuring = Measuring { counted: known.counted, times: times.as_ref(), broke: fault.is_some() };
    unmeasured::explain(&mut evidence.objectives, &measuring);
    evidence.fault = fault.map(|fault| fault.seen(known, times, &drill.objectives));
    evidence.verdict = match known.ending {
        PlayEnding::Done => report::judge(&evidence.objectives),
        PlayEnding::Failed { why } | PlayEnding::GivenUp { why } => Verdict::aborted(why.clone()),
    };
}

/// The share of requests that failed. Where counters were lost, what was seen may make a miss, and nothing else.
fn error_ratio(counted: &Counted, limit: Option<f64>) -> Option<f64> {
    let ratio = counted.traffic.error_ratio()?;
    (counted.complete || limit.is_some_and(|limit| ratio > limit)).then_some(ratio)
}

/// From the fault to the last request that failed; 0 where none did.
fn failover(at: Timestamp, counted: &Counted) -> Option<f64> {
    match counted.failing_until {
        Some(until) => Some(until.duration_since(at).as_secs_f64().max(0.0)),
        None => (counted.exact && counted.traffic.failed == 0).then_some(0.0),
    }
}

/// When the last step began that only observes, or the last one where none does: what was before belongs to something else.
fn last_step(known: &Known<'_>) -> Timestamp {
    let opening = &known.reading.summary.opening;
    let spots = || known.reading.state.spots.iter();
    let observes =
        |spot: &Spot| state::step(opening, spot).is_some_and(|step| matches!(step.action, Action::Observe { .. }));
    let observed = spots().filter(|(spot, _)| observes(spot)).filter_map(|(_, at)| at.since).max();
    let last = || spots().filter_map(|(_, at)| at.since).max();
    observed.or_else(last).unwrap_or(known.reading.summary.opened_at)
}

/// The whole seconds after that time.
fn since(traffic: &Traffic, after: Timestamp) -> &[Tick] {
    let first = after.duration_since(traffic.from).as_secs().max(-1) + 1;
    let first = traffic.seconds.partition_point(|tick| tick.second < first.unsigned_abs());
    &traffic.seconds[first..]
}

/// The fault of the play, where it came to be.
struct Broke<'k> {
    fault: &'k Fault,
    place: Place,
    begun: Timestamp,
    at: Timestamp,
    ended: Option<Timestamp>,
    /// When its timer was to end it.
    deadline: Option<Timestamp>,
}

fn fault<'k>(known: &Known<'k>) -> Option<Broke<'k>> {
    let opening = &known.reading.summary.opening;
    known.reading.state.spots.iter().find_map(|(spot, at)| {
        let Action::Fault { fault, place, .. } = &state::step(opening, spot)?.action else { return None };
        let place = place.clone().or_else(|| spot.node.clone().map(Place::Node))?;
        let injected = match &at.intent {
            Some(Intent::Fault { injected }) => serde_json::from_value::<Injected>(injected.clone()).ok(),
            _ => None,
        };
        let deadline = injected.map(|injected| injected.deadline);
        let intended = |event: &PlayEvent| matches!(event, PlayEvent::Intended { spot: of, .. } if of == spot);
        let begun = known.reading.records.iter().find(|record| intended(&record.event)).map(|record| record.at);
        let (broken, ended) = (at.broken?, at.mended);
        let begun = begun.unwrap_or(broken);
        // A fence device does it some time within its command: counted from the command, nothing is told too short.
        let at = if fault.is_by_device() { begun } else { broken };
        Some(Broke { fault, place, begun, at, ended, deadline })
    })
}

impl Broke<'_> {
    fn times(&self, watched: &Watched) -> Times {
        let node = match &self.place {
            Place::Node(node) => Some(node),
            Place::Host { .. } => None,
        };
        let mut times = times(
            &watched.seen,
            &Question {
                begun: self.begun,
                momentary: self.fault.is_momentary(),
                from: self.at,
                until: self.ended,
                node,
                ways: &watched.ways,
                lost: &watched.lost,
            },
        );
        if watched.dropped > 0 {
            // The last ones are missing, and the end is what it is about.
            times.recovery = Took::Unknown(format!("{} changes more were seen than are kept", watched.dropped));
        }
        times
    }

    /// Who ended it: its timer, the drill in its course, or whoever ended the drill before.
    fn ended_by(&self, known: &Known<'_>, ended: Timestamp) -> String {
        if self.deadline.is_some_and(|deadline| ended >= deadline) {
            return "its timer".into();
        }
        let given_up = known.reading.records.iter().find_map(|record| match &record.event {
            PlayEvent::GivenUp { why } if record.at <= ended => Some(why),
            _ => None,
        });
        given_up.map_or_else(|| "the drill".into(), |why| format!("the drill's early end ({why})"))
    }

    fn seen(&self, known: &Known<'_>, times: Option<Times>, limits: &super::objective::Objectives) -> FaultSeen {
        let times = times.as_ref();
        let noticed = times.and_then(|t| t.noticed.clone());
        let took = |of: Option<&Took>, limit: Option<Duration>, seen: Option<String>| {
            let seen = match of {
                Some(Took::Unknown(why)) => Some(why.clone()),
                _ => seen,
            };
            report::Took::of(of.and_then(Took::seconds), limit.map(|l| l.as_secs_f64()), seen)
        };
        FaultSeen {
            word: self.fault.word().into(),
            place: match &self.place {
                Place::Node(node) => node.to_string(),
                Place::Host { host, .. } => host.clone(),
            },
            at: self.at,
            ended_at: self.ended,
            ended_by: self.ended.map(|ended| self.ended_by(known, ended)),
            detection: took(times.map(|t| &t.detection), limits.detection, noticed),
            removal: took(times.map(|t| &t.removal), None, None),
            recovery: took(times.map(|t| &t.recovery), limits.recovery, times.and_then(|t| t.counted.clone())),
        }
    }
}

/// Each step, and the steps of its run within it.
fn phases(opening: &Opening, spots: &BTreeMap<Spot, SpotState>, runs: &[Evidence]) -> Vec<Phase> {
    let mut phases = Vec::new();
    for (spot, at) in spots {
        let Some(from) = at.since else { continue };
        let run = at.run.as_ref().and_then(|run| runs.iter().find(|evidence| evidence.id == run.as_str()));
        if let Some(run) = run {
            let of = |phase: &Phase| Phase { run: Some(RunId::new(run.id.as_str())), ..phase.clone() };
            phases.extend(run.phases.iter().map(of));
            continue;
        }
        let name = next::name(opening, spot);
        let name = name.rsplit_once(", ").map_or(name.clone(), |(_, step)| step.to_owned());
        let until = at.done.or(at.mended);
        phases.push(Phase { name, node: spot.node.clone(), from, until, run: None, acknowledgements: Vec::new() });
    }
    phases.sort_by_key(|phase| phase.from);
    phases
}

fn remarks(known: &Known<'_>, runs: &[Evidence]) -> Vec<Remark> {
    let opening = &known.reading.summary.opening;
    let of = |record: &crate::journal::PlayRecord| {
        let (kind, text) = match &record.event {
            PlayEvent::Failed { spot, why } => (RemarkKind::Trouble, format!("{}: {why}", next::name(opening, spot))),
            PlayEvent::GivenUp { why } => (RemarkKind::Aborted, why.clone()),
            PlayEvent::Held { why } => (RemarkKind::Held, why.clone()),
            PlayEvent::Approved { spot, by } => {
                (RemarkKind::Note, format!("{}: approved by {by}", next::name(opening, spot)))
            }
            _ => return None,
        };
        Some(Remark { at: Some(record.at), kind, text })
    };
    let mut remarks: Vec<Remark> = known.reading.records.iter().filter_map(of).collect();
    remarks.extend(runs.iter().flat_map(|run| run.remarks.clone()));
    if let Some(Err(why)) = known.counted {
        remarks.push(Remark { at: None, kind: RemarkKind::Trouble, text: format!("nothing was counted: {why}") });
    }
    remarks.sort_by_key(|remark| remark.at);
    remarks.truncate(report::MAX_LINES);
    remarks
}
