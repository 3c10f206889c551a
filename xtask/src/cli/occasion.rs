//! What tasks on a lab share on the command line: which lab they are played on, and how their result is told.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use xtask::lab::{Lab, Options};

/// The lab that something is played on.
#[derive(Args)]
pub(super) struct Occasion {
    /// Use the lab of that name that is up, and leave it up (`tg` where none is said); without it, one is made, and removed
    /// afterwards
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "tg")]
    attach: Option<String>,
    /// The name of the lab that is made, if not the task's own
    #[arg(long, value_name = "PREFIX", conflicts_with = "attach")]
    prefix: Option<String>,
}

impl Occasion {
    /// Plays it on the lab that is asked for; one that is made has these options, and `options.prefix` is its name where no
    /// other is given.
    pub(super) fn on<T>(&self, options: Options, play: impl FnOnce(&Lab) -> Result<T>) -> Result<T> {
        if let Some(prefix) = &self.attach {
            return play(&Lab::attach(prefix)?);
        }
        let prefix = self.prefix.clone().unwrap_or(options.prefix);
        let lab = Lab::up(Options { prefix: prefix.clone(), ..options })?;
        let played = play(&lab);
        // The lab goes whatever came of it, and what went wrong with that says more than what goes wrong with its removal.
        let down = Lab::down(&prefix);
        let played = played?;
        down?;
        Ok(played)
    }
}

/// How a result is told.
#[derive(Args)]
pub(super) struct Told {
    /// The result as one line of JSON, the last one of stdout
    #[arg(long)]
    json: bool,
}

impl Told {
    /// Tells it: the text to people, on stderr where stdout is for a program.
    #[allow(clippy::print_stdout, reason = "the result is the command's data")]
    pub(super) fn result(&self, report: &impl Serialize, text: &str, good: bool) -> Result<ExitCode> {
        if self.json {
            eprint!("\n{text}");
            println!("{}", serde_json::to_string(report)?);
        } else {
            print!("{text}");
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Whether a program reads it.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}
