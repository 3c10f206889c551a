//! `tidegate completions`: what distributions install for the shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{
    args::Cli,
    exit::{Code, Failure, Result},
    out::Out,
};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(super) fn command(out: Out, args: &CompletionsArgs) -> Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegate", &mut script);
    let script = String::from_utf8(script).map_err(|e| Failure::new(Code::Failed, e.to_string()))?;
    out.result(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }), &script);
    Ok(Code::Done)
}
