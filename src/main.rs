//! The `tidegate` program: arguments → command → exit code.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use tidegate::cli::load;

/// Take a node of an active-active service out of traffic, and bring it back, without losing a request.
#[derive(Parser)]
#[command(name = "tidegate", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send requests at a constant rate and report every failure
    Load(load::LoadArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let done = match command {
        Command::Load(args) => load::command(args).await,
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "tidegate: {error}");
        ExitCode::FAILURE
    })
}
