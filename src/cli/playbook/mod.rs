//! `tidegate playbook`: runbooks as files. `run` carries one out; it is journaled, and `resume` goes on wherever it was, on
//! the same node, after a crash or a failure that was held. `approve` and `abort` are a person's word to one that is open.

mod check;
mod plan;
mod run;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{
    args::{Acting, Global, duration},
    exit::{Code, Result},
    out::Out,
    play,
};
use crate::model::PlayId;

pub(super) use plan::past;
pub(super) use run::{Asked, outline, read, waves};

#[derive(Debug, Subcommand)]
pub(super) enum Playbook {
    /// Tell every mistake of a playbook at once, and the gates that can be seen already; move nothing
    Check(check::Check),
    /// Show the whole of it: nodes in waves, every step with what it waits for, and how long that took before
    Plan(plan::Plan),
    /// Carry a playbook out on its nodes
    Run(run::Run),
    /// Go on with a play that was held or interrupted; what failed is tried again
    Resume(Acted),
    /// Say yes to what a play asks
    Approve(Acted),
    /// Give a play up: what it took out is brought back, and its clean-up is played
    Abort(Ended),
    /// Show a play, or list them
    Status(Shown),
    /// Print the JSON Schema of playbook files
    #[command(hide = true)]
    Schema,
}

/// A play, and who says what about it.
#[derive(Debug, Args)]
pub(super) struct Acted {
    /// The play, as `tidegate playbook status` names it
    #[arg(value_name = "PLAY", value_parser = play_name)]
    pub(super) play: PlayId,
    #[command(flatten)]
    pub(super) acting: Acting,
}

/// A play that is to end.
#[derive(Debug, Args)]
pub(super) struct Ended {
    #[command(flatten)]
    pub(super) acted: Acted,
    /// The longest to wait for a program that is at work on it; it goes on bringing things back
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Args)]
pub(super) struct Shown {
    /// The play; all where there is none
    #[arg(value_name = "PLAY", value_parser = play_name)]
    pub(super) play: Option<PlayId>,
    /// Tell every change, until the play is over or waits for somebody; its end is the exit code
    #[arg(short, long, requires = "play")]
    pub(super) follow: bool,
    /// The longest to follow it
    #[arg(long, value_name = "TIME", requires = "follow", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

fn play_name(text: &str) -> std::result::Result<PlayId, String> {
    super::args::named(text, "play").map(PlayId::new)
}

/// Does what is asked.
pub(super) async fn command(global: &Global, out: Out, command: Playbook) -> Result<Code> {
    match command {
        Playbook::Check(args) => check::command(global, out, args).await,
        Playbook::Plan(args) => plan::command(global, out, args).await,
        Playbook::Run(args) => run::command(global, out, args).await,
        Playbook::Resume(args) => play::resume(global, out, &args.play, &args.acting).await,
        Playbook::Approve(args) => play::approve(global, out, &args.play, &args.acting).await,
        Playbook::Abort(args) => play::give_up(global, out, &args.acted.play, &args.acted.acting, args.timeout).await,
        Playbook::Schema => {
            let schema = crate::playbook::schema();
            out.result(&schema, &format!("{schema:#}"));
            Ok(Code::Done)
        }
        Playbook::Status(args) => play::status(global, out, &args).await,
    }
}
