//! `tidegate playbook plan FILE`: the whole of it before it is played, with how long it took before.

use clap::Args;

use super::{
    super::{
        args::Global,
        context::{Context, RUNS_READ},
        exit::{Code, Result},
        out::Out,
        world::members,
    },
    run::{Asked, checked, waves},
};
use crate::{
    cli::exit::Failure,
    journal::{Ending, Journal, Plays, sqlite::SqliteJournal},
    playbook::{
        self, Attributes,
        forecast::Past,
        outline::{Line, Outline, Total, outline},
    },
    run::waiting::Short,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    #[command(flatten)]
    asked: Asked,
    /// Leave the cluster alone: the members are those that the configuration lists
    #[arg(long)]
    offline: bool,
}

/// Plays whose steps are looked at, the newest.
const PLAYS_READ: usize = 50;

pub(super) async fn command(global: &Global, out: Out, args: Plan) -> Result<Code> {
    let settings = super::super::context::settings(&global.config)?;
    let playbook = checked(&args.asked, &settings)?.playbook;
    let (waves, past) = if args.offline {
        let waves = playbook::waves(&playbook.nodes, &members(&settings), &Attributes::new()).map_err(|why| {
            Failure::usage(why).next("Without `--offline` the cluster says who its members are, and their attributes.")
        })?;
        let journal = SqliteJournal::open(&settings.journal.path).await?;
        (waves, past(&journal, &journal).await?)
    } else {
        let context = Context::with(settings).await?;
        (waves(&context, &playbook).await?, past(&*context.journal, &*context.plays).await?)
    };
    let outline = outline(&playbook, &waves, &past);
    out.result(&outline, &text(&outline));
    Ok(Code::Done)
}

/// What the journal remembers: drains and restores as runs, everything else as steps of plays.
pub(in crate::cli) async fn past(journal: &dyn Journal, plays: &dyn Plays) -> Result<Past> {
    let mut past = Past::default();
    for run in journal.runs(RUNS_READ).await? {
        let (Some(ended), Some(Ending::Done)) = (run.ended_at, &run.ending) else { continue };
        let kind = match run.plan.request.purpose {
            crate::plan::Purpose::Drain => "drain",
            crate::plan::Purpose::Restore => "restore",
            _ => continue,
        };
        past.run(kind, ended.duration_since(run.opened_at).try_into().unwrap_or_default());
    }
    for play in plays.plays(PLAYS_READ).await? {
        let records = plays.play_records(&play.play).await?;
        past.play(&play.opening, records.iter().map(|record| (record.at, &record.event)));
    }
    Ok(past)
}

fn text(outline: &Outline) -> String {
    let Outline { playbook, about, digest, rounds, total } = outline;
    let mut text = format!("{playbook}: {about}\n");
    let mut shown = false;
    for round in rounds {
        let nodes: Vec<&str> = round.nodes.iter().map(|node| node.as_str()).collect();
        let of = if nodes.is_empty() { String::new() } else { format!(": {}", nodes.join(", ")) };
        let again = !nodes.is_empty() && shown;
        text += &format!("\n{}{of}{}\n", round.round, if again { ", the same" } else { "" });
        if !again {
            round.steps.iter().for_each(|line| text += &step(line));
        }
        shown |= !nodes.is_empty();
    }
    text + &ending(total) + &format!("What was planned has the digest {digest}.\n")
}

fn step(line: &Line) -> String {
    let mut text = format!("  {} [{}] {}\n", line.step, line.action, line.what.replace('\n', " "));
    for (word, conditions) in [("requires", &line.require), ("ensures", &line.ensure)] {
        for condition in conditions {
            text += &format!("      {word}: {condition}\n");
        }
    }
    if let Some(policy) = line.on_failure {
        text += &format!("      on failure: {policy}\n");
    }
    if let Some(usual) = line.usual.filter(|usual| usual.seen > 0) {
        let (p50, p95) = (Short(usual.p50), Short(usual.p95));
        text += &format!("      usually {p50}, seldom more than {p95} (seen {} times)\n", usual.seen);
    }
    text
}

fn ending(total: &Total) -> String {
    let spell = |seconds: f64| Short(std::time::Duration::from_secs_f64(seconds)).to_string();
    let mut text = match total.usually_s > 0.0 {
        true => format!("\nIn all usually {}, seldom more than {}", spell(total.usually_s), spell(total.at_worst_s)),
        false => "\nHow long it takes is not known yet".to_owned(),
    };
    let quoted = |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if !total.unknown.is_empty() {
        text += &format!(", and what was never seen before: {}", quoted(&total.unknown));
    }
    if !total.people.is_empty() {
        text += &format!(", and as long as a person takes at: {}", quoted(&total.people));
    }
    text + ".\n"
}
