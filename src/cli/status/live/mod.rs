//! `tidegate status --watch`: everything that `status` shows, all the time, full-screen. It looks and changes nothing; what
//! an open run waits for is worked out from what is seen, by the same function by which the run decides.

use std::{io::IsTerminal, sync::Arc, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    text::Text,
    widgets::Paragraph,
};
use tokio::{sync::watch, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        context::{Context, Survey},
        exit::{Code, Failure, Result},
        out::Out,
    },
    Status, gather,
};
use crate::{
    daemon::watch::Watch,
    journal::memory::MemoryJournal,
    model::{NodeName, NodeView, Observation},
    plan::ledger,
    run::{
        decide::{self, Decision, Situation},
        look::Look,
        observer::Observer,
        state::RunState,
        streaks::Streaks,
        wants::Wants,
    },
    traffic::{
        share::{Judged, Traffic},
        window::Window,
    },
};

mod draw;
#[cfg(test)]
mod tests;

/// Time between two pictures.
const PACE: Duration = Duration::from_millis(500);
/// Longest wait for a key before the next picture may be due.
const KEY: Duration = Duration::from_millis(50);
/// Time between two looks at the nodes' sockets.
const SOCKETS: Duration = Duration::from_secs(2);

/// One picture.
struct View {
    status: Status,
    /// Every entrypoint over the last minute.
    judged: Vec<Judged>,
    /// What the open run waits for, in words.
    waits: Vec<String>,
    /// The time of day.
    clock: String,
}

/// Shows pictures until somebody says `q`.
pub(super) async fn command(context: &Context, out: Out) -> Result<Code> {
    if !std::io::stdout().is_terminal() {
        let why =
            "`status --watch` needs a terminal; without one, `status` looks once and `status --json` is for programs";
        return Err(Failure::usage(why.to_owned()));
    }
    let survey = context.survey(|_| Wants::default()).await?;
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let targets = context.targets(&survey.topology)?;
    let (world, settings) = (survey.world.clone(), context.settings.clone());
    // Whoever only looks writes nothing down.
    let notebook = Arc::new(MemoryJournal::default());
    let watching = Watch::start(world, settings, &survey.topology, targets, notebook, stop.clone());
    let sockets = sockets(context, &survey, stop);
    let eyes = Eyes { context, survey, watching, sockets, traffic: Traffic::default(), streaks: Streaks::default() };
    let failed = |error: std::io::Error| Failure::new(Code::Failed, format!("the terminal cannot be used: {error}"));
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let shown = show(eyes, &mut terminal, draw::Colour::wanted()).await;
    ratatui::restore();
    shown?;
    out.say("`tidegate status` looks once.");
    Ok(Code::Done)
}

/// Everything that pictures are made of.
struct Eyes<'c> {
    context: &'c Context,
    survey: Survey,
    watching: Watch,
    sockets: watch::Receiver<Vec<(NodeName, NodeView)>>,
    traffic: Traffic,
    streaks: Streaks,
}

/// Asks the nodes for their sockets beside everything else: it takes longer than a picture may.
fn sockets(context: &Context, survey: &Survey, stop: CancellationToken) -> watch::Receiver<Vec<(NodeName, NodeView)>> {
    let (told, receiver) = watch::channel(Vec::new());
    let topology = survey.topology.clone();
    let mut observer = Observer::new(survey.world.clone(), context.settings.clone());
    tokio::spawn(async move {
        let wants = Wants { sockets: topology.nodes.iter().cloned().collect(), ..Wants::default() };
        while !stop.is_cancelled() {
            observer.refresh(&topology, &wants).await;
            let nodes = observer.seen().nodes.iter().map(|(node, view)| (node.clone(), view.clone()));
            told.send_replace(nodes.collect());
            tokio::time::sleep(SOCKETS).await;
        }
    });
    receiver
}

async fn show(mut eyes: Eyes<'_>, terminal: &mut DefaultTerminal, colour: draw::Colour) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(Code::Failed, format!("the terminal cannot be used: {error}"));
    let mut scroll: u16 = 0;
    loop {
        let view = eyes.view().await?;
        let drawn = tokio::time::Instant::now();
        loop {
            let draw = |frame: &mut ratatui::Frame<'_>| {
                let area = frame.area();
                let lines = draw::lines(&view, area.width, colour);
                let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
                scroll = scroll.min(most);
                frame.render_widget(Paragraph::new(Text::from(lines)).scroll((scroll, 0)), area);
            };
            terminal.draw(draw).map_err(failed)?;
            match key().await.map_err(failed)? {
                Some(Key::Quit) => return Ok(()),
                Some(Key::Down(lines)) => scroll = scroll.saturating_add(lines),
                Some(Key::Up(lines)) => scroll = scroll.saturating_sub(lines),
                None => {}
            }
            if drawn.elapsed() >= PACE {
                break;
            }
        }
    }
}

enum Key {
    Quit,
    Up(u16),
    Down(u16),
}

async fn key() -> std::io::Result<Option<Key>> {
    let read = spawn_blocking(|| if event::poll(KEY)? { event::read().map(Some) } else { Ok(None) });
    let Some(Event::Key(key)) = read.await.map_err(std::io::Error::other)?? else { return Ok(None) };
    if key.kind != KeyEventKind::Press {
        return Ok(None);
    }
    Ok(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Down(1)),
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Up(1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Key::Down(10)),
        KeyCode::PageUp => Some(Key::Up(10)),
        _ => None,
    })
}

impl Eyes<'_> {
    async fn view(&mut self) -> Result<View> {
        self.survey.seen = self.seen();
        self.survey.runs = self.context.journal.runs(super::super::context::RUNS_READ).await?;
        let now = self.survey.world.clock.now();
        // The share of traffic that was seen from now on: no counter says what came in the last minute.
        self.traffic.fold(&self.survey.topology, &self.survey.seen);
        let mut judged = self.traffic.judge(now);
        judged.retain(|j| j.window == Window::Short);
        let waits = self.waits().await?;
        let status = gather(self.context, &self.survey).await?;
        let clock = now.strftime("%H:%M:%S UTC").to_string();
        Ok(View { status, judged, waits, clock })
    }

    /// What the watch sees, and the sockets.
    fn seen(&self) -> Observation {
        let mut seen = self.watching.sight().borrow().seen.clone();
        for (node, view) in self.sockets.borrow().iter() {
            seen.nodes.entry(node.clone()).or_default().sockets.clone_from(&view.sockets);
        }
        seen
    }

    async fn waits(&mut self) -> Result<Vec<String>> {
        let Some(open) = ledger::open(&self.survey.runs) else {
            self.streaks = Streaks::default();
            return Ok(Vec::new());
        };
        let state = RunState::fold(&open.plan, &self.context.journal.records(&open.run).await?)
            .map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
        let settings = &*self.context.settings;
        let look = Look { seen: &self.survey.seen, now: self.survey.world.clock.now(), max_age: settings.max_age() };
        self.streaks.absorb(&open.plan, &look);
        let situation = Situation {
            run: &open.run,
            plan: &open.plan,
            state: &state,
            look,
            streaks: &self.streaks,
            settings,
            topology: &self.survey.topology,
        };
        Ok(match decide::decide(&situation) {
            Decision::Go(progress) => progress.waits.iter().map(ToString::to_string).collect(),
            Decision::Hold { why, .. } | Decision::Undo { why, .. } => vec![why],
            Decision::Finish => Vec::new(),
        })
    }
}
