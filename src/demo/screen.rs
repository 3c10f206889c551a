//! The demo as people see it, on stderr: each node's share as a moving bar, or a line an event where there is no
//! terminal.

use std::{io::Write, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{task::JoinHandle, time::interval};
use tokio_util::sync::CancellationToken;

use super::{
    backend::Unit,
    edge::{Admin, Edge},
    stage::Stage,
    world::DemoWorld,
};
use crate::model::NodeName;

/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(100);
/// A full bar: all answers come from this node.
const FULL: u64 = 1000;

/// A running display.
pub(super) struct Screen {
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Screen {
    /// Shows the stage until [`Screen::end`].
    pub(super) fn start(world: &DemoWorld, stage: &Stage, terminal: bool) -> Self {
        let end = CancellationToken::new();
        let mut view = View {
            stage: stage.clone(),
            edges: world.edges.clone(),
            units: world.units.iter().map(|(node, unit)| (node.clone(), unit.clone())).collect(),
            bars: terminal.then(|| Bars::new(&world.members)),
        };
        let ended = end.clone();
        let task = tokio::spawn(async move {
            let mut frames = interval(FRAME);
            while ended.run_until_cancelled(frames.tick()).await.is_some() {
                view.show();
            }
            view.show();
            view.close();
        });
        Self { end, task }
    }

    /// Shows what is left and stops.
    pub(super) async fn end(self) {
        self.end.cancel();
        // A display that broke down is no reason to lose the verdict.
        let _ = self.task.await;
    }
}

struct View {
    stage: Stage,
    edges: Vec<Edge>,
    units: Vec<(NodeName, Unit)>,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    phase: ProgressBar,
    nodes: Vec<ProgressBar>,
    waits: ProgressBar,
    totals: ProgressBar,
}

impl Bars {
    fn new(members: &[NodeName]) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15));
        let line = |template: &str, length| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            all.add(ProgressBar::new(length).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")))
        };
        Self {
            phase: line("\n{wide_msg:.bold}", 1),
            nodes: members
                .iter()
                .map(|node| line("  {prefix:8} {bar:40.cyan/black} {wide_msg}", FULL).with_prefix(node.to_string()))
                .collect(),
            waits: line("  {wide_msg:.yellow}", 1),
            totals: line("  {wide_msg}", 1),
            all,
        }
    }
}

impl View {
    fn show(&mut self) {
        for (at, what) in self.stage.take_events() {
            let line = format!("{at:5.1} s  {what}");
            match &self.bars {
                // Neither a full disk nor a closed terminal ends the demo.
                Some(bars) => drop(bars.all.println(line)),
                None => drop(writeln!(std::io::stderr(), "{line}")),
            }
        }
        if let Some(bars) = &self.bars {
            self.draw(bars);
        }
    }

    fn draw(&self, bars: &Bars) {
        let seen = self.stage.live.snapshot();
        let shares = seen.shares();
        for (bar, (node, unit)) in bars.nodes.iter().zip(&self.units) {
            let share = shares.get(node.as_str()).copied().unwrap_or_default();
            bar.set_position((share * FULL as f64).round() as u64);
            let rate = seen.by_node.get(node.as_str()).copied().unwrap_or_default();
            bar.set_message(format!("{:3.0} % {rate:4}/s  {}", share * 100.0, self.state(node, unit)));
        }
        let (phase, step, waits) = self.stage.shown();
        bars.phase.set_message(if step.is_empty() { phase } else { format!("{phase}: {step}") });
        bars.waits.set_message(if waits.is_empty() { String::new() } else { format!("waiting: {}", waits.join("; ")) });
        bars.totals.set_message(format!(
            "{:5.1} s  {} requests, {} failed, {} under way ({} slow ones)",
            self.stage.elapsed_s(),
            seen.sent,
            seen.failed,
            seen.in_flight,
            seen.slow_in_flight
        ));
    }

    /// What a node is to the load balancers and to systemd, in a few words.
    fn state(&self, node: &NodeName, unit: &Unit) -> String {
        let settings: Vec<String> = self
            .edges
            .iter()
            .filter_map(|e| e.setting(node.as_str()).ok())
            .map(|s| match s.admin {
                Admin::Ready => s.weight.to_string(),
                Admin::Drain => "drain".to_owned(),
                Admin::Maint => "maint".to_owned(),
            })
            .collect();
        format!("{}  unit {}", settings.join("/"), unit.view().active)
    }

    /// The events stay, the bars have nothing left to say.
    fn close(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.all.clear();
        }
    }
}
