//! Live progress on stderr. On a terminal: a line for each proven step, and one that moves and names what is waited
//! for. Elsewhere: a line an event; a wait is told again only when something of it changed, at most once a second.

use std::{
    io::{IsTerminal, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::words::{self, Weight};
use crate::{
    journal::{Ending, Event, Record},
    model::{Observation, RunId},
    plan::{Plan, render},
    run::{
        executor::Watcher,
        state::{RunState, StepState},
        waiting::{Short, Waiting},
    },
};

/// Least time between two lines about the same wait, and before the first one: most waits are over by then.
const WAIT_LINE_EVERY: Duration = Duration::from_secs(1);

/// Connections that are listed below an event.
const FEW: usize = 4;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not at all.
    Silent,
    /// A line an event, with each effect where `detail` is set.
    Lines {
        /// Single effects too.
        detail: bool,
    },
    /// For a terminal.
    Live,
}

impl Look {
    /// What suits stderr: live on a terminal, lines elsewhere and wherever details are wanted.
    pub fn fitting(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Silent,
            (false, false) if stderr().is_terminal() => Self::Live,
            (false, detail) => Self::Lines { detail },
        }
    }
}

/// A [`Watcher`] that tells a person.
pub struct Progress {
    look: Look,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    run: Option<RunId>,
    bar: Option<ProgressBar>,
    wait: String,
    /// When something was told last, or a record came.
    at: Option<Instant>,
}

impl Progress {
    /// Progress of that look.
    pub fn new(look: Look) -> Self {
        Self { look, told: Mutex::default() }
    }

    /// Says something without disturbing the moving line.
    pub fn say(&self, text: &str) {
        self.told().print(text);
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = self.told().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, told: &Told, plan: &Plan, record: &Record, state: &RunState) {
        let (weight, text) = words::event(plan, &record.event);
        match self.look {
            Look::Silent => {}
            Look::Lines { detail } if weight < Weight::Detail || detail => {
                told.print(&text);
                let some = if detail { usize::MAX } else { FEW };
                words::few(&words::stragglers(&record.event), some).iter().for_each(|line| told.print(line));
            }
            Look::Lines { .. } => {}
            Look::Live => match (&record.event, weight) {
                (Event::StepDone { step }, _) => told.print(&proven(plan, state, *step)),
                (Event::Ended { ending: Ending::Done }, _) => {}
                (event, Weight::News) => {
                    told.print(&paint(AnsiColor::Yellow, &format!("  ! {text}")));
                    words::few(&words::stragglers(event), FEW).iter().for_each(|line| told.print(line));
                }
                _ => {}
            },
        }
    }
}

impl Told {
    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{text}")),
            None => anstream::eprintln!("{text}"),
        }
    }

    /// The moving line, with more lines below it where there is more to say.
    fn move_on(&mut self, line: &str, details: &[String]) {
        let bar = self.bar();
        if bar.prefix().is_empty() != details.is_empty() {
            bar.set_style(style(!details.is_empty()));
        }
        bar.set_prefix(details.join("\n"));
        bar.set_message(line.to_owned());
    }

    fn bar(&mut self) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner().with_style(style(false));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        })
    }
}

fn style(more: bool) -> ProgressStyle {
    let template = if more { "  {spinner} {wide_msg}\n{prefix}" } else { "  {spinner} {wide_msg}" };
    // The template is a constant of ours; the default style would do as well.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Watcher for Progress {
    fn recorded(&self, run: &RunId, plan: &Plan, record: &Record, state: &RunState) {
        let mut told = self.told();
        if told.run.as_ref() != Some(run) {
            told.run = Some(run.clone());
            if self.look != Look::Silent && plan.parent.is_some() {
                told.print(&render::headline(plan));
            }
        }
        told.wait.clear();
        told.at = Some(Instant::now());
        self.line(&told, plan, record, state);
        if self.look == Look::Live
            && let Event::StepBegun { step } = &record.event
        {
            let name = words::step_name(plan, *step);
            told.move_on(&name, &[]);
        }
    }

    fn waiting(&self, _run: &RunId, plan: &Plan, state: &RunState, waits: &[Waiting], _seen: &Observation) {
        let mut told = self.told();
        let title = state.current().and_then(|step| plan.action(step)).map_or("", |a| a.title());
        match self.look {
            Look::Silent => {}
            Look::Live => told.move_on(&format!("{title}: {}", words::waits(waits)), &words::wait_details(waits)),
            Look::Lines { .. } => {
                let essence = essence(waits);
                if told.wait != essence && told.at.is_none_or(|at| at.elapsed() >= WAIT_LINE_EVERY) {
                    told.print(&format!("waiting: {}", words::waits(waits)));
                    words::wait_details(waits).iter().for_each(|line| told.print(line));
                    (told.wait, told.at) = (essence, Some(Instant::now()));
                }
            }
        }
    }
}

/// What of a wait is worth a new line: everything but the time that is left.
fn essence(waits: &[Waiting]) -> String {
    let (mut waits, mut verdict) = (waits.to_vec(), String::new());
    for wait in &mut waits {
        if let Waiting::Connections(connected) = wait {
            // Ages, bytes and estimates move all the time; the kind of the verdict is news.
            connected.left = Duration::ZERO;
            verdict.push_str(connected.verdict.map_or("", |v| v.word()));
            connected.verdict = None;
        }
        if let Waiting::Settling { came, .. } = wait {
            // That somebody came is news, and when it was is none.
            *came = came.map(|_| Duration::ZERO);
        }
        if let Waiting::Settling { left, .. }
        | Waiting::Cutting { left, .. }
        | Waiting::Ramp { left, .. }
        | Waiting::BackedOff { left, .. } = wait
        {
            *left = Duration::ZERO;
        }
    }
    words::waits(&waits) + &verdict
}

fn proven(plan: &Plan, state: &RunState, step: usize) -> String {
    let took = match state.steps.get(step) {
        Some(StepState::Done { since, at }) => Short(crate::model::observed::age(*at, *since)).to_string(),
        _ => String::new(),
    };
    let title = plan.action(step).map_or("", |a| a.title());
    format!("  {} {title:<24} {took:>8}", paint(AnsiColor::Green, "✓"))
}

fn paint(colour: AnsiColor, text: &str) -> String {
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{NodeName, ServiceName, topology::Listener},
        run::connected::Connected,
        traffic::decay::Verdict,
    };

    fn connections(total: u64, left: u64) -> Connected {
        Connected {
            node: NodeName::new("node-02"),
            listener: Listener::of(&ServiceName::new("app")),
            total,
            sessions: Vec::new(),
            unexplained: Vec::new(),
            direct: 0,
            oldest: Vec::new(),
            verdict: None,
            unlisted: Vec::new(),
            left: Duration::from_secs(left),
        }
    }

    fn essence_of(connected: Connected) -> String {
        essence(&[Waiting::Connections(Box::new(connected))])
    }

    #[test]
    fn only_time_that_passes_is_no_news() {
        let before = essence_of(connections(3, 40));
        assert_eq!(before, essence_of(connections(3, 39)));
        assert_ne!(before, essence_of(connections(2, 40)));
        let never = |seconds| Some(Verdict::Never { since: Duration::from_secs(seconds) });
        let judged = essence_of(Connected { verdict: never(60), ..connections(3, 40) });
        assert_ne!(before, judged, "a verdict is news");
        assert_eq!(judged, essence_of(Connected { verdict: never(61), ..connections(3, 40) }));
    }
}
