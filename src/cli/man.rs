//! `tidegate man`: the man pages, one a command, from the same definitions as the help.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{
    args::Cli,
    exit::{Code, Failure, Result},
    out::Out,
};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory; made where it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes the pages.
pub(super) fn command(out: Out, args: &ManArgs) -> Result<Code> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|e| Failure::new(Code::Failed, format!("{}: {e}", directory.display())))?;
    out.result(&serde_json::json!({ "directory": directory }), &format!("man pages are in {}", directory.display()));
    Ok(Code::Done)
}
